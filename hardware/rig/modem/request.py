"""Command lines as 3GPP TS 27.007 and V.250 write them, and the methods that carry them out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

RUN, READ, TEST, SET = "run", "read", "test", "set"


@dataclass(frozen=True)
class Request:
    """One command: `AT+NAME`, `AT+NAME?`, `AT+NAME=?` or `AT+NAME=args`. Quotation marks of arguments are gone."""

    name: str
    kind: str
    args: tuple[str, ...] = ()

    def text(self, index: int, default: str = "") -> str:
        """An argument, or `default` where it is left out."""
        return self.args[index] if index < len(self.args) and self.args[index] else default

    def number(self, index: int, default: int | None = None) -> int:
        """An argument as a number (decimal, or hexadecimal with 0x); Refused where it is none."""
        text = self.text(index)
        if not text and default is not None:
            return default
        try:
            return int(text, 0) if text.lower().startswith("0x") else int(text)
        except ValueError:
            raise Refused(PARAMETER) from None


class Refused(Exception):  # noqa: N818
    """A command is refused: with a CME error (`code`), or with `line` in the family's own words, and one before it."""

    def __init__(self, code: int = 100, line: str = "", before: str = "") -> None:
        super().__init__(line or f"CME {code}")
        self.code = code
        self.line = line
        self.before = before


NOT_ALLOWED, NOT_SUPPORTED, PARAMETER, NO_NETWORK = 3, 4, 50, 30

Handler = Callable[[Any, Request], Awaitable[str | None]]
"""Says the lines of its answer; returns the final line, None for "OK", "" for none at all."""
Method = TypeVar("Method", bound=Handler)


def command(*names: str) -> Callable[[Method], Method]:
    """Mark a method as the one that carries out these commands (without "AT+")."""

    def mark(method: Method) -> Method:
        method.command_names = names  # type: ignore[attr-defined]
        return method

    return mark


def handlers_of(cls: type) -> dict[str, str]:
    """Names of commands and of the methods of a class, its bases' included, that carry them out."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            for spoken in getattr(member, "command_names", ()):
                found[spoken] = name
    return found


def parse(line: str) -> Request:
    """Read a command line that begins with "AT"."""
    body = line[2:].strip()
    if not body:
        return Request("", RUN)
    if body[0] not in "+*^$%&#":
        # The basic commands: a letter, perhaps a digit.
        return Request(body[0].upper(), SET, (body[1:],))
    body = body[1:]
    name, equals, rest = body.partition("=")
    if not equals:
        return Request(name[:-1].upper(), READ) if name.endswith("?") else Request(name.upper(), RUN)
    if rest == "?":
        return Request(name.upper(), TEST)
    return Request(name.upper(), SET, tuple(_split(rest)))


def _split(text: str) -> list[str]:
    parts, part, is_quoted = [], "", False
    for character in text:
        if character == '"':
            is_quoted = not is_quoted
        elif character == "," and not is_quoted:
            parts.append(part.strip())
            part = ""
        else:
            part += character
    return [*parts, part.strip()]

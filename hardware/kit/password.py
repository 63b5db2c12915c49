"""The password of a kit's keys: where it comes from, and which ones are too weak.

A kit may be lost with the laptop, and then whoever has it may try passwords for years on many machines. So a short or
a common one is refused, and one can be made. It never stands on the command line, where other users and the shell's
history would see it.
"""

import os
import re
import secrets
import sys
from collections.abc import Iterable

import typer

from gateway_agent.errors import GatepostError

VARIABLE = "GATEPOST_KIT_PASSWORD"
LEAST_CHARACTERS = 12
_LEAST_DIFFERENT = 6
_COMMON = (
    "password", "passwort", "passwd", "qwerty", "asdfgh", "zxcvbn", "letmein", "welcome", "admin", "iloveyou", "monkey",
    "dragon", "secret", "changeme", "gatepost", "abc123", "woaini", "5201314", "147258", "1q2w3e",
)  # fmt: skip
_ROWS = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 4


class PasswordError(GatepostError):
    """A password that is missing, weak or wrong."""


def weakness(password: str, names: Iterable[str] = ()) -> str | None:
    """Why a password is too weak, as a phrase; None when it is not.

    `names` are words that whoever finds the kit reads in it, such as its own name.
    """
    if len(password) < LEAST_CHARACTERS:
        return f"it has {len(password)} characters, and {LEAST_CHARACTERS} are the least"
    lower = password.lower()
    if len(set(lower)) < _LEAST_DIFFERENT:
        return f"it has only {len(set(lower))} different characters"
    rest = lower
    for word in sorted({*_COMMON, *(name.lower() for name in names if len(name) > 3)}, key=len, reverse=True):
        rest = rest.replace(word, "")
    rest = _without_runs(re.sub(r"^[\W_]+|[\W_]+$", "", rest))
    if len(rest) < LEAST_CHARACTERS // 2:
        return "little is left of it without common words, names that stand in the kit, and rows of the keyboard"
    for length in range(1, len(lower) // 2 + 1):
        if lower == (lower[:length] * len(lower))[: len(lower)]:
            return f"it repeats {password[:length]}"
    return None


def _without_runs(text: str) -> str:
    """The text without pieces of four or more characters that stand so on the keyboard or in the alphabet."""
    rows = [*_ROWS, *(row[::-1] for row in _ROWS)]
    at, kept = 0, ""
    while at < len(text):
        length = next((n for n in range(len(text) - at, 3, -1) if any(text[at : at + n] in row for row in rows)), 0)
        kept += "" if length else text[at]
        at += length or 1
    return kept


def new_password() -> str:
    """A password that nobody has: 16 characters that are hard to mistake for each other, 79 bits of chance."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


def password_to_set(names: Iterable[str]) -> tuple[str, bool]:
    """The password that a new kit gets, and whether it was made here and has to be shown.

    From the variable, else asked for twice; nothing entered makes one. Raises PasswordError.
    """
    given = os.environ.get(VARIABLE)
    if given is None:
        if not sys.stdin.isatty():
            raise PasswordError(f"the keys need a password, and nobody can be asked; set {VARIABLE}")
        given = typer.prompt(
            "Password for the keys (nothing: one is made)", hide_input=True, default="", show_default=False, err=True
        )
        if not given:
            return new_password(), True
        if typer.prompt("The same again", hide_input=True, default="", show_default=False, err=True) != given:
            raise PasswordError("the two passwords differ; start again")
    why = weakness(given, names)
    if why is not None:
        raise PasswordError(f"this password is too weak: {why}; take another one, such as {new_password()}")
    return given, False


def password_to_open(name: str) -> str:
    """The password of a kit that is there: from the variable, else asked for. Raises PasswordError."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise PasswordError(f"the keys in {name} need a password, and nobody can be asked; set {VARIABLE}")
    asked: str = typer.prompt(f"Password of {name}", hide_input=True, err=True)
    return asked

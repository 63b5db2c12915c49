"""Cutting a modem's byte stream into lines, prompts and raw payloads.

A modem's lines end with CR LF, but the line end of one may be lost and the next be glued to it, the first characters
of one may be lost while the UART wakes, and noise may stand anywhere. A header such as `+QIRD: 25` is followed by so
many raw bytes, in which everything may occur, line ends and whole answers included.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST_LINE_BYTES = 8192
"""More without a line end is noise. The longest true line is a datagram of 1500 bytes in hexadecimal and its head."""

_GLUE = re.compile(r"\+[A-Z][A-Z0-9]{1,15}: ?|\+CM[ES] ERROR:")
_FINAL_BEFORE = re.compile(r"(OK)([A-Z0-9].*)")
_FINAL_BEHIND = re.compile(r"(\+.*[^ ]|[\d.,]+|.* OK)(OK|ERROR)")
_NOISE = "".join(map(chr, range(0x21))) + "".join(map(chr, range(0x7F, 0x100)))


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; `payload` is what followed a header of raw bytes, None for any other line."""

    text: str
    payload: bytes | None = None


class Prompt:
    """The modem asks for the data of a send."""


Item = Line | Prompt


class AtStream:
    """Takes bytes in any portions and gives items in their order.

    `raw_headers` are patterns of whole lines behind which as many raw bytes follow as their group `length` says;
    `marks` are beginnings of lines, besides `+NAME:`, before which a line that lost its end is cut.
    """

    def __init__(self, raw_headers: Sequence[re.Pattern[str]] = (), marks: Sequence[str] = ()) -> None:
        self.wants_prompt = False
        self.damaged = 0
        self._raw_headers = raw_headers
        self._marks = re.compile("|".join([_GLUE.pattern, *map(re.escape, marks)]))
        self._bytes = bytearray()
        self._header = ""
        self._missing: int | None = None
        self._echo = b""
        self._ready: list[Item] = []

    @property
    def is_inside_payload(self) -> bool:
        """Whether raw bytes are still to come; see `give_up_payload`."""
        return self._missing is not None

    def expect_echo(self, data: bytes) -> None:
        """Pass over `data` when it comes next: a modem with its echo on repeats what is sent at the prompt."""
        self._echo = data

    def clear(self) -> None:
        """Forget all that was not handed on."""
        self._bytes.clear()
        self._ready.clear()
        self._missing = None
        self._echo = b""
        self.wants_prompt = False

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take bytes and give what has become whole."""
        self._bytes += data
        yield from self._items()

    def give_up_payload(self) -> Iterator[Item]:
        """The rest of a payload is not coming: take what came of it for lines, for the end of an answer is in it."""
        self.damaged += 1
        self._missing = None
        yield from self._items()

    def _items(self) -> Iterator[Item]:
        while (item := self._next()) is not None:
            yield item

    def _next(self) -> Item | None:
        """The next item, or None. Each turn takes at least one byte or one item away, so it ends."""
        while True:
            if self._missing is not None:
                return self._payload()
            if self._ready:
                item = self._ready.pop(0)
                if isinstance(item, Line) and not self._ready and self._begin_payload(item.text):
                    continue
                return item
            if not self._take_line():
                return None

    def _payload(self) -> Line | None:
        length = self._missing or 0
        if len(self._bytes) < length:
            return None
        payload = bytes(self._bytes[:length])
        del self._bytes[:length]
        self._missing = None
        return Line(self._header, payload)

    def _begin_payload(self, text: str) -> bool:
        for pattern in self._raw_headers:
            found = pattern.fullmatch(text)
            if found is not None and 0 < int(found["length"]) <= LONGEST_LINE_BYTES:
                self._header = text
                self._missing = int(found["length"])
                return True
        return False

    def _take_line(self) -> bool:
        """Move what is complete at the beginning of the bytes into `_ready`; False when nothing is."""
        if self._echo and not self._pass_echo():
            return False
        end = next((at for at, byte in enumerate(self._bytes) if byte in b"\r\n"), None)
        if end is None:
            return self._take_partial()
        if self._bytes[end : end + 1] == b"\r" and end + 1 == len(self._bytes) and self._may_be_header(end):
            return False  # the LF behind the header decides where the payload begins
        width = 2 if self._bytes[end : end + 2] == b"\r\n" else 1
        text = self._bytes[:end].decode("latin-1")
        del self._bytes[: end + width]
        if self.wants_prompt and text.strip(_NOISE) == ">":
            self._prompt()
        else:
            self._ready += [Line(part) for part in self._parts(text)]
        return True

    def _may_be_header(self, end: int) -> bool:
        parts = self._parts(self._bytes[:end].decode("latin-1"))
        return bool(parts) and any(pattern.fullmatch(parts[-1]) for pattern in self._raw_headers)

    def _pass_echo(self) -> bool:
        """Pass over the echo of data; False while it may still be coming."""
        ends = len(self._bytes) - len(self._bytes.lstrip(b"\r\n"))
        for start in (0, ends):
            heard = bytes(self._bytes[start : start + len(self._echo)])
            if heard == self._echo:
                del self._bytes[: start + len(self._echo)]
                break
            if self._echo.startswith(heard):
                return False
        self._echo = b""
        return True

    def _take_partial(self) -> bool:
        if self.wants_prompt and self._bytes.rstrip(b" ").endswith(b">"):
            text = self._bytes.rstrip(b" ")[:-1].decode("latin-1")
            self._bytes.clear()
            self._ready += [Line(part) for part in self._parts(text)]
            self._prompt()
            return True
        if len(self._bytes) > LONGEST_LINE_BYTES:
            self.damaged += 1
            self._bytes.clear()
        return False

    def _prompt(self) -> None:
        self.wants_prompt = False
        self._ready.append(Prompt())

    def _parts(self, text: str) -> list[str]:
        """The lines in what stands before a line end: one, or several that were glued together."""
        text = text.strip(_NOISE).lstrip("> ")
        if not text:
            return []
        starts = sorted({0, *(found.start() for found in self._marks.finditer(text))})
        pieces = [text[start:end] for start, end in zip(starts, [*starts[1:], None])]
        parts: list[str] = []
        for piece in pieces:
            glued = _FINAL_BEFORE.fullmatch(piece) or _FINAL_BEHIND.fullmatch(piece)
            whole = [piece] if glued is None or piece.startswith("+CM") else [glued[1], glued[2]]
            parts += [part.strip(_NOISE) for part in whole]
        return [part for part in parts if part]

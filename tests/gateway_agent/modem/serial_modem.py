"""A small modem in memory for the AT engine: it answers in order, late, in pieces, between URCs and noise."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Manner:
    """How one command is answered. `latency_s` before it, `piece` bytes at a time, `noise` before each line."""

    latency_s: float = 0.01
    piece: int = 64
    echo: bool = False
    urc_before: bool = False
    urc_inside: bool = False
    urc_behind: bool = False
    glued: bool = False
    noise: bytes = b""
    swallowed: bool = False
    refused: bool = False


URC = '+TOLD: "all is well"'
GOOD = Manner()


class SerialModem:
    """A port. `AT+VAL=n` is answered with `+VAL: n`, `AT+SET=n` with OK alone, `AT+PUT=n,length` takes data.

    `manners` are used up by the commands in their order, whoever sends them; after them it behaves. `done` are the
    commands whose answer has begun.
    """

    byte_s = 10 / 115200

    def __init__(self, on_data: Callable[[bytes], None], manners: list[Manner]) -> None:
        self.done: list[str] = []
        self.heard: list[str] = []
        self.taken: list[bytes] = []
        self._on_data = on_data
        self._manners = list(manners)
        self._commands: asyncio.Queue[tuple[str, Manner]] = asyncio.Queue()
        self._partial = b""
        self._wanted = 0
        self._prompted = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())

    def stop(self) -> None:
        self._task.cancel()

    def write(self, data: bytes) -> None:
        for byte in data:
            self._partial += bytes([byte])
            if self._wanted:
                if len(self._partial) == self._wanted:
                    self.taken.append(self._partial)
                    self._partial, self._wanted = b"", 0
                    self._prompted.set()
            elif self._partial.endswith(b"\r"):
                command, self._partial = self._partial[:-1].lstrip(b"\x1b").decode("ascii"), b""
                if command:
                    self._accept(command)

    def _accept(self, command: str) -> None:
        self.heard.append(command)
        manner = self._manners.pop(0) if self._manners else GOOD
        if not manner.swallowed:
            self._commands.put_nowait((command, manner))

    async def _run(self) -> None:
        while True:
            command, manner = await self._commands.get()
            if manner.echo:
                await self._say(command.encode() + b"\r\r\n", manner)
            await asyncio.sleep(manner.latency_s)
            put = re.fullmatch(r"AT\+PUT=\d+,(\d+)", command)
            if put is not None and not manner.refused:
                self._prompted.clear()
                self._wanted = int(put[1])
                await self._say(b"\r\n> ", manner)
                await self._prompted.wait()
            self.done.append(command)
            await self._answer(command, manner)

    async def _answer(self, command: str, manner: Manner) -> None:
        lines = ["ERROR"] if manner.refused else [*_information(command), "OK"]
        if manner.urc_inside:
            lines.insert(len(lines) - 1, URC)
        if manner.urc_before:
            lines.insert(0, URC)
        if manner.urc_behind:
            lines.append(URC)
        end = b"" if manner.glued else b"\r\n"
        text = b"".join(manner.noise + line.encode() + end for line in lines)
        await self._say(b"\r\n" + text + b"\r\n", manner)

    async def _say(self, data: bytes, manner: Manner) -> None:
        for begin in range(0, len(data), manner.piece):
            self._on_data(data[begin : begin + manner.piece])
            await asyncio.sleep(0.0005)


_ANSWERS = {
    "AT+CSQ": "+CSQ: 21,99",
    "AT+CGATT?": "+CGATT: 1",
    "AT+CESQ": "+CESQ: 99,99,255,255,20,60",
    "AT+CFUN?": "+CFUN: 1",
}


def _information(command: str) -> list[str]:
    if command in _ANSWERS:
        return [_ANSWERS[command]]
    found = re.fullmatch(r"AT\+VAL=(\d+)", command)
    return [] if found is None else [f"+VAL: {found[1]}"]

"""One answer at the console, line by line, in pieces that the port takes without making anybody wait."""

import asyncio

from micropython import const

from node import board, supervisor
from protocols import crc

_PIECE_BYTES = const(64)
_PIECE_MS = const(6)


class Sheet:
    """`begin`, lines by `put`, `end`; the last line has the CRC of those between, each counted with one LF."""

    def __init__(self, port: board.Console, seat: supervisor.Seat) -> None:
        self.seat = seat
        self._port = port
        self._crc = crc.START

    async def begin(self) -> None:
        """The first line, on a line of its own whatever was printed before."""
        await self.raw("\n-- gatepost node --\n")

    async def put(self, key: str, value: object) -> None:
        """One line."""
        text = key + ": " + str(value) + "\n"
        data = text.encode()
        self._crc = crc.crc16(data, 0, len(data), self._crc)
        await self.raw(text)

    async def end(self) -> None:
        """The last line."""
        await self.raw("-- end %04X --\n" % self._crc)

    async def raw(self, text: str) -> None:
        """Write a text that is no line of the answer."""
        for at in range(0, len(text), _PIECE_BYTES):
            self._port.give(text[at : at + _PIECE_BYTES])
            self.seat.check_in()
            await asyncio.sleep_ms(_PIECE_MS)

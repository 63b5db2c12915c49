"""The task at the console: whoever types `?` or `scan` at the USB port gets an answer (protocols/spec/console.md).

What is here stays in the heap all year, so it is small; what answers is loaded for the answer and let go after it.
While nobody types, nothing is allocated. Any bytes may come: what is no request is thrown away. Ctrl-C does not
interrupt, for noise on an open line has that byte too: at the beginning of a line it leads to MicroPython's prompt,
anywhere else it is one more byte that means nothing.
"""

import asyncio
import gc
import sys

from micropython import const

from node import board, core, log, modules, supervisor
from protocols import crc, log_codes, task_codes

_LOOK_MS = const(250)
_PAUSE_MS = const(10)
_AT_ONCE = const(64)
_LINE_BYTES = const(8)
_LONGEST_S = const(60)
_PIECE_BYTES = const(64)
_PIECE_MS = const(6)
_CTRL_C = const(3)
_LF = const(10)
_CR = const(13)

_SILENCE = const(0)
_MORE = const(1)
_ASKED = const(2)
_ASKED_TO_SCAN = const(3)

_REPORT = b"?"
_SCAN = b"scan"
_TO_REPORT = ("node.console_report", "node.console_tests")
_TO_SCAN = ("node.console_scan",)
_BORROWED = (
    "node.factory",
    "protocols.factory_record",
    "node.settings",
    "protocols.node_settings",
    "protocols.node_table_check",
)


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


class Console:
    """Answers for the node that runs on `table` (None without one); `full` is its FullNode, None in safe mode."""

    def __init__(self, table: "bytes | None", node_core: core.Core, full) -> None:  # type: ignore[no-untyped-def]
        self.port = board.Console()
        self.table = table
        self.core = node_core
        self.poller = None if full is None else full.poller
        self.bus = None if full is None else full.bus
        self.cover = None if full is None else full.cover
        self.flash_test = None
        self._line = bytearray(_LINE_BYTES)
        self._have = 0
        self._is_fresh = False

    def tasks(self, watch: supervisor.Supervisor) -> list:  # type: ignore[type-arg]
        """The one task, with its seat."""
        return [self._run(watch.seat(task_codes.CONSOLE, _LONGEST_S))]

    async def _run(self, seat: supervisor.Seat) -> None:
        while True:
            seat.check_in()
            found = self._listen()
            if found == _ASKED:
                await self._answer(_TO_REPORT, seat)
            elif found == _ASKED_TO_SCAN:
                await self._answer(_TO_SCAN, seat)
            else:
                await asyncio.sleep_ms(_LOOK_MS if found == _SILENCE else _PAUSE_MS)

    def _listen(self) -> int:
        """Take what was typed, up to the end of a request: _SILENCE, _MORE may be waiting, or what was asked."""
        for _ in range(_AT_ONCE):
            byte = self.port.take()
            if byte < 0:
                return _SILENCE
            if byte == _CR or byte == _LF:  # noqa: SIM109  (a tuple of names would be made each time)
                found = self._request()
                self._have = 0
                self._is_fresh = True
                if found:
                    return found
            elif byte == _CTRL_C and self._is_fresh:
                board.stamp(board.STAMP_CONSOLE)
                raise KeyboardInterrupt
            else:
                self._is_fresh = False
                if self._have < _LINE_BYTES:
                    self._line[self._have] = byte
                    self._have += 1
        return _MORE

    def _request(self) -> int:
        line = self._line[: self._have]
        if line == _REPORT:
            return _ASKED
        return _ASKED_TO_SCAN if line == _SCAN else _SILENCE

    async def _answer(self, names: "tuple[str, ...]", seat: supervisor.Seat) -> None:
        """Load one module after the other, let each say its part, and let go of them all."""
        try:
            sheet = Sheet(self.port, seat)
            for name in names:
                part = __import__(name, None, None, ("",))
                gc.collect()
                await asyncio.sleep_ms(_PAUSE_MS)
                await part.tell(sheet, self)
                modules.forget((name,))
            await sheet.end()
        except Exception as error:  # a node without memory for an answer goes on with its work
            sys.print_exception(error)
            log.note(log_codes.EXCEPTION, int.from_bytes((type(error).__name__[:4].encode() + bytes(4))[:4], "big"))
        modules.forget(names)
        modules.forget(_BORROWED)
        gc.collect()

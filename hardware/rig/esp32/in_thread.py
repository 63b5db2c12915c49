"""A board in a thread with an event loop of its own, beside whatever runs esptool and waits for it."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from hardware.rig.esp32.board import Application, SimulatedBoard
from hardware.rig.esp32.chip import SimulatedChip
from hardware.rig.esp32.serial_ends import PtyEnd, Rfc2217End, SocketEnd

Result = TypeVar("Result")
_END_WITHIN_S = 30.0


class BoardThread:
    """A context with one plugged-in board; `port` is what to give to esptool.

    `reach` is the path of a serial device, or "socket" or "rfc2217". Everything that touches the board has to go
    through `do`, which runs it in the board's own loop.
    """

    def __init__(
        self,
        chip: SimulatedChip,
        reach: Path | str,
        *,
        auto_reset: bool = True,
        attended: bool = False,
        application: Application | None = None,
        on_event: Callable[[str], None] | None = None,
        plugged: bool = True,
    ) -> None:
        self.chip = chip
        self._reach = reach
        self._plugged = plugged
        self._make_board = partial(
            SimulatedBoard,
            chip,
            auto_reset=auto_reset,
            attended=attended,
            application=application,
            on_event=on_event,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated board", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._make(), self._loop).result(_END_WITHIN_S)
        except BaseException:
            self._end_loop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self.board.close(), self._loop).result(_END_WITHIN_S)
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_END_WITHIN_S)
        self._loop.close()

    async def _make(self) -> None:
        self.board = self._make_board()
        self.end: PtyEnd | SocketEnd
        if isinstance(self._reach, Path):
            self.end = PtyEnd(self.board, self._reach)
        else:
            self.end = {"socket": SocketEnd, "rfc2217": Rfc2217End}[self._reach](self.board)
        if self._plugged:
            self.board.plug()

    @property
    def port(self) -> str:
        """What to give to pyserial or esptool as a port."""
        return self.end.url

    def do(self, act: Callable[[], Result]) -> Result:
        """Run `act` where the board lives and return what it gives."""

        async def acted() -> Result:
            return act()

        return asyncio.run_coroutine_threadsafe(acted(), self._loop).result(_END_WITHIN_S)

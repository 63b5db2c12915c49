"""A board with an ESP32: power over its cable, EN and IO0, two buttons, UART0, and the application that runs on it.

A board hangs on one end (`serial_ends`): what the host sends comes in by `from_host`, what the board says goes out by
`End.deliver`. When the chip starts from flash, the board checks it as the ROM and the second-stage loader do, prints
what they print, and starts `application`. A reset or a pulled cable stops it.
Everything happens in the event loop that the board was made in; it waits for nothing but an application's start.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from hardware.rig.esp32.boot import boot_from_flash, download_text
from hardware.rig.esp32.chip import Loader, SimulatedChip
from hardware.rig.esp32.line_noise import LineNoise
from hardware.rig.esp32.numbers import POWER_ON, SYNC_BODY, WATCHDOG

APPLICATION_BAUD = 115_200
_WATCHDOG_AFTER_S = 0.4
_BOTH_LINES_HOLD_S = 0.5
_HAND_WAITS_S = 1.0
_FRAME_END = b"\xc0"
_EVENTS_KEPT = 1000


class End(Protocol):
    """What a board is reached by."""

    @property
    def baud(self) -> int | None:
        """The rate that the host has set; None where it cannot be told."""
        ...

    def deliver(self, data: bytes, *, may_be_lost: bool) -> None:
        """Hand `data` to the host; what `may_be_lost` is dropped when nobody listens or reads on."""
        ...

    def plug(self) -> None:
        """The cable is in: the port is there."""
        ...

    def unplug(self) -> None:
        """The cable is out: the port is gone, and whoever has it open loses it."""
        ...


class Running(Protocol):
    """An application at UART0."""

    def receive(self, data: bytes) -> None:
        """Take what the host sends."""
        ...

    async def stop(self) -> None:
        """Power off, now."""
        ...


Application = Callable[[bytes, Callable[[bytes], None]], Awaitable[Running]]
"""(content of the flash, where its output goes) -> what runs"""


class SimulatedBoard:
    """One board, at first without its cable; `connect` an end, then `plug`.

    `auto_reset` says whether DTR and RTS drive EN and IO0 by the usual two transistors. `attended` puts a hand beside
    it, for a port without such lines: it presses BOOT and RESET when a host calls for the loader in vain, and RESET
    when the host has left the loader alone for a second. `on_event` hears one sentence for each thing that happens; the
    last of them are in `events`.
    """

    def __init__(
        self,
        chip: SimulatedChip,
        *,
        auto_reset: bool = True,
        attended: bool = False,
        application: Application | None = None,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        self.chip = chip
        self.auto_reset = auto_reset
        self.attended = attended
        self.is_plugged = False
        self.host_bytes = 0
        self.resets = 0
        self.starts = 0
        """Of the application."""
        self.events: deque[str] = deque(maxlen=_EVENTS_KEPT)
        self._application = application
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._noise = LineNoise(chip.faults)
        self._end: End | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._hand: asyncio.TimerHandle | None = None
        self._boot_pressed = False
        self._en_low_by_lines = False
        self._io0_low_by_lines = False
        self._running: Running | None = None
        self._stop = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        chip.send = self._from_loader
        chip.on_start = lambda: self._start_from_flash(POWER_ON)

    @property
    def is_running(self) -> bool:
        """Whether the application is up."""
        return self._running is not None

    def connect(self, end: End) -> None:
        """Let the board be reached by `end`."""
        self._end = end

    def plug(self) -> None:
        """Put the cable in: power comes, and the chip starts."""
        if self.is_plugged:
            return
        self.is_plugged = True
        self._tell("plugged in")
        if self._end is not None:
            self._end.plug()
        self._come_out_of_reset()

    def unplug(self) -> None:
        """Pull the cable: power and port are gone."""
        if not self.is_plugged:
            return
        self.is_plugged = False
        self._tell(f"pulled out after {self.host_bytes} bytes from the host")
        self._halt()
        self._en_low_by_lines = self._io0_low_by_lines = False
        if self._end is not None:
            self._end.unplug()

    def press_boot(self) -> None:
        """Hold the BOOT button down."""
        self._boot_pressed = True

    def release_boot(self) -> None:
        """Let the BOOT button go."""
        self._boot_pressed = False

    def press_reset(self) -> None:
        """Press the RESET (EN) button and let it go."""
        if self.is_plugged:
            self._tell("RESET pressed" + (" with BOOT held" if self._boot_pressed else ""))
            self._halt()
            self._come_out_of_reset()

    def enter_loader_by_hand(self) -> None:
        """Hold BOOT, press RESET, let BOOT go: what a board needs whose host cannot do it."""
        self.press_boot()
        self.press_reset()
        self.release_boot()

    def host_left(self) -> None:
        """The port was closed."""
        self._keep_hand_still()
        if self.attended and self.chip.loader is not Loader.NONE:
            self._hand = self._loop.call_later(_HAND_WAITS_S, self.press_reset)

    async def close(self) -> None:
        """Pull the cable and wait for the application's end."""
        self.unplug()
        self._halt()
        if self._life is not None:
            await self._life

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """The host's modem lines (true: asserted). RTS alone holds EN low, DTR alone IO0; both together do nothing.

        Just after RTS alone, both together keep EN low for a moment: one by one they come late over a network, and what
        a board's capacitor on EN bridges, a server for such ports has to.
        """
        if not self.auto_reset or not self.is_plugged:
            return
        self._io0_low_by_lines = dtr and not rts
        if rts and not dtr:
            self._cancel_timer()
            if not self._en_low_by_lines:
                self._en_low_by_lines = True
                self._halt()
        elif self._en_low_by_lines:
            self._cancel_timer()
            if dtr and rts:
                self._timer = self._loop.call_later(_BOTH_LINES_HOLD_S, self._release_lines)
            else:
                self._release_lines()

    def from_host(self, data: bytes) -> None:
        """Bytes that the host has sent."""
        limit = self.chip.faults.unplug_after_bytes
        if limit is not None and len(data) >= limit:
            data = data[:limit]
        self.host_bytes += len(data)
        self._hear(data)
        if limit is not None:
            self.chip.faults.unplug_after_bytes = limit - len(data)
            if limit == len(data):
                self.chip.faults.unplug_after_bytes = None
                self._pull()

    def _hear(self, data: bytes) -> None:
        if not self.is_plugged or self.chip.faults.serial_receive_dead:
            return
        if _FRAME_END in data:  # the loader is spoken to; a question for the application would wait in vain
            self._keep_hand_still()
        if self.attended and self.chip.loader is Loader.NONE and SYNC_BODY in data:
            self.enter_loader_by_hand()
            return
        baud = self._host_baud()
        data = self._noise.carry(data, baud, self._chip_baud())
        if self.chip.loader is not Loader.NONE:
            self.chip.receive(data, baud)
        elif self._running is not None:
            if self.chip.faults.unplug_at_question:
                self.chip.faults.unplug_at_question = False
                self._pull()
                return
            self._running.receive(data)

    def _keep_hand_still(self) -> None:
        if self._hand is not None:
            self._hand.cancel()
            self._hand = None

    def _pull(self) -> None:
        self.unplug()
        if self.chip.faults.plug_again_after_s is not None:
            self._loop.call_later(self.chip.faults.plug_again_after_s, self.plug)

    def _from_loader(self, data: bytes) -> None:
        self._say(data, may_be_lost=False)

    def _say(self, data: bytes, *, may_be_lost: bool) -> None:
        if self._end is not None and self.is_plugged:
            data = self._noise.carry(data, self._host_baud(), self._chip_baud())
            self._end.deliver(data, may_be_lost=may_be_lost)

    def _host_baud(self) -> int | None:
        return self._end.baud if self._end is not None else None

    def _chip_baud(self) -> int | None:
        return APPLICATION_BAUD if self.chip.loader is Loader.NONE else self.chip.baud

    def _release_lines(self) -> None:
        self._en_low_by_lines = False
        self._come_out_of_reset()

    def _halt(self) -> None:
        """EN goes low, or power goes."""
        self._cancel_timer()
        self._keep_hand_still()
        self.chip.leave_loader()
        self._running = None
        self._stop.set()

    def _come_out_of_reset(self) -> None:
        self.resets += 1
        if self._is_io0_low() and not self.chip.efuses.download_disabled:
            self._tell("in the ROM's loader")
            self._say(download_text(self.chip.kind, POWER_ON), may_be_lost=True)
            self.chip.enter_loader()
        else:
            self._start_from_flash(POWER_ON)

    def _is_io0_low(self) -> bool:
        faults = self.chip.faults
        by_lines = self._io0_low_by_lines and not faults.rom_silent
        return (by_lines or self._boot_pressed) and not faults.boot_dead

    def _start_from_flash(self, reason: int) -> None:
        boot = boot_from_flash(self.chip.memory.read, self.chip.kind, self.chip.efuses, reason)
        self._say(boot.text, may_be_lost=True)
        if not boot.starts:
            self._cancel_timer()
            self._timer = self._loop.call_later(_WATCHDOG_AFTER_S, self._start_from_flash, WATCHDOG)
            if reason != WATCHDOG:
                self._tell("cannot start from flash: " + boot.text.decode().splitlines()[-1])
            return
        self.starts += 1
        self._tell("starts from flash")
        if self._application is not None:
            self._stop.set()
            self._stop = asyncio.Event()
            self._life = self._loop.create_task(self._live(self._application, self._stop, self._life))

    async def _live(self, application: Application, stop: asyncio.Event, before: asyncio.Task[None] | None) -> None:
        """The application from its start to its stop, once the one before has ended."""
        if before is not None:
            with contextlib.suppress(Exception):  # it was told when it happened
                await before

        def say(data: bytes) -> None:
            if not stop.is_set():
                self._say(data, may_be_lost=True)

        if stop.is_set():
            return
        try:
            running = await application(bytes(self.chip.memory.content), say)
        except Exception as error:
            self._tell(f"the application could not be started: {error}")
            raise
        if not stop.is_set():
            self._running = running
            await stop.wait()
        await running.stop()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, text: str) -> None:
        self.events.append(text)
        if self._on_event is not None:
            self._on_event(text)

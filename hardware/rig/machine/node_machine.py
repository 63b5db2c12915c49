"""A node: a MicroPython machine that runs the firmware, wired to the rig's buses, pins and clock."""

import asyncio
import re
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hardware.rig.bus import Bus, Drop
from hardware.rig.clock import RigClock
from hardware.rig.machine.lockstep import (
    Host,
    MachineError,
    Operation,
    Reply,
    adc_event,
    cut_event,
    i2c_event,
    pin_event,
    typed_event,
    uart_event,
)

STOCK_ESP32_HEAP_BYTES = 147_664  # what a stock board shows free with Wi-Fi on
Nvs = Mapping[tuple[str, str], bytes]
"""Blobs by (namespace, key)."""
NO_NVS: Nvs = {}

_POWER_ON, _HARD_RESET, _WATCHDOG_RESET, _SOFT_RESET = 1, 2, 3, 5
_CAUSE_OF = {"reset": _HARD_RESET, "soft_reset": _SOFT_RESET, "watchdog": _WATCHDOG_RESET}
_RESET_TAKES_S = 0.3
_HEAP_CHECK_EVERY_S = 10.0
_STAND_INS_BYTES = 25_600  # what the modules take that are in the ESP32's flash; nobody's heap pays for them there
_TABLES_SHARE = 40  # one part in so many of a heap is its own tables, which a board's figure leaves out


class NodeMachine:
    """One node. `start`, then `connect_uart` and `set_pin`, then `power_on`; time is the running loop's.

    `flash_operations` counts what the machine does to its flash; while `records_flash` is set (before `power_on`),
    `operations` lists it with the bytes that are written. With `states` (before `power_on`) that folder gets the flash
    as it is after each operation, under the operation's number; it must be on the file system of `flash`, for its files
    are links.
    """

    def __init__(
        self, name: str, flash: Path, clock: RigClock, heap_bytes: int, seed: int, nvs: Nvs | None = NO_NVS
    ) -> None:
        self.name = name
        self.nvs = nvs
        """What the NVS holds at the next start; None: it cannot be read."""
        self.mac = name.encode()[:6].ljust(6, b"\0")
        """The chip's own address, six bytes; made from the name unless it was told."""
        self.seed = seed
        self.flash = flash
        self.heap_bytes = heap_bytes
        self._heap_size = (heap_bytes + _STAND_INS_BYTES) * (_TABLES_SHARE + 1) // _TABLES_SHARE
        self.printed: list[str] = []
        self.ends: list[tuple[str, str]] = []
        self.starts = 0
        self.steps = 0
        self.flash_operations = 0
        self.records_flash = False
        self.states: Path | None = None
        self.watches_heap = False
        self.heap_peak_bytes = 0
        self.operations: list[Operation] = []
        self.on_pin: Callable[[int, int], None] | None = None
        self._clock = clock
        self._host: Host | None = None
        self._drops: dict[int, Drop] = {}
        self.on_i2c: Callable[[int, int, bytes], None] | None = None
        self._on_console: Callable[[bytes], None] | None = None
        self._pins: dict[int, int] = {}
        self._analogue: dict[int, int] = {}
        self._i2c: dict[int, bytes] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._events = bytearray()
        self._next_ms: float | None = None
        self._origin_s = 0.0
        self._baseline_bytes = 0
        self._rtc_hex = ""
        self._heap_check_s = 0.0
        self._starting: asyncio.Task[None] | None = None
        self._cut: tuple[int, bool] = (0, False)

    @classmethod
    async def start(
        cls,
        name: str,
        flash: Path,
        *,
        clock: RigClock,
        heap_bytes: int = STOCK_ESP32_HEAP_BYTES,
        seed: int = 0,
        nvs: Nvs | None = NO_NVS,
        mac: bytes | None = None,
    ) -> "NodeMachine":
        """A machine with power off; its flash is the folder `flash`, `nvs` holds blobs by (namespace, key), `mac` is
        the chip's own address."""  # fmt: skip
        machine = cls(name, flash, clock, heap_bytes, seed, nvs)
        if mac is not None:
            machine.mac = mac
        return machine

    def connect_uart(self, uart: int, bus: Bus) -> Drop:
        """Wire UART `uart` to `bus`; what the bus carries is heard from now on."""

        def heard(data: bytes) -> None:
            self._post(uart_event(uart, data))

        drop = bus.attach(f"{self.name}/uart{uart}", heard)
        self._drops[uart] = drop
        return drop

    def connect_console(self, on_bytes: Callable[[bytes], None]) -> None:
        """Let `on_bytes` have all that goes out at the console (UART0), in the portions of a step."""
        self._on_console = on_bytes

    def type(self, data: bytes) -> None:
        """Bytes from the host arrive at the console; a machine without power does not hear them.

        Until the program reads them itself, Ctrl-C ends it at MicroPython's prompt, where the watchdog bites.
        """
        self._post(typed_event(data))

    def set_pin(self, pin: int, level: int) -> None:
        """Drive an input pin from outside (0 or 1)."""
        self._pins[pin] = level
        self._post(pin_event(pin, level))

    def set_adc(self, pin: int, microvolts: int) -> None:
        """Put a voltage on an analogue input."""
        self._analogue[pin] = microvolts
        self._post(adc_event(pin, microvolts))

    def set_i2c(self, address: int, registers: bytes | None) -> None:
        """Let the I2C device at `address` hold these 256 registers; None unplugs it."""
        if registers is None:
            self._i2c.pop(address, None)
        else:
            self._i2c[address] = registers
        self._post(i2c_event(address, registers or b""))

    def cut_at_operation(self, number: int, *, after: bool = False) -> None:
        """Cut the power at the `number`-th operation on the flash from now on: just before it, or just `after` it.

        The machine then stays off, with ("cut", which operation) in `ends`, until `power_on`; 0 calls the cut off.
        Counted are open for writing, write, close, unlink, rename, mkdir and rmdir, also across restarts.
        """
        self._cut = (self.flash_operations + number if number else 0, after)
        self._post(cut_event(*self._cut))

    async def power_on(self, cause: int = _POWER_ON, *, was_dark: bool | None = None) -> None:
        """Boot: boot.py, then main.py. Raises MachineError when the machine cannot start at all.

        `was_dark`: there was no power, so that the memory of the RTC is empty. An ESP32 may report another reset
        `cause` all the same (errata 3.8); None leaves it to the cause.
        """
        if cause == _POWER_ON or was_dark:
            self._rtc_hex = ""
        options = {
            "heap_bytes": self.heap_bytes,
            "heap_size": self._heap_size,
            "flash": str(self.flash),
            "hide": True,
            "pins": self._pins,
            "analogue": self._analogue,
            "i2c": {address: registers.hex() for address, registers in self._i2c.items()},
            "reset_cause": cause,
            "unique_id": self.mac.hex(),
            "nvs": None if self.nvs is None else {"/".join(place): blob.hex() for place, blob in self.nvs.items()},
            "rtc_memory": self._rtc_hex,
            "operations": self.flash_operations,
            "record_content": self.records_flash,
            "keep_states": None if self.states is None else str(self.states),
            "watch_heap": self.watches_heap,
            "cut_at_operation": self._cut[0],
            "cut_after": self._cut[1],
            "random_seed": zlib.crc32(f"{self.seed}/{self.name}/{self.starts}".encode()),
        }
        loop = asyncio.get_running_loop()
        host = await loop.run_in_executor(None, Host, options)
        self._host = host
        self.starts += 1
        self._events.clear()
        self._origin_s = loop.time()
        self._baseline_bytes = _heap_in_use(host.information())
        self._take(host.started)
        self._take(host.boot(0.0))

    async def stop(self) -> None:
        """Power off and unplug from every bus."""
        self.kill()
        if self._starting is not None and not self._starting.done():
            await self._starting
            self.kill()
        for drop in self._drops.values():
            drop.detach()
        self._drops.clear()

    def kill(self) -> None:
        """Cut the power now; the flash keeps what was closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._host is not None:
            self._host.close()
            self._host = None

    @property
    def running(self) -> bool:
        """Whether the machine has power."""
        return self._host is not None

    def info(self) -> dict[str, Any]:
        """name, implementation (the machine's own text), version, heap_used_bytes (after a collection, without what
        the rig's stand-in modules take, which are in the ESP32's flash), heap_total_bytes."""  # fmt: skip
        if self._host is None:
            raise MachineError(f"{self.name} has no power")
        found = self._host.information()
        return {
            "name": self.name,
            "implementation": found["lines"][0],
            "version": found["lines"][1],
            "heap_used_bytes": _heap_in_use(found) - self._baseline_bytes,
            "heap_total_bytes": _heap_total(found),
        }

    def _now_ms(self) -> float:
        return (asyncio.get_running_loop().time() - self._origin_s) * 1000

    def _post(self, event: bytes) -> None:
        """Hand an event over at once; the machine works it off before the loop goes on."""
        if self._host is not None:
            self._take(self._host.step(self._now_ms(), event))

    def _due(self) -> None:
        self._timer = None
        if self._host is not None:
            self._take(self._host.step(max(self._now_ms(), self._next_ms or 0.0), b""))

    def _take(self, reply: Reply) -> None:
        self.steps += 1
        self.heap_peak_bytes = max(self.heap_peak_bytes, reply.heap_bytes - self._baseline_bytes)
        for uart, baud, _bits, parity, stop_bits in reply.setups:
            if uart in self._drops:
                self._drops[uart].configure(baud, parity, stop_bits)
        for uart, data in reply.sent:
            if uart in self._drops:
                self._drops[uart].send(data)
        for pin, level in reply.pins:
            if self.on_pin is not None:
                self.on_pin(pin, level)
        for address, register, data in reply.i2c_writes:
            if self.on_i2c is not None:
                self.on_i2c(address, register, data)
        self.printed.extend(reply.printed)
        if reply.said and self._on_console is not None:
            self._on_console(reply.said)
        self.flash_operations += len(reply.operations)
        if self.records_flash:
            self.operations.extend(reply.operations)
        if reply.rtc_hex is not None:
            self._rtc_hex = reply.rtc_hex
        if reply.ended is not None:
            self.ends.append(reply.ended)
            if reply.ended[0] == "cut":
                self._cut = (0, False)
                self.kill()
                return
            if reply.ended[0] in _CAUSE_OF:
                self._restart(_CAUSE_OF[reply.ended[0]], reply.next_ms or 0.0)
                return
        self._plan(reply.next_ms)
        self._watch_heap()

    def _plan(self, next_ms: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._next_ms = next_ms
        if next_ms is not None:
            self._timer = asyncio.get_running_loop().call_at(self._origin_s + next_ms / 1000, self._due)

    def _watch_heap(self) -> None:
        """The WebAssembly machine grows its heap rather than fail; a real board would have died here.

        It also grows where a board would have collected, so that only what a collection leaves is held against it.
        """
        now = asyncio.get_running_loop().time()
        if now < self._heap_check_s or self._host is None:
            return
        self._heap_check_s = now + _HEAP_CHECK_EVERY_S
        if _heap_total(self._host.glance()) <= self.heap_bytes:
            return
        total = _heap_total(self._host.information())
        if total > self._heap_size:
            self.ends.append(("crash", f"MemoryError: {total} bytes of heap where a board has {self.heap_bytes}"))
            self.kill()

    def _restart(self, cause: int, ended_ms: float) -> None:
        """Start again, a moment after the machine's own time at its end: it may have been busy until then."""
        busy_s = max(0.0, ended_ms - self._now_ms()) / 1000
        self.kill()
        loop = asyncio.get_running_loop()

        def power_on() -> None:
            self._starting = loop.create_task(self.power_on(cause))

        self._timer = loop.call_later(busy_s + _RESET_TAKES_S, power_on)


def run_script(files: dict[str, str | bytes], script: str, *, heap_bytes: int = 1 << 20, hide: bool = True) -> str:
    """Run `script` in a bare machine whose flash holds `files` (path -> content); returns what it printed.

    A folder of the host may be given as `{"protocols": Path}`-like content by `package_files`. Raises MachineError
    with the traceback when the script ends by an exception.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            place = Path(folder, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        host = Host({"heap_bytes": heap_bytes, "flash": folder, "hide": hide})
        try:
            return _run_to_end(host, script)
        finally:
            host.close()


def _run_to_end(host: Host, script: str) -> str:
    printed: list[str] = []
    reply = host.script(script)
    while True:
        printed.extend(reply.printed)
        if reply.ended is not None and reply.ended[0] == "crash":
            raise MachineError("".join(line + "\n" for line in printed) + reply.ended[1])
        if reply.ended is not None or reply.next_ms is None:
            return "".join(line + "\n" for line in printed)
        reply = host.step(reply.next_ms, b"")


def package_files(folder: Path, under: str) -> dict[str, str | bytes]:
    """All Python files below `folder`, named as they are to be on the flash below `under`."""
    return {f"{under}/{file.relative_to(folder)}": file.read_bytes() for file in sorted(folder.rglob("*.py"))}


def _heap_in_use(information: dict[str, Any]) -> int:
    return int(information["lines"][2])


def _heap_total(information: dict[str, Any]) -> int:
    found = re.search(r"GC: total: (\d+)", "\n".join(information["lines"]))
    if found is None:
        raise MachineError("the machine does not tell its heap's size")
    return int(found[1])

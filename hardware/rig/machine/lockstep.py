"""The wire between the rig and one Node.js host (`host.mjs`): one frame there, one frame back, nothing in between.

A frame is a u32 little-endian length and a body. To the host: u8 command (1 step, 2 boot, 3 script, 4 information,
5 a glance at the heap), f64 time in ms, then events (1 UART bytes: u8 uart, u32 length, bytes; 2 pin: u8 pin, u8 level;
3 ADC: u8 pin, u32 microvolts; 4 power cut: u32 number of the operation, u8 1 after it; 5 an I2C device: u8 address, u32
length, its 256 registers, none when it is gone; 6 typed at the console: u32 length, bytes) or the script's text. Back:
f64 time of the next timer in ms (infinity when there is none; for a machine that starts again when it ended), u32 bytes
of heap in use at this yield (0 unless `watch_heap` asks for it), then outputs, read by `Reply`. The call blocks, for
the machine runs only while the rig waits for it.
"""

import contextlib
import functools
import json
import socket
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hardware.rig.machine.node_js import find_node

HERE = Path(__file__).parent
MICROPYTHON = HERE / "node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"

_STEP, _BOOT, _SCRIPT, _INFORMATION, _GLANCE = 1, 2, 3, 4, 5
_EVENT_UART, _EVENT_PIN, _EVENT_ADC, _EVENT_CUT, _EVENT_I2C, _EVENT_TYPED = 1, 2, 3, 4, 5, 6
_OUT_UART, _OUT_SETUP, _OUT_PIN, _OUT_TEXT, _OUT_END, _OUT_RTC, _OUT_OPERATION, _OUT_I2C = 1, 2, 3, 4, 5, 6, 7, 8
_OUT_CONSOLE = 9
_ANSWER_WITHIN_S = 120.0
_node = functools.cache(find_node)  # to ask a Node.js for its version takes as long as a short test


class MachineError(Exception):
    """A machine could not be started, or its host process is gone."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the machine did to its flash: open (`other` is the mode), write, close, unlink, rename (to
    `other`), mkdir, rmdir. Names begin with /flash; `content` is kept only while the machine records it.
    """

    kind: str
    name: str
    other: str
    content: bytes


@dataclass(slots=True)
class Reply:
    """What one step gave: next timer (ms or None), UART bytes and set-ups, pins, printed lines, all bytes that went out
    at the console, how it ended, what was done to the flash."""  # fmt: skip

    next_ms: float | None = None
    heap_bytes: int = 0
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    setups: list[tuple[int, int, int, str, int]] = field(default_factory=list)
    pins: list[tuple[int, int]] = field(default_factory=list)
    i2c_writes: list[tuple[int, int, bytes]] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    said: bytes = b""
    ended: tuple[str, str] | None = None
    rtc_hex: str | None = None
    operations: list[Operation] = field(default_factory=list)


def uart_event(uart: int, data: bytes) -> bytes:
    """The event "these bytes have arrived at this UART"."""
    return struct.pack("<BBI", _EVENT_UART, uart, len(data)) + data


def pin_event(pin: int, level: int) -> bytes:
    """The event "this pin is now at this level"."""
    return struct.pack("<BBB", _EVENT_PIN, pin, level)


def adc_event(pin: int, microvolts: int) -> bytes:
    """The event "this pin now carries this voltage"."""
    return struct.pack("<BBI", _EVENT_ADC, pin, microvolts)


def i2c_event(device: int, registers: bytes) -> bytes:
    """The event "the I2C device at this address now holds these 256 registers"; without any it is gone."""
    return struct.pack("<BBI", _EVENT_I2C, device, len(registers)) + registers


def typed_event(data: bytes) -> bytes:
    """The event "these bytes were typed at the console"."""
    return struct.pack("<BI", _EVENT_TYPED, len(data)) + data


def cut_event(operation: int, after: bool) -> bytes:
    """The event "the power will be cut at this operation on the flash", counted as the option `operations` is."""
    return struct.pack("<BIB", _EVENT_CUT, operation, after)


class Host:
    """One Node.js process with one MicroPython machine in it."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Start it; `options`: heap_bytes, flash (folder or None), hide, pins, reset_cause, unique_id, rtc_memory, nvs
        (from "namespace/key" to hex, or None where it cannot be read)."""
        if not MICROPYTHON.exists():
            raise MachineError("the MicroPython machine is not installed: run `make setup`")
        near, far = socket.socketpair()
        near.settimeout(_ANSWER_WITHIN_S)
        self._socket = near
        everything = {
            "micropython": MICROPYTHON.as_uri(),
            "shims": str(HERE / "shims"),
            "descriptor": far.fileno(),
            **options,
        }
        with far:
            self._process = subprocess.Popen(
                [str(_node()), str(HERE / "host.mjs"), json.dumps(everything)],
                pass_fds=(far.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C at a terminal is for the rig, which then ends its machines in order
            )
        self.started = self._receive()

    @property
    def pid(self) -> int:
        """The process id of the host."""
        return self._process.pid

    def boot(self, now_ms: float) -> Reply:
        """Run boot.py and main.py from the flash."""
        return self._exchange(struct.pack("<Bd", _BOOT, now_ms))

    def step(self, now_ms: float, events: bytes) -> Reply:
        """Let the machine work off `events` and everything that is due at `now_ms`."""
        return self._exchange(struct.pack("<Bd", _STEP, now_ms) + events)

    def script(self, text: str) -> Reply:
        """Run a script as `__main__`."""
        return self._exchange(struct.pack("<Bd", _SCRIPT, 0.0) + text.encode())

    def information(self) -> dict[str, Any]:
        """`lines` that the machine prints of itself (implementation, version, heap) after a collection, and
        `wasm_bytes`."""  # fmt: skip
        return self._ask(_INFORMATION)

    def glance(self) -> dict[str, Any]:
        """`lines` that the machine prints of its heap as it is, without a collection."""
        return self._ask(_GLANCE)

    def _ask(self, command: int) -> dict[str, Any]:
        self._send(struct.pack("<Bd", command, 0.0))
        body = self._receive_body()
        found: dict[str, Any] = json.loads(body[4:])
        return found

    def close(self) -> None:
        """End the process, as a power cut does."""
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(timeout=10)

    def _exchange(self, body: bytes) -> Reply:
        self._send(body)
        return self._receive()

    def _send(self, body: bytes) -> None:
        try:
            self._socket.sendall(struct.pack("<I", len(body)) + body)
        except OSError as error:
            raise MachineError(f"the machine's host process {self.pid} is gone: {error}") from error

    def _receive_body(self) -> bytes:
        (length,) = struct.unpack("<I", self._read(4))
        return self._read(length)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                chunk = self._socket.recv(count - len(data))
            except TimeoutError as error:
                raise MachineError(f"the machine did not answer within {_ANSWER_WITHIN_S:.0f} s") from error
            except OSError as error:
                raise MachineError(f"the machine's host process {self.pid} is gone: {error}") from error
            if not chunk:
                raise MachineError("the machine's host process ended by itself; its last words are on standard error")
            data += chunk
        return data

    def _receive(self) -> Reply:
        return _read_reply(self._receive_body())


def _read_reply(body: bytes) -> Reply:
    next_ms, heap_bytes = struct.unpack_from("<dI", body)
    reply = Reply(next_ms=None if next_ms == float("inf") else next_ms, heap_bytes=heap_bytes)
    offset = 12

    def take_bytes() -> bytes:
        nonlocal offset
        (length,) = struct.unpack_from("<I", body, offset)
        offset += 4 + length
        return body[offset - length : offset]

    def take_text() -> str:
        return take_bytes().decode("utf-8", "replace")

    while offset < len(body):
        kind = body[offset]
        offset += 1
        if kind == _OUT_UART:
            uart, length = struct.unpack_from("<BI", body, offset)
            offset += 5 + length
            reply.sent.append((uart, body[offset - length : offset]))
        elif kind == _OUT_SETUP:
            uart, baud, bits, parity, stop = struct.unpack_from("<BIBBB", body, offset)
            offset += 8
            reply.setups.append((uart, baud, bits, "NEO"[parity], stop))
        elif kind == _OUT_PIN:
            reply.pins.append((body[offset], body[offset + 1]))
            offset += 2
        elif kind == _OUT_TEXT:
            reply.printed.append(take_text())
        elif kind == _OUT_CONSOLE:
            reply.said = take_bytes()
        elif kind == _OUT_RTC:
            reply.rtc_hex = take_text()
        elif kind == _OUT_I2C:
            device, register, length = struct.unpack_from("<BBI", body, offset)
            offset += 6 + length
            reply.i2c_writes.append((device, register, body[offset - length : offset]))
        elif kind == _OUT_OPERATION:
            reply.operations.append(Operation(take_text(), take_text(), take_text(), take_bytes()))
        elif kind == _OUT_END:
            reply.ended = (take_text(), take_text())
        else:
            raise MachineError(f"the host sent an output of unknown kind {kind}")
    return reply

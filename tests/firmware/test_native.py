"""The firmware under a native MicroPython, its unix build, when `$MICROPYTHON` names one; without the rig.

The very files of a flash run, with a stand-in for the module `machine` that is no part of the rig: a sensor that
answers on one UART, a gateway that asks on the other.
"""

import os
import subprocess
from pathlib import Path

import pytest

from hardware.rig.machine import build_flash
from protocols import node_map, quality
from tests.firmware.workbench import NODE, table_of

MICROPYTHON = os.environ.get("MICROPYTHON", "")
pytestmark = pytest.mark.skipif(
    not MICROPYTHON, reason="$MICROPYTHON names no native MicroPython (unix build, 1.24 or newer)"
)
LIMIT_S = 60
SENSOR = 3

MACHINE = """
class Pin:
    IN = OUT = 0
    PULL_UP = PULL_DOWN = 1
    IRQ_RISING = IRQ_FALLING = 1

    def __init__(self, number, mode=0, pull=-1, value=0):
        self._value = value

    def value(self, level=None):
        if level is None:
            return self._value
        self._value = level

    def irq(self, handler, trigger):
        pass


class UART:
    IRQ_RX = 1
    ports = {}

    def __init__(self, number, **settings):
        self.received = b""
        self.sent = b""
        self.handler = None
        self.answer = None
        UART.ports[number] = self

    def irq(self, handler, trigger):
        self.handler = handler

    def any(self):
        return len(self.received)

    def readinto(self, buffer, count=None):
        count = min(len(buffer) if count is None else count, len(self.received))
        buffer[:count] = self.received[:count]
        self.received = self.received[count:]
        return count

    def write(self, frame):
        self.sent += bytes(frame)
        if self.answer is not None:
            self.received += self.answer(bytes(frame))
        return len(frame)

    def txdone(self):
        return True


class WDT:
    def __init__(self, timeout):
        self.feed()

    def feed(self):
        pass


class RTC:
    kept = b""

    def memory(self, content=None):
        if content is None:
            return RTC.kept
        RTC.kept = bytes(content)


def reset():
    raise SystemExit("reset")


def reset_cause():
    return 1


def unique_id():
    return b"native"
"""

ESP32 = """
class NVS:
    def __init__(self, namespace):
        pass

    def get_blob(self, key, buffer):
        raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
"""

PROGRAM = """
import sys

sys.path.insert(0, "stand_ins")
sys.path.insert(0, "slot_a")

import asyncio

import machine
from node import assembly
from protocols import rtu

SENSOR, POLE = 1, 2


def sealed(content):
    frame = bytearray(content + b"00")
    rtu.seal(frame, len(content))
    return bytes(frame)


def sensor(request):
    return sealed(bytes([request[0], request[1], 4, 0, 7, 1, 0]))


async def ask(address, count):
    port = machine.UART.ports[POLE]
    port.sent = b""
    port.received += sealed(bytes([%(unit)d, 3, address >> 8, address & 255, 0, count]))
    port.handler(port)
    for _ in range(500):
        await asyncio.sleep_ms(10)
        if len(port.sent) >= 5 + 2 * count:
            return port.sent
    raise OSError("the node does not answer")


async def talk():
    machine.UART.ports[SENSOR].answer = sensor
    identity = await ask(%(identity)d, 4)
    for _ in range(100):
        await asyncio.sleep_ms(50)
        slots = await ask(%(slots)d, 8)
        if slots[3 + 4] == %(good)d:
            break
    events = await ask(%(events)d, 18)
    for answer in (identity, slots, events):
        print(answer.hex())
    sys.exit(0)


async def main():
    tasks = await assembly.assemble()
    await asyncio.gather(talk(), *tasks)


asyncio.run(main())
"""


INTERRUPTED = """
import sys

sys.path.insert(0, "stand_ins")
sys.path.insert(0, "slot_a")

import machine
from node import app, board, inputs


async def run(self, seat):
    raise KeyboardInterrupt


inputs.Inputs.run = run
try:
    app.main()
except KeyboardInterrupt:
    print(board.take_stamp()[0], board.STAMP_CONSOLE)
"""


def run_native(flash: Path, program: str) -> str:
    """What the program prints on a flash with one sensor; it must end by itself, without an error."""
    build_flash(flash, table_of((SENSOR, 2)), beside=[program])
    (flash / "stand_ins").mkdir()
    (flash / "stand_ins/machine.py").write_text(MACHINE)
    (flash / "stand_ins/esp32.py").write_text(ESP32)
    (flash / "native.py").write_text(program)
    command = [MICROPYTHON, "native.py"]
    run = subprocess.run(command, cwd=flash, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout + run.stderr
    return run.stdout


def test_ctrl_c_at_the_console_is_no_crash(tmp_path: Path) -> None:
    stamp, console = run_native(tmp_path, INTERRUPTED).split()
    assert stamp == console


def test_the_firmware_runs_under_a_native_micropython(tmp_path: Path) -> None:
    program = PROGRAM % {
        "unit": NODE,
        "identity": node_map.IDENTITY,
        "slots": node_map.SLOTS,
        "events": node_map.EVENTS,
        "good": quality.GOOD,
    }
    printed = run_native(tmp_path, program)
    identity, slots, events = (bytes.fromhex(line)[3:-2] for line in printed.split())
    assert int.from_bytes(identity[:2], "big") == node_map.IDENTITY_MAGIC_VALUE
    values = [int.from_bytes(slots[at : at + 4], "big") for at in (0, 8)]
    assert (values, [slots[4], slots[12]]) == ([7, 0x100], [quality.GOOD] * 2)
    assert int.from_bytes(events[:4], "big") == 1

"""What tests of the lamp's schedule share: a driver with a meter, a schedule, and a flash that holds it."""

import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from hardware.rig.machine import lay_copy
from protocols import lamp_schedule, node_map
from protocols.node_table_writer import NodeTableWriter
from tests.firmware.workbench import NODE, Device, Master, Workbench

LEVEL, ACTUAL, VOLTAGE, POWER = 1000, 1004, 1005, 1006
CURVE = tuple(254 * level // 100 for level in range(101))
CHINA = timezone(timedelta(hours=8))
LEVEL_SLOT, VOLTAGE_SLOT, POWER_SLOT, LUX_SLOT = 0, 1, 2, 3
FILE = 60002
BLOCK = 100
SPEED = 60
FAST_MAIN = f"""
import sys

sys.path.insert(0, "slot_a")
from node import clock, ticks


class FastTicks:
    between = staticmethod(ticks.between)

    @staticmethod
    def now():
        return ticks.now() * {SPEED} & 0x3FFFFFFF


clock.ticks = FastTicks
import node.app

node.app.main()
"""


class Driver(Device):
    """A lamp driver with a meter: it draws 100 W in tenths at full light, 0.5 W when dark; `broken` draws nothing."""

    broken = False
    welded = False
    watts = 1.0

    def __init__(self, bench: Workbench, level_pct: int = 0, unit: int = 1, speed: int = 1) -> None:
        value = CURVE[level_pct]
        registers = {LEVEL: value, ACTUAL: value, VOLTAGE: 2300, POWER: 0, POWER + 1: 5000}
        super().__init__(bench.sensors, unit, registers)
        self._bench = bench
        self._speed = speed
        self._start_s = bench.clock.unix_ms() / 1000
        self.history: list[tuple[int, int]] = []

    def _answer(self, pdu: bytes) -> bytes:
        if pdu[0] in (6, 16):
            answer = super()._answer(pdu)
            self.registers[ACTUAL] = self.registers[LEVEL]
            self.history.append((self._node_s(), self.level_pct))
            return answer
        power = round(self.watts * 1000 * self.registers[ACTUAL] / 254) if not self.broken else 0
        self.registers[POWER] = 1000 if self.welded else max(power, 5)
        if self.registers[VOLTAGE] == 0:
            self.registers[POWER] = 0
        return super()._answer(pdu)

    def start_at(self, unix: float) -> None:
        """Count the node's hastened time from this moment on, at which its clock is set."""
        self._start_s = unix

    def _node_s(self) -> int:
        return round(self._start_s + self._speed * (self._bench.clock.unix_ms() / 1000 - self._start_s))

    @property
    def level_pct(self) -> int:
        """The light, in per cent."""
        return round(100 * self.registers[ACTUAL] / 254)


def lamp_table(period_ms: int = 10000) -> bytes:
    """The driver as the node sees it: level, voltage (tenths), power (tenths), lux."""
    writer = NodeTableWriter(9600, node_unit=NODE)
    device = writer.add_device(period_ms, 1, 200, 5, 1)
    writer.add_request(1, 3, ACTUAL, 4)
    for register, exponent in enumerate((0, -1, -1, 0)):
        writer.add_point("u16", exponent, 0, 65535, register=register)
    writer.set_lamp(device, 1, 6, LEVEL, LEVEL_SLOT, 1, 3, ACTUAL, 100, CURVE)
    return writer.table()


def hasten(flash: Path) -> None:
    """Let the node's clock, and it alone, run SPEED times as fast: its tick of a second is one of a minute then."""
    (flash / "main.py").write_text(FAST_MAIN)


def keep_schedule(flash: Path, schedule: bytes) -> None:
    """Put a schedule on a flash as the node itself keeps it."""
    lay_copy(flash, "lamp", schedule)


def unix_s(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    """Unix seconds of a moment by China's clock."""
    return int(datetime(year, month, day, hour, minute, tzinfo=CHINA).timestamp())


def local(unix: int) -> str:
    """Day and time of a moment by China's clock."""
    return datetime.fromtimestamp(unix, UTC).astimezone(CHINA).strftime("%m-%d %H:%M")


def day_number(unix: int) -> int:
    """The local day of a moment, counted from 1970-01-01."""
    return (unix + 8 * 3600) // 86400


class Told:
    """The block lamp schedule as the node shows it."""

    def __init__(self, registers: list[int]) -> None:
        self.groups, self.source, self.override_left_s, self.programme, self.faults = registers[:5]
        self.digest = registers[5] << 16 | registers[6]
        self.days_left = registers[7]


async def told(master: Master) -> Told:
    """What the lamp follows just now."""
    return Told(await master.read(node_map.LAMP_SCHEDULE, node_map.LAMP_SCHEDULE_REGISTERS))


async def send_schedule(master: Master, schedule: bytes) -> None:
    """Write a schedule as file 60002 and put it into use. Raises RefusedError."""
    padded = schedule + bytes(len(schedule) % 2)
    for at in range(0, len(padded), 2 * BLOCK):
        piece = padded[at : at + 2 * BLOCK]
        group = struct.pack(">BHHH", 6, FILE, at // 2, len(piece) // 2) + piece
        await master.ask(bytes([21, len(group)]) + group)
    digest = lamp_schedule.digest(schedule)
    await master.write(node_map.SCHEDULE_COMMAND, digest >> 16, digest & 0xFFFF)

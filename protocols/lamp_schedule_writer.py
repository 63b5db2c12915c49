"""Writing a lamp schedule, part by part; `lamp_schedule` reads it. The bytes are told in spec/lamp-schedule.md.

Runs at the gateway: once a day for the sun, and whenever pole.toml has changed.
"""

import binascii

from protocols import lamp_schedule as schedule_of
from protocols import lamp_schedule_check as check_of


class LampScheduleWriter:
    """Collects programmes, rules, sensor rules, sun days and the expected power; then `schedule()`.

    Levels are per cent, times seconds. Every number is checked against the width of its field: ValueError names it.
    """

    def __init__(
        self,
        groups: int = 0,
        delay_s: int = 0,
        boot_wait_s: int = 20,
        boot_level: int = schedule_of.NONE,
        default_level: int = 0,
        fail_safe_level: int = 100,
        least_level: int = 1,
        override_s: int = 14400,
        table_digest: int = 0,
    ) -> None:
        self._head = _field("table_digest", table_digest, 4) + _field("groups", groups, 2)
        self._head += bytes([delay_s, boot_wait_s, boot_level, default_level, fail_safe_level, least_level])
        self._head += _field("override_s", override_s, 4)
        self._programmes: list[bytes] = []
        self._steps: list[bytes] = []
        self._rules: list[bytes] = []
        self._sensors: list[bytes] = []
        self._days: list[bytes] = []
        self._first_day = 0
        self._default = schedule_of.NONE
        self._power = b""

    def add_programme(
        self,
        on: "tuple[int, int]",
        off: "tuple[int, int]",
        level: int,
        steps: "tuple[tuple[int, int, int], ...]" = (),
        fade_s: int = 0,
    ) -> int:
        """Add a programme and return its number: on and off are (anchor, minute), steps (anchor, minute, level)."""
        entry = bytes([on[0], off[0]]) + _s16("on", on[1]) + _s16("off", off[1])
        entry += bytes([level, len(self._steps), len(steps), 0]) + _field("fade_s", fade_s, 2)
        self._programmes.append(entry)
        for anchor, minute, step_level in steps:
            self._steps.append(bytes([anchor, step_level]) + _s16("step", minute))
        return len(self._programmes) - 1

    def set_default(self, programme: int) -> None:
        """Say which programme holds on dates that no rule names."""
        self._default = programme

    def add_rule(
        self, programme: int, weekdays: int = 0x7F, first: "tuple[int, int, int]" = (0, 1, 1),
        last: "tuple[int, int, int]" = (0, 12, 31),
    ) -> None:  # fmt: skip
        """Let a programme hold on the evenings of `first` to `last`, (year, month, day), year 0 for every year.

        Bit 0 of `weekdays` is Monday. The first rule that fits wins.
        """
        dates = [bytes([year - 2000 if year else 0, month, day]) for year, month, day in (first, last)]
        self._rules.append(bytes([programme, weekdays]) + dates[0] + dates[1])

    def add_sensor(self, slot: int, flags: int, level: int, limit: int, back: int, hold_s: int) -> None:
        """Let a slot's value beyond `limit` set the level, until it is back beyond `back` and `hold_s` have passed."""
        entry = bytes([slot, flags, level, 0]) + _s32("limit", limit) + _s32("back", back)
        self._sensors.append(entry + _field("hold_s", hold_s, 2) + bytes(2))

    def set_first_day(self, day: int) -> None:
        """Say which local day, counted from 1970-01-01, the first sun day is."""
        self._first_day = day

    def add_day(self, offset_minutes: int, sunrise: int = 0, sunset: int = 0, flags: int = 0) -> None:
        """Add the next sun day: the zone's offset (whole quarters of an hour), sunrise and sunset in local minutes."""
        if offset_minutes % 15:
            raise ValueError(f"an offset of {offset_minutes} minutes is not in quarters of an hour")
        quarters = offset_minutes // 15 & 0xFF
        self._days.append(bytes([quarters, flags]) + _s16("sunrise", sunrise) + _s16("sunset", sunset))

    def set_power(
        self,
        power_slot: int,
        expected: "tuple[int, ...]",
        standby: int,
        voltage_slot: int = schedule_of.NONE,
        voltage_least: int = 0,
        failure_pct: int = 15,
        low_pct: int = 75,
        high_pct: int = 125,
        cycles: int = 3,
        failure_s: int = 60,
        band_s: int = 300,
        burner_s: int = 300,
        settle_s: int = 10,
    ) -> None:
        """Watch the lamp's power: `expected` for 0, 10 to 100 per cent; it and `standby` in counts of the slot."""
        if len(expected) != schedule_of.POWER_LEVELS:
            raise ValueError("the expected power has 11 values")
        entry = bytes([power_slot, voltage_slot, failure_pct, low_pct, high_pct, cycles])
        for name, value in (("failure_s", failure_s), ("band_s", band_s), ("burner_s", burner_s)):
            entry += _field(name, value, 2)
        entry += _field("settle_s", settle_s, 2) + bytes(2)
        for value in (standby, voltage_least) + expected:
            entry += _field("power", value, 4)
        self._power = entry

    def schedule(self) -> bytes:
        """The whole schedule with length and check value, checked. Raises ValueError or WireError."""
        sections = (self._programmes, self._steps, self._rules, self._sensors, self._days)
        counts = [len(self._programmes), len(self._rules), self._default, len(self._steps)]
        counts += [len(self._sensors), len(self._days)]
        if max(counts) > 0xFF or len(self._programmes) >= schedule_of.NONE:
            raise ValueError("a lamp schedule has at most 255 entries of a kind")
        body = self._head + bytes(counts) + _field("first_day", self._first_day, 2)
        body += bytes([1 if self._power else 0, 0, 0, 0])
        body += b"".join(entry for section in sections for entry in section) + self._power
        length = len(body) + check_of.CHECKED_FROM
        head = check_of.MAGIC + _field("length", length, 2) + bytes([check_of.VERSION_NUMBER, 0])
        whole = bytes(head + binascii.crc32(body).to_bytes(4, "big") + body)
        check_of.check(whole)
        return bytes(whole)


def _field(name: str, value: int, width: int) -> bytes:
    if not 0 <= value < 1 << 8 * width:
        raise ValueError(f"{name} {value} does not fit into {width} bytes")
    return value.to_bytes(width, "big")


def _s16(name: str, value: int) -> bytes:
    if not -0x8000 <= value < 0x8000:
        raise ValueError(f"{name} {value} does not fit into 16 bits with sign")
    return (value & 0xFFFF).to_bytes(2, "big")


def _s32(name: str, value: int) -> bytes:
    if not -(1 << 30) <= value < 1 << 30:
        raise ValueError(f"{name} {value} does not fit into 30 bits with sign")
    return (value & 0xFFFFFFFF).to_bytes(4, "big")

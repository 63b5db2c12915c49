"""What a journal was seen to have accepted, compared with what the platform has at the end.

Two things are known apart from the journal's own word after a kill: how many readings it had told to be committed right
before, and every record that stood in its file while the agent was dead. The third is the rig's: which answer each
value came from.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw

from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY
from gateway_agent.journal.codec import Content
from gateway_agent.journal.contents import Damaged, Foreign
from gateway_agent.journal.errors import JournalError
from gateway_agent.journal.inspect import stored_records
from gateway_agent.records import CommandResult, Event, Reading
from hardware.rig.platform import Arrival
from hardware.rig.platform_messages import SentReading
from tests.faults._kill_pole import ALARMED, EVERY_MS, HIGH

_LATE_MS = 1500
"""How much later than the device's answer a reading may be stamped: an agent on a busy computer is late."""
_EARLY_MS = 20
"""The two clocks are read one after the other, and the agent's follows the system's."""
_LOSS_TOLD = ("records-missing", "end-lost", "record-damaged", "record-refused")

Key = tuple[int, int]
"""Epoch and sequence."""


@dataclass
class Ledger:
    """What one pole's journal has accepted: `told` readings, and the records `noted`.

    `short` is the most readings that it had told, and nobody had, after one kill. `wrong` counts records that were not
    as they had been noted before. `arrived` are the records at the platform, with how many readings each holds.
    """

    told: int = 0
    short: int = 0
    noted: dict[Key, Content] = field(default_factory=dict)
    wrong: int = 0
    arrived: dict[Key, int] = field(default_factory=dict)

    def hear(self, arrival: Arrival) -> None:
        """The platform has stored something; to be called at once."""
        for record in arrival.records:
            readings = sum(isinstance(item, SentReading) for item in record.items)
            self.arrived[arrival.epoch, record.sequence] = readings

    def look(self, journal_path: Path) -> bool:
        """Note every record of a journal that no agent uses just now, and see whether all that it told is somewhere.

        The files are copied first. False where they cannot be read: they are new or wait to be repaired.
        """
        copy = journal_path.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in (journal_path, journal_path.with_name(journal_path.name + "-wal")):
            if file.exists():
                shutil.copy(file, copy)
        try:
            records = [
                record
                for record_class in (ALARM, EVENT, RESULT, TELEMETRY)
                for record in stored_records(copy / journal_path.name, record_class)
            ]
        except (Damaged, Foreign, JournalError, apsw.Error):
            return False
        waiting = 0
        for record in records:
            key = record.epoch, record.sequence
            self.wrong += self.noted.setdefault(key, record.content) != record.content
            waiting += record.readings if key not in self.arrived else 0
        self.short = max(self.short, self.told - waiting - sum(self.arrived.values()))
        return True


@dataclass(frozen=True, slots=True)
class Figures:
    """The count of one pole, or the sum of several."""

    accepted: int = 0
    alarms: int = 0
    commands: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0


def count(
    ledger: Ledger, platform_path: Path, given: Mapping[str, Mapping[int, int]], damages: int, commands_sent: int
) -> Figures:
    """Compare what was accepted with a platform's database. `damages` is how often the rig has damaged the journal."""
    database = apsw.Connection(str(platform_path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = _Rows(database)
    finally:
        database.close()
    expected = _Expected(ledger.noted)
    at_platform = len({(point, value) for _, (point, _, value, _, _) in rows.readings})
    lost_records = expected.missing_from(rows)
    lost_commands = commands_sent - sum(state != "sent" for state in rows.commands.values())
    salvages = sum(code == "damaged" for _, (_, _, code, _) in rows.events)
    told_losses = sum(code in _LOSS_TOLD for _, (_, _, code, _) in rows.events)
    return Figures(
        accepted=max(ledger.told, at_platform),
        alarms=len(rows.alarms),
        commands=commands_sent,
        lost=max(lost_records, ledger.short, ledger.told - at_platform) + lost_commands,
        duplicated=rows.duplicated(),
        wrong=ledger.wrong
        + expected.contradicted_by(rows)
        + _never_given(rows, given)
        + _out_of_turn(rows)
        + told_losses
        + max(0, salvages - damages),
    )


def add(figures: Iterable[Figures]) -> Figures:
    """The sum."""
    total: Counter[str] = Counter()
    for one in figures:
        total.update({name: getattr(one, name) for name in Figures.__slots__})
    return Figures(**total)


class _Rows:
    """The platform's tables, each row with its (epoch, sequence)."""

    def __init__(self, database: apsw.Connection) -> None:
        def rows(columns: str, table: str) -> list[tuple[Key, Any]]:
            find = f"SELECT epoch, sequence, {columns} FROM {table} ORDER BY time_ms, epoch, sequence"
            found: Any = database.execute(find)
            return [((row[0], row[1]), row[2:]) for row in found]

        self.readings = rows("point, time_ms, value, exponent, kind", "readings")
        self.alarms = rows("point, time_ms, code, state, number", "alarms")
        self.events = rows("name, time_ms, code, number", "events")
        self.commands = {str(name): str(state) for name, state in database.execute("SELECT id, state FROM commands")}

    def duplicated(self) -> int:
        """What is there more often than once: by its time, by the answer it came from, or by its record."""
        by_time = Counter((point, time_ms, kind) for _, (point, time_ms, _, _, kind) in self.readings)
        by_answer = Counter((point, value) for _, (point, _, value, _, _) in self.readings)
        by_sample = Counter((point, time_ms, state) for _, (point, time_ms, _, state, _) in self.alarms)
        alarms, events = Counter(key for key, _ in self.alarms), Counter(key for key, _ in self.events)
        readings = max(_surplus(by_time), _surplus(by_answer))
        return readings + max(_surplus(by_sample), _surplus(alarms)) + _surplus(events)


class _Expected:
    """The records that a journal held, as rows of the platform."""

    def __init__(self, noted: Mapping[Key, Content]) -> None:
        self._readings: Counter[Any] = Counter()
        self._alarms: Counter[Any] = Counter()
        self._events: Counter[Any] = Counter()
        self._keys = set(noted)
        self._commands: list[tuple[str, str]] = []
        for key, content in noted.items():
            if isinstance(content, tuple):
                self._readings.update((key, _reading_row(reading)) for reading in content)
            elif isinstance(content, CommandResult):
                self._commands.append((content.command_id, content.state))
            elif isinstance(content, Event) and content.kind == "alarm":
                alarm = (content.name, content.time_ms, content.code, int(bool(content.state)), content.value)
                self._alarms[key, alarm] += 1
            elif isinstance(content, Event):
                self._events[key, (content.name, content.time_ms, content.code, content.value)] += 1

    def missing_from(self, rows: _Rows) -> int:
        """Readings, alarms, events and results that were noted and are not at the platform as they were noted."""
        tables = ((self._readings, rows.readings), (self._alarms, rows.alarms), (self._events, rows.events))
        missing = sum((expected - Counter(there)).total() for expected, there in tables)
        return missing + sum(rows.commands.get(name, "sent") == "sent" for name, _ in self._commands)

    def contradicted_by(self, rows: _Rows) -> int:
        """Rows of noted records that the records did not hold."""
        tables = ((self._readings, rows.readings), (self._alarms, rows.alarms), (self._events, rows.events))
        strange = sum(
            key in self._keys and (key, row) not in expected for expected, there in tables for key, row in there
        )
        return strange + sum(rows.commands.get(name, state) not in (state, "sent") for name, state in self._commands)


def _never_given(rows: _Rows, given: Mapping[str, Mapping[int, int]]) -> int:
    """Readings and alarms whose value the device did not answer at that time, and alarms that say the contrary.

    What carries its slot may have been answered up to a period later (decision 0104).
    """

    def is_given(point: str, time_ms: int, value: int) -> bool:
        at_ms = given.get(point, {}).get(value)
        carried_ms = 0 if time_ms % EVERY_MS else EVERY_MS
        return at_ms is not None and at_ms - carried_ms - _EARLY_MS <= time_ms <= at_ms + _LATE_MS

    readings = sum(not is_given(point, time_ms, value) for _, (point, time_ms, value, _, _) in rows.readings)
    alarms = sum(
        not is_given(point, time_ms, value) or bool(state) != (value >= HIGH)
        for _, (point, time_ms, code, state, value) in rows.alarms
        if code == "above"
    )
    return readings + alarms


def _out_of_turn(rows: _Rows) -> int:
    """Alarms that are raised or cleared twice in a row: one between them is lost, or it is one too many."""
    amiss = 0
    for point in ALARMED:
        states = [state for _, (name, _, code, state, _) in rows.alarms if (name, code) == (point, "above")]
        amiss += sum(state == before for before, state in pairwise([0, *states]))
    return amiss


def _reading_row(reading: Reading) -> tuple[str, int, int, int, str]:
    return reading.point, reading.time_ms, reading.value, reading.exponent, reading.kind


def _surplus(counts: Counter[Any]) -> int:
    return counts.total() - len(counts)

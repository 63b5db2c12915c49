"""What every point really held, and when: the rig's truth, to compare what was delivered with.

A point holds a value from one millisecond of unix time (included) to another (not included). Values are scaled
integers with the exponent of the point. The truth is asked in memory while the rig runs, and left behind as SQLite:
`held(point TEXT, from_ms INTEGER, to_ms INTEGER, value INTEGER, exponent INTEGER)`.
"""

import sqlite3
from array import array
from bisect import bisect_right
from pathlib import Path

_BATCH_ROWS = 5000
_OPEN = -1
_SCHEMA = "CREATE TABLE held(point TEXT, from_ms INTEGER, to_ms INTEGER, value INTEGER, exponent INTEGER)"
_INDEX = "CREATE INDEX held_by_point ON held(point, from_ms)"


class _Held:
    __slots__ = ("begins", "ends", "exponent", "values")

    def __init__(self, exponent: int) -> None:
        self.exponent = exponent
        self.begins = array("q")
        self.ends = array("q")
        self.values = array("q")


class Truth:
    """Remembers held values; with a `path` it writes them to a new SQLite file (FileExistsError if there is one).

    Rows are written in batches without waiting for the disk: the truth need not survive a power cut.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._held: dict[str, _Held] = {}
        self._rows: list[tuple[str, int, int, int, int]] = []
        self._file: sqlite3.Connection | None = None
        if path is not None:
            path.touch(exist_ok=False)
            self._file = sqlite3.connect(path, isolation_level=None)
            self._file.execute("PRAGMA journal_mode = OFF")
            self._file.execute("PRAGMA synchronous = OFF")
            self._file.execute(_SCHEMA)

    def hold(self, point: str, from_ms: int, value: int, exponent: int) -> None:
        """`point` holds `value` (times ten to the `exponent`) from `from_ms` on; ValueError when time goes back.

        The same value again only prolongs what is held.
        """
        held = self._held.get(point)
        if held is None:
            held = self._held[point] = _Held(exponent)
        elif held.exponent != exponent:
            raise ValueError(f"{point} has the exponent {held.exponent}, not {exponent}")
        if held.ends and held.ends[-1] == _OPEN:
            if held.values[-1] == value:
                return
            self._end(point, held, from_ms)
        if held.ends and from_ms < held.ends[-1]:
            raise ValueError(f"{point}: {from_ms} lies before {held.ends[-1]}")
        held.begins.append(from_ms)
        held.ends.append(_OPEN)
        held.values.append(value)

    def release(self, point: str, at_ms: int) -> None:
        """`point` holds nothing from `at_ms` on: its device says that the value is not valid."""
        held = self._held.get(point)
        if held is not None and held.ends and held.ends[-1] == _OPEN:
            self._end(point, held, at_ms)

    def points(self) -> list[str]:
        """The names of all points that ever held a value."""
        return sorted(self._held)

    def value_at(self, point: str, time_ms: int) -> int | None:
        """The value that `point` held at `time_ms`, or None."""
        held = self._held.get(point)
        if held is None:
            return None
        index = bisect_right(held.begins, time_ms) - 1
        if index < 0 or (held.ends[index] != _OPEN and held.ends[index] <= time_ms):
            return None
        return held.values[index]

    def values_between(self, point: str, from_ms: int, to_ms: int) -> list[tuple[int, int, int]]:
        """(from, to, value) of all that `point` held in [from_ms, to_ms), cut to that span, in order."""
        held = self._held.get(point)
        if held is None or to_ms <= from_ms:
            return []
        spans = []
        for index in range(max(0, bisect_right(held.begins, from_ms) - 1), len(held.begins)):
            begin, end = held.begins[index], held.ends[index]
            if begin >= to_ms:
                break
            begin, end = max(begin, from_ms), to_ms if end == _OPEN else min(end, to_ms)
            if end > begin:
                spans.append((begin, end, held.values[index]))
        return spans

    def flush(self) -> None:
        """Write what is complete to the file."""
        if self._file is not None and self._rows:
            self._file.execute("BEGIN")
            self._file.executemany("INSERT INTO held VALUES (?, ?, ?, ?, ?)", self._rows)
            self._file.execute("COMMIT")
        self._rows.clear()

    def close(self, end_ms: int) -> None:
        """End all that is held at `end_ms` and finish the file; memory can still be asked."""
        for point, held in self._held.items():
            if held.ends and held.ends[-1] == _OPEN:
                self._end(point, held, max(end_ms, held.begins[-1]))
        self.flush()
        if self._file is not None:
            self._file.execute(_INDEX)
            self._file.close()
            self._file = None

    def _end(self, point: str, held: _Held, at_ms: int) -> None:
        begin = held.begins[-1]
        if at_ms < begin:
            raise ValueError(f"{point}: {at_ms} lies before {begin}")
        value = held.values[-1]
        if at_ms == begin:
            held.begins.pop()
            held.ends.pop()
            held.values.pop()
            return
        held.ends[-1] = at_ms
        if self._file is not None:
            self._rows.append((point, begin, at_ms, value, held.exponent))
            if len(self._rows) >= _BATCH_ROWS:
                self.flush()

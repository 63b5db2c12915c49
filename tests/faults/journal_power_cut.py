"""Power cuts at every operation of an hour, and in the recovery from a cut: nothing accepted is lost, doubled or wrong.

`lost` are records that the journal had accepted, events whose node was told that they are stored, and commands that it
had received, which the platform never sees; `numbers_reused` record numbers that came twice with different contents;
`commands_twice` commands that acted a second time; `wrong` also commands that are told to be confirmed and never acted.

The controls: the same hour with `synchronous=OFF`, and a queue whose key is a plain row id.
"""

from typing import Any

import apsw

from tests.faults._cases import Row
from tests.faults._journal_cuts import cut_everywhere
from tests.faults._journal_hour import HOUR, Script
from tests.faults._progress import OnProgress, silent

_SECOND_EVERY = 60
_EVERY_OF_CONTROL = 30


def power_cut(
    on_progress: OnProgress = silent, script: Script = HOUR, every: int = 1, second_every: int = _SECOND_EVERY
) -> Row:
    """Every operation of the script, or each `every`-th; second cuts after each `second_every`-th beside a sync."""
    return cut_everywhere("journal/power-cut", on_progress, script, every=every, second_every=second_every)


def power_cut_control(on_progress: OnProgress = silent, script: Script = HOUR, every: int = _EVERY_OF_CONTROL) -> Row:
    """The same on a disk that syncs nothing, which is what synchronous=OFF comes to: it must lose."""
    return cut_everywhere("journal/power-cut-control", on_progress, script, keeps_syncs=False, every=every)


def numbers_control(on_progress: OnProgress = silent, records: int = 1000) -> Row:
    """A queue with a plain row id that drains after each record: it must give the same number to different records."""
    queue = apsw.Connection(":memory:")
    queue.execute("CREATE TABLE queue (number INTEGER PRIMARY KEY, content TEXT)")
    platform: dict[int, str] = {}
    reused = 0
    for record in range(records):
        queue.execute("INSERT INTO queue (content) VALUES (?)", (f"record {record}",))
        rows: list[Any] = queue.execute("SELECT number, content FROM queue").fetchall()
        for number, content in rows:
            reused += platform.setdefault(number, content) != content
            queue.execute("DELETE FROM queue WHERE number = ?", (number,))
        on_progress(record + 1, records)
    queue.close()
    counts = {"tried": records, "survived": records - reused, "lost": records - len(platform)}
    return {"case": "journal/numbers-control", **counts, "duplicated": 0, "wrong": 0, "numbers_reused": reused}


CASES = {
    "journal/power-cut": power_cut,
    "journal/power-cut-control": power_cut_control,
    "journal/numbers-control": numbers_control,
}

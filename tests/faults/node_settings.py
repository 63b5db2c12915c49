"""A change of settings, cut at every operation: afterwards the old settings or the new, whole, and a node that runs."""

import asyncio
from pathlib import Path

from protocols import node_map, settings_codes
from tests.faults._cuts import Change, Row, Trial, Verdict, cut_everywhere, running_version
from tests.faults._progress import OnProgress, silent
from tests.firmware.settings_bench import put_into_force, settings_state, settings_with, write_blocks
from tests.firmware.workbench import Master, RefusedError, table_of

PROVISIONED, OLD, NEW = table_of((1, 1)), table_of((2, 3)), table_of((2, 5))
_SLOTS_NEW = 5
_SETTINGS = {3: "settings_old", _SLOTS_NEW: "settings_new"}
_RESTART_S = 3.0
_EVERY_OF_CONTROL = 7

_ONE_COPY = Path(__file__).parents[2] / "firmware/node/two_copies.py"


async def _send(master: Master, content: bytes, number: int) -> bool:
    """Send settings and put them into force; whether the node said that they are safe."""
    await write_blocks(master, content + bytes(len(content) % 2))
    await put_into_force(master, number)
    for _ in range(12):
        await asyncio.sleep(0.05)
        try:
            if (await settings_state(master)).result == settings_codes.TAKEN:
                return True
        except TimeoutError:
            break
    return False


async def change(trial: Trial) -> Verdict:
    """Old settings in force, then new ones with a cut, then a start."""
    bench = trial.bench
    await bench.power_on()
    await _send(bench.master, settings_with(OLD), 1)
    await asyncio.sleep(_RESTART_S)
    trial.arm()
    was_told_safe = False
    try:
        was_told_safe = await _send(bench.master, settings_with(NEW), 2)
    except (TimeoutError, RefusedError):
        was_told_safe = False
    await asyncio.sleep(_RESTART_S)
    if trial.is_cut:
        await bench.machine.power_on()
        await asyncio.sleep(1.0)
    try:
        slots = (await bench.master.read(node_map.IDENTITY_SLOT_COUNT, 1))[0]
        version = await running_version(bench.master)
    except TimeoutError:
        return Verdict(survived=False, wrong=1, found={"silent": 1})
    is_lost = was_told_safe and slots != _SLOTS_NEW
    found = {f"ran_{version}": 1, _SETTINGS.get(slots, "settings_neither"): 1}
    is_whole = slots in _SETTINGS
    return Verdict(is_whole and not is_lost, lost=int(is_lost), wrong=int(not is_whole), found=found)


def one_copy() -> dict[str, str]:
    """A firmware that knows no two copies: one file, written piece by piece, believed as it is."""
    source = _ONE_COPY.read_text()
    for old, new in (
        ('_NAMES = (".a", ".b")', '_NAMES = (".a", ".a")'),
        (
            "            self._file.write(piece)\n",
            "            self._file.write(piece)\n            self._file.close()\n"
            '            self._file = open(self._target, "ab")\n',
        ),
        (
            "        target, self.sequence = _next(name)\n",
            "        target, self.sequence = _next(name)\n        self._target = target\n",
        ),
        (
            '            if left < 0 or crc != int.from_bytes(file.read(TAIL_BYTES), "big"):\n',
            "            if left < -len(head):\n",
        ),
        (
            "                if not piece:\n                    return 0\n",
            "                if not piece:\n                    break\n",
        ),
    ):
        if old not in source:
            raise ValueError(f"two_copies.py no longer has {old!r}")
        source = source.replace(old, new)
    return {"node/two_copies.py": source}


def settings_cut(on_progress: OnProgress = silent, every: int = 1) -> Row:
    """Every operation of a change of settings, or each `every`-th."""
    return cut_everywhere("node/settings-cut", CHANGE, on_progress, every)


def settings_cut_control(on_progress: OnProgress = silent, every: int = _EVERY_OF_CONTROL) -> Row:
    """The same without two copies: it must fail."""
    return cut_everywhere("node/settings-cut-control", Change(PROVISIONED, change, one_copy()), on_progress, every)


CHANGE = Change(PROVISIONED, change)
CASES = {"node/settings-cut": settings_cut, "node/settings-cut-control": settings_cut_control}

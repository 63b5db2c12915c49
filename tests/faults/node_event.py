"""Events, cut at every operation that they cause: each that had happened is told, once, under one name."""

import asyncio
from pathlib import Path

from protocols import event_codes, node_map
from protocols.node_table_writer import NodeTableWriter
from tests.faults._cuts import Change, Row, Trial, Verdict, cut_everywhere, running_version
from tests.faults._progress import OnProgress, silent
from tests.firmware.workbench import NODE, Event, Master

_COVER = 33
_EDGES = 5
_READ_AFTER = 2
_SETTLED_S = 0.3
_INPUT_CODES = (event_codes.INPUT_RAISED, event_codes.INPUT_CLEARED)
_KEEPER = Path(__file__).parents[2] / "firmware/node/event_keeper.py"

Name = tuple[int, int]
Content = tuple[int, int]
Told = dict[Name, Content]


def _table() -> bytes:
    writer = NodeTableWriter(node_unit=NODE)
    writer.add_device(2000)
    writer.add_pin(_COVER, True, "down", 50, True)
    return writer.table()


class Gateway:
    """Remembers every event that it was told, by name, and acknowledges what it has; `clashes` counts names with two
    contents."""  # fmt: skip

    def __init__(self, master: Master) -> None:
        self.told: Told = {}
        self.clashes = 0
        self._master = master

    async def take(self) -> None:
        """Read and acknowledge the window until there is nothing more. Raises TimeoutError for a node without power."""
        while True:
            last = await self.look()
            if last is None:
                return
            await self._master.acknowledge(*last)

    async def look(self) -> Name | None:
        """Read the window once and acknowledge nothing; the name of the last event in it. Raises TimeoutError."""
        epoch = await self._master.health(node_map.IDENTITY_NODE_EPOCH)
        block = await self._master.read(node_map.EVENTS, node_map.EVENTS_REGISTERS)
        epoch -= block[node_map.EVENTS_EPOCHS_AGO - node_map.EVENTS]
        events = [Event(block[8 + 10 * index : 18 + 10 * index]) for index in range(block[6])]
        for event in events:
            content = (event.code, event.value)
            self.clashes += int(self.told.setdefault((epoch, event.sequence), content) != content)
        return (epoch, events[-1].sequence) if events else None

    def edges(self) -> int:
        """Edges of the cover that it knows of."""
        return sum(code in _INPUT_CODES for code, _value in self.told.values())


async def happen(trial: Trial) -> Verdict:
    """Edges of an alarm input, some of them acknowledged, with a cut, then a start."""
    bench = trial.bench
    gateway = Gateway(bench.master)
    bench.machine.set_pin(_COVER, 0)
    await bench.power_on()
    await gateway.take()
    await asyncio.sleep(70)
    trial.arm()
    happened = 0
    for number in range(1, _EDGES + 1):
        bench.machine.set_pin(_COVER, number % 2)
        await asyncio.sleep(_SETTLED_S)
        if not bench.machine.running:
            break
        happened = number
        if number == _READ_AFTER:
            try:
                await gateway.take()
            except TimeoutError:
                break
            await asyncio.sleep(65)  # what was acknowledged goes from the flash
    await asyncio.sleep(65)
    if bench.machine.running:
        bench.machine.kill()
    began = min(happened + 1, _EDGES)
    bench.machine.set_pin(_COVER, 0)
    await bench.power_on()
    if not bench.machine.running:  # this start was cut
        await bench.power_on()
    try:
        await gateway.take()
        version = await running_version(bench.master)
    except TimeoutError:
        return Verdict(survived=False, lost=happened, found={"silent": 1})
    known = gateway.edges()
    lost, doubled = max(0, happened - known), max(0, known - began)
    found = {f"ran_{version}": 1, "events": happened, "events_lost": lost}
    return Verdict(lost + doubled + gateway.clashes == 0, lost, doubled, gateway.clashes, found)


def forgetful() -> dict[str, str]:
    """A firmware that tells events and keeps none."""
    source = _KEEPER.read_text()
    start = source.index("        try:\n            writing = two_copies.Writing(_FILE)")
    end = source.index("        kept.settle(kept.count)\n\n    def _fill")
    return {"node/event_keeper.py": source[:start] + source[end:]}


def event_cut(on_progress: OnProgress = silent, every: int = 1) -> Row:
    """Every operation that events and acknowledgements cause, or each `every`-th."""
    return cut_everywhere("node/event-cut", CHANGE, on_progress, every)


def event_cut_control(on_progress: OnProgress = silent, every: int = 1) -> Row:
    """The same without the flash: it must fail."""
    return cut_everywhere("node/event-cut-control", Change(_table(), happen, forgetful()), on_progress, every)


CHANGE = Change(_table(), happen)
CASES = {"node/event-cut": event_cut, "node/event-cut-control": event_cut_control}

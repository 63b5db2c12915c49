"""One dialect under every fault of its emulator: a batch each minute, alarms and commands in between; nothing is lost.

Each fault is a run of its own. It strikes three times: soon after the start, in the middle of a send, and at an odd
moment later; what lasts, lasts two minutes (a network that never answers: fifteen), or until the ladder has mended it.
Then the journal must become empty. One more run has all that damages lines at once. The control takes what was handed
to the modem for acknowledged.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.modem.faults import FAULTS, LASTING
from tests.bench._modem_world import ModemWorld, modem_world
from tests.bench.modems import DIALECTS
from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._journal_hour import quiet
from tests.faults._progress import OnProgress
from tests.faults._uplink_steps import letting_go_at_once

_MENDED_BY_LADDER = frozenset({"unknown", "radio-stuck", "deaf", "latched"})
"""Faults that no time ends: a rung of the ladder must. The others are of the network, the SIM, or the technician's."""
_LASTS_S, _SILENCE_S = 120.0, 900.0
"""The silence of a network is long enough for the ladder to be climbed in vain."""
_STRIKES_AT_S = (95.0, 313.0, 707.0)
_SECONDS = 1200.0
MIXED = "mixed"
"""All that damages lines, at once and all the time: each strikes at one line in a hundred."""
_MIXED_RATE = 0.01
_OF_LINES = (
    "glued",
    "truncated",
    "garbage",
    "lost-first",
    "lost-input",
    "urc-inside",
    "urc-lost",
    "overrun",
    "stray-ok",
    "echo",
    "busy",
)
_CONTROL = ("silence", "reboot-in-send", "no-answer", "unplugged")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run. `hits` is how often the fault has struck."""

    fault: str
    hits: int
    sent: int
    delivered: int
    lost: int
    duplicated: int
    wrong: int
    is_drained: bool
    recoveries: dict[str, int]

    @property
    def is_clean(self) -> bool:
        """Whether everything arrived once."""
        return self.is_drained and not (self.lost or self.duplicated or self.wrong)


def dialect(on_progress: OnProgress, name: str, faults: Sequence[str] = (*FAULTS, MIXED), radio: str = "") -> Row:
    """A case: one dialect under each of the faults."""
    jobs = [(name, fault, radio or _radio_of(name)) for fault in faults]
    return _row(f"modems/{name}", on_all_cores(run_one, jobs, on_progress))


def control(on_progress: OnProgress, faults: Sequence[str] = _CONTROL) -> Row:
    """The control."""
    jobs = [("bc660k", fault, "nbiot-good") for fault in faults]
    return _row("modems-control", on_all_cores(run_careless, jobs, on_progress))


def _radio_of(name: str) -> str:
    return "nbiot-good" if name in ("bc95", "bc26", "bc660k", "sim7020") else "cat1"


def run_one(name: str, fault: str, radio: str) -> Outcome:
    """One dialect under one fault."""

    async def main(clock: RigClock) -> Outcome:
        with tempfile.TemporaryDirectory() as folder:
            async with modem_world(Path(folder), clock, name, radio, psm=fault == "sleep") as world:
                striking = asyncio.create_task(_strike(world, fault))
                for _ in range(4):
                    world.command()
                    await world.measure_for(_SECONDS / 4, alarm_every_s=100.0)
                await striking
                is_drained = await world.settle()
                return _outcome(world, fault, is_drained)

    with quiet():
        return run_virtual(main)


def run_careless(name: str, fault: str, radio: str) -> Outcome:
    """The same with a journal that takes what was handed over for acknowledged."""
    with letting_go_at_once():
        return run_one(name, fault, radio)


async def _strike(world: ModemWorld, fault: str) -> None:
    if world.emulator is None:
        raise RuntimeError("a clean link has no faults")
    if fault == MIXED:
        world.emulator.faults.rates.update(dict.fromkeys(_OF_LINES, _MIXED_RATE))
        return
    gone_s = 0.0
    for at_s in _STRIKES_AT_S:
        await asyncio.sleep(at_s - gone_s)
        gone_s = at_s
        if fault in _MENDED_BY_LADDER:
            world.emulator.faults.inject(fault)
        elif fault in LASTING:
            world.emulator.faults.inject(fault, for_s=_SILENCE_S if fault == "silence" else _LASTS_S)
        else:
            world.emulator.faults.inject(fault, times=2)
            if fault == "slow-boot":
                world.emulator.faults.inject("reboot")


def _outcome(world: ModemWorld, fault: str, is_drained: bool) -> Outcome:
    if world.emulator is None or world.modem is None:
        raise RuntimeError("a clean link has no faults")
    sent = len(world.given) + world.alarms + world.commands
    struck, recoveries = world.emulator.faults.hits, world.modem.recoveries
    hits = struck.total() if fault == MIXED else struck[fault]
    return Outcome(fault, hits, sent, *world.judge(), is_drained, {str(rung): recoveries[rung] for rung in recoveries})


def _row(case: str, outcomes: Sequence[Outcome]) -> Row:
    tried = [outcome for outcome in outcomes if outcome.hits]
    return {
        "case": case,
        "tried": sum(outcome.hits for outcome in tried),
        "survived": sum(outcome.hits for outcome in tried if outcome.is_clean),
        "lost": sum(outcome.lost for outcome in outcomes),
        "duplicated": sum(outcome.duplicated for outcome in outcomes),
        "wrong": sum(outcome.wrong for outcome in outcomes),
        "faults": len(tried),
        "sent": sum(outcome.sent for outcome in outcomes),
        "not_drained": sum(not outcome.is_drained for outcome in outcomes),
        "never_struck": " ".join(outcome.fault for outcome in outcomes if not outcome.hits),
        "harmed_by": " ".join(outcome.fault for outcome in outcomes if not outcome.is_clean),
        **{f"recoveries_{rung}": count for rung, count in _recoveries(outcomes).items()},
    }


def _recoveries(outcomes: Sequence[Outcome]) -> dict[str, int]:
    found: dict[str, int] = {}
    for outcome in outcomes:
        for rung, count in outcome.recoveries.items():
            found[rung.replace("-", "_")] = found.get(rung.replace("-", "_"), 0) + count
    return found


CASES = {f"modems/{name}": partial(dialect, name=name) for name in DIALECTS} | {"modems-control": control}

"""Modems: what comes through each dialect and radio, what is repeated without need, and what that costs.

Two hours of a pole with a batch each minute and an alarm each ten, through the agent's own path, the modem driver, an
emulated modem and a radio that relays real UDP to the platform, in virtual time; then the same from the same seed with
aiocoap's default timing, and once over a clean link. Arguments: `--dialects` and `--radios` choose by commas, `--hours`
and `--seed` change the run.

`sent` and `delivered` are readings and alarms; a spurious retransmission is any datagram that carries readings which
the platform had received already, new messages included. `median_delay_s` is from a message's first datagram, handed to
the modem, to its arrival at the platform. `on_air_bytes` count both ways, with 28 bytes of headers each.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from hardware.rig.clock import RigClock, run_virtual
from tests.bench._modem_world import modem_world
from tests.faults._journal_hour import quiet
from tests.faults._progress import shown

Row = dict[str, object]

DIALECTS = ("bc95", "bc26", "bc660k", "ec800", "ml307", "sim7020", "a7670", "air780")
RADIOS = ("nbiot-good", "nbiot-bad", "cat1")


@dataclass(frozen=True, slots=True)
class Job:
    """One run; no dialect is the clean link."""

    dialect: str | None
    radio: str
    seed: int
    hours: float
    is_default_timing: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run gave."""

    sent: int
    delivered: int
    lost: int
    duplicated: int
    wrong: int
    datagrams: int
    spurious: int
    median_delay_s: float
    on_air_bytes: int
    recoveries: dict[str, int]
    without_service_s: float


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the group."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=modems", description="Measure the modems.")
    parser.add_argument("--dialects", default=",".join(DIALECTS))
    parser.add_argument("--radios", default=",".join(RADIOS))
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    dialects, radios = chosen.dialects.split(","), chosen.radios.split(",")
    cases = [(dialect, radio) for dialect in dialects for radio in radios]
    jobs = [Job(None, radio, chosen.seed, chosen.hours) for radio in radios]
    for dialect, radio in cases:
        jobs += (Job(dialect, radio, chosen.seed, chosen.hours, is_default) for is_default in (False, True))
    with shown("modems") as on_progress, ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        found: dict[Job, Figures] = {}
        for job, figures in zip(jobs, pool.map(measure, jobs), strict=True):
            found[job] = figures
            on_progress(len(found), len(jobs))
            if job.is_default_timing and job.dialect is not None:
                ours = found[Job(job.dialect, job.radio, job.seed, job.hours)]
                clean = found[Job(None, job.radio, job.seed, job.hours)]
                yield from _rows(f"{job.dialect}/{job.radio}", ours, figures, clean)


def measure(job: Job) -> Figures:
    """One run of its own, in virtual time."""

    async def main(clock: RigClock) -> Figures:
        with tempfile.TemporaryDirectory() as name:
            timing = {"default_timing": job.is_default_timing}
            async with modem_world(Path(name), clock, job.dialect, job.radio, seed=job.seed, **timing) as world:
                await world.measure_for(3600 * job.hours)
                await world.settle()
                delivered, lost, duplicated, wrong = world.judge()
                modem = world.modem
                return Figures(
                    len(world.given) + world.alarms,
                    delivered,
                    lost,
                    duplicated,
                    wrong,
                    world.watch.sent,
                    world.watch.spurious,
                    median(world.watch.delays_s or [0.0]),
                    world.bearer.air.on_air_bytes,
                    {} if modem is None else {rung: count for rung, count in modem.recoveries.items() if count},
                    0.0 if modem is None else modem.seconds_without_service,
                )

    with quiet():
        return run_virtual(main)


def _rows(case: str, ours: Figures, default: Figures, clean: Figures) -> Iterator[Row]:
    figures: dict[str, tuple[float, str]] = {
        "sent": (ours.sent, "readings"),
        "delivered": (ours.delivered, "readings"),
        "lost": (ours.lost, "readings"),
        "duplicated": (ours.duplicated, "readings"),
        "wrong": (ours.wrong, "readings"),
        "datagrams": (ours.datagrams, "datagrams"),
        "spurious_retransmissions": (ours.spurious, "datagrams"),
        "spurious_retransmissions_default_timing": (default.spurious, "datagrams"),
        "median_delay_s": (round(ours.median_delay_s, 2), "s"),
        "on_air_bytes": (ours.on_air_bytes, "bytes"),
        "on_air_bytes_default_timing": (default.on_air_bytes, "bytes"),
        "on_air_bytes_clean_link": (clean.on_air_bytes, "bytes"),
        "without_service_s": (round(ours.without_service_s, 1), "s"),
        **{f"recoveries_{rung}": (count, "recoveries") for rung, count in ours.recoveries.items()},
    }
    for metric, (value, unit) in figures.items():
        yield {"case": case, "metric": metric, "value": value, "unit": unit}

"""The uplink: bytes a reading on the air, by mode and batch interval, every reading compared; processor time, memory.

A day of readings goes through the agent's own path (journal, uplink, CoAP with OSCORE, UDP) to the platform stand-in,
which decodes and stores it; a relay in between counts every datagram of both directions, repetitions and answers
included, with 28 bytes of IPv4 and UDP headers. `on_air_bytes_per_reading` is that without what is done once, which is
`setup_bytes`: keys, the first question, the channel table. Commands may wait an hour, so nothing but the batches and
their answers is on the air. Channel tables have not seen the values. `deflated-json` is what somebody else would send.

Without arguments: seed 1 of the synthetic pole, then seed 2, then the recorded year of Beijing's air, where it lies
beside the repository, in `compact` and at 15 minutes. Arguments: `--seed N`, `--csv FILE` (tests/bench/_wire_files.py
tells what lies beside FILE) or `--beijing` choose a workload, `--modes` and `--intervals` less of it, by commas.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hardware.rig.air import RECORDED_YEAR
from tests.bench import _wire_cpu as cpu
from tests.bench import _wire_files as files
from tests.bench._wire_agent import run_agent
from tests.bench._wire_json import run_json
from tests.bench._wire_pole import synthetic_day
from tests.bench._wire_sent import Sent
from tests.bench._wire_workload import MINUTE_MS, Workload, digest
from tests.faults._progress import shown

Row = dict[str, object]

INTERVALS = {"1min": 1, "5min": 5, "15min": 15, "60min": 60}
"""Minutes from one batch to the next."""
FORMS = {"compact": "auto", "compact-self": "compact-self", "senml": "senml"}
"""The agent's modes, with what pole.toml would say for each."""
PEER = "deflated-json"
MODES = (*FORMS, PEER)
_YEAR = "beijing"


@dataclass(frozen=True, slots=True)
class Job:
    """One case: a workload by its name, a mode, and an interval."""

    workload: str
    mode: str
    interval: str


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the group."""
    chosen = _parse(arguments)
    jobs = list(_jobs(chosen))
    for name in dict.fromkeys(job.workload for job in jobs):
        _tell(_load(name))
    with shown("wire") as on_progress, ProcessPoolExecutor() as pool:
        sent = pool.map(_send, jobs)
        for number, (job, found) in enumerate(zip(jobs, sent, strict=True), 1):
            yield from _sent_rows(job, found)
            on_progress(number, 2 * len(jobs))
        # Alone on the machine, as far as that is for us to say.
        for number, job in enumerate(jobs, len(jobs) + 1):
            yield from _cost_rows(job)
            on_progress(number, 2 * len(jobs))


def _jobs(chosen: argparse.Namespace) -> Iterator[Job]:
    """What was asked for; without a word about the workload two seeds, and of the year what can be waited for."""
    if chosen.csv:
        names = [f"csv={chosen.csv}"]
    elif chosen.beijing:
        names = [_YEAR]
    else:
        names = [f"seed={seed}" for seed in chosen.seed or (1, 2)]
    for name in names:
        yield from (Job(name, mode, interval) for mode in chosen.modes for interval in chosen.intervals)
    if not (chosen.csv or chosen.beijing or chosen.seed):
        if RECORDED_YEAR.exists():
            for mode in chosen.modes:
                intervals = chosen.intervals if mode == "compact" else set(chosen.intervals) & {"15min"}
                yield from (Job(_YEAR, mode, interval) for interval in intervals)
        else:
            print(f"{RECORDED_YEAR} is not there: the recorded year is left out", file=sys.stderr)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("make bench ARGS=wire", description=__doc__, epilog=files.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seed", type=int, action="append", metavar="N", help="a day of the synthetic pole")
    which.add_argument("--csv", type=Path, metavar="FILE", help="a file of time_s,channel,value with a JSON beside it")
    which.add_argument("--beijing", action="store_true", help="the recorded year in all modes, which takes a while")
    intervals = tuple(INTERVALS)
    parser.add_argument("--modes", type=_choice(MODES), default=MODES, help=f"of {','.join(MODES)}")
    parser.add_argument("--intervals", type=_choice(intervals), default=intervals, help=f"of {','.join(intervals)}")
    return parser.parse_args(arguments)


def _choice(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def split(text: str) -> tuple[str, ...]:
        words = tuple(text.split(","))
        unknown = [word for word in words if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(known)}")
        return words

    return split


def _load(name: str) -> Workload:
    kind, _, value = name.partition("=")
    try:
        if kind == "seed":
            return synthetic_day(int(value))
        return files.csv_day(Path(value)) if kind == "csv" else files.recorded_year(RECORDED_YEAR)
    except (files.FileProblem, FileNotFoundError) as problem:
        raise SystemExit(str(problem)) from problem


def _tell(workload: Workload) -> None:
    """Which readings these are, for whoever compares with another program; on stderr, as it is no figure."""
    found = digest(workload)[:16]
    records, readings = len(workload.polls), workload.readings
    print(f"{workload.name}: {records} records, {readings} readings, sha256 {found}", file=sys.stderr)


def _send(job: Job) -> Sent:
    workload = _load(job.workload)
    interval_ms = INTERVALS[job.interval] * MINUTE_MS
    if job.mode == PEER:
        return run_json(workload, interval_ms)
    return run_agent(workload, FORMS[job.mode], interval_ms)


def _sent_rows(job: Job, sent: Sent) -> Iterator[Row]:
    readings = max(1, sent.delivered)
    yield _row(job, "payload_bytes_per_reading", round(sent.payload_bytes / readings, 4), "bytes")
    batches = {"batches": sent.batches, "confirmed": sent.confirmed}
    yield _row(job, "on_air_bytes_per_reading", round(sent.on_air_bytes / readings, 4), "bytes", **batches)
    yield _row(job, "setup_bytes", sent.setup_bytes, "bytes")
    yield _row(job, "delivered_readings", sent.delivered, "readings", measured=sent.measured)
    yield _row(job, "wrong_readings", sent.wrong, "readings")


def _cost_rows(job: Job) -> Iterator[Row]:
    cost = cpu.measure(_load(job.workload), job.mode, INTERVALS[job.interval] * MINUTE_MS)
    yield _row(job, "encode_cpu_s_per_1000", round(cost.encode_s_per_1000, 5), "s")
    yield _row(job, "decode_cpu_s_per_1000", round(cost.decode_s_per_1000, 5), "s")
    yield _row(job, "encode_peak_bytes", cost.encode_peak_bytes, "bytes")
    yield _row(job, "decode_peak_bytes", cost.decode_peak_bytes, "bytes")


def _row(job: Job, metric: str, value: float, unit: str, **more: object) -> Row:
    suffix = _suffix(job.workload)
    case = f"{job.mode}/{job.interval}{suffix}"
    peer = {"peer": "deflated JSON"} if job.mode == PEER else {}
    return {"case": case, "metric": metric, "value": value, "unit": unit, **more, **peer}


def _suffix(name: str) -> str:
    """What stands behind mode and interval in a case's name."""
    kind, _, value = name.partition("=")
    if kind == "seed":
        return "" if value == "1" else f"/seed{value}"
    return f"/{kind}"

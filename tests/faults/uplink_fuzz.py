"""A million damaged payloads at both decoders of the platform: a value or a refusal, in bounded time and memory.

Half of them are compact batches, self-contained and chained, half SenML-CBOR: what an honest gateway says of all kinds
of records, with bits and bytes changed, cut, doubled, exchanged and appended, and batches that were written by an
encoder without bounds to keep a reader busy. A decoder may read what comes of that (`accepted`: OSCORE keeps strangers
out) or refuse it with a FormatError; `crashed` counts everything else, `slow` what took more than `_LONGEST_S` of
processor time, `wrong` that and what said more than a batch may or changed the state that it was given, and a process
that grew by more than `_MOST_GROWTH_MB`. The control decodes compact batches without the bounds of telemetry.md.
"""

import json
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType, ModuleType
from unittest.mock import patch

from gateway_agent.compact import (
    Channel,
    ChannelTable,
    State,
    batch,
    decode_batch,
    encode_batch,
    limits,
    polls,
    range_coder,
    symbols,
    walk,
)
from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, THINNED, Record
from gateway_agent.records import CommandResult, Event, Reading, Thinned, Window
from gateway_agent.uplink.batches import build_batch
from gateway_agent.uplink.errors import FormatError
from hardware.rig.platform_messages import read_message
from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._progress import OnProgress, silent

_JOB_PAYLOADS = 10_000
_LONGEST_S = 2.0
_MOST_GROWTH_MB = 64
_MOST_READINGS = limits.MAX_STEPS
_ONE_DATAGRAM = 1100
_HEAD_BYTES = 9
_BUSY_EVERY = 1000
"""One of so many payloads comes of a batch that keeps its reader busy; these take a hundred times as long as others."""
_GATEWAY, _EPOCH, _NOW_MS = "gp-demo-1", 7, 1_795_867_200_000
_VECTORS = Path(__file__).parents[2] / "protocols" / "vectors" / "uplink.json"
_INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xFF)
_Bounds = tuple[tuple[ModuleType, str], ...]
_BOUNDS_OF_ENDS: _Bounds = ((range_coder, "LARGEST_BITS"), (range_coder, "_MOST_LEFT_OUT"))
_BOUNDS: _Bounds = (
    (batch, "MAX_RECORDS"),
    (walk, "MAX_RECORDS"),
    (walk, "MAX_STEPS"),
    (polls, "MAX_PARTS"),
    (symbols, "MAX_STEPS"),
)
_DEVICES = ("meter", "air", "manhole")
_TABLE = ChannelTable(
    tuple(
        Channel(f"{device}/{point}", "sample", "W", -1, 10_000 * (group + 1), group)
        for group, device in enumerate(_DEVICES)
        for point in "abcd"
    )
    + tuple(Channel("air/a", kind, "W", -1, 300_000, 3) for kind in ("mean", "min", "max"))
)

Read = Callable[[bytes], int]
"""Decodes a payload, and tells how many readings it had. Raises FormatError."""


class _TooLong(BaseException):
    """A payload has taken longer than it may."""


class _Changed(Exception):  # noqa: N818 - not an error of the decoder's own
    """A decoder has changed what it was given."""


@dataclass
class Figures:
    """What came of the payloads."""

    tried: int = 0
    accepted: int = 0
    refused: int = 0
    crashed: int = 0
    slow: int = 0
    wrong: int = 0
    slowest_ms: float = 0.0
    largest_readings: int = 0
    grown_mb: int = 0
    first_crash: str = ""

    def add(self, other: "Figures") -> None:
        """Take another count to this one."""
        for name in ("tried", "accepted", "refused", "crashed", "slow", "wrong"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("slowest_ms", "largest_readings", "grown_mb"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        self.first_crash = self.first_crash or other.first_crash


def fuzz(on_progress: OnProgress, *, payloads: int = 1_000_000) -> Row:
    """Both decoders."""
    busy = busy_payloads()
    parts = range(0, payloads, _JOB_PAYLOADS)
    jobs = [(seed, min(_JOB_PAYLOADS, payloads - done), busy) for seed, done in enumerate(parts)]
    return _row("uplink/fuzz", on_all_cores(attack, jobs, on_progress))


def fuzz_control(on_progress: OnProgress, *, payloads: int = 400) -> Row:
    """Compact batches at a decoder without bounds."""
    return _row(
        "uplink/fuzz-control", on_all_cores(attack_without_bounds, [(0, payloads, busy_payloads())], on_progress)
    )


def attack(seed: int, payloads: int, busy: tuple[bytes, ...]) -> Figures:
    """So many damaged payloads, half of each form, from a seed."""
    random = Random(f"fuzz/{seed}")
    compact, seeds = compact_reader(random)
    figures = _run(compact, seeds, busy, random, payloads // 2)
    figures.add(_run(_read_senml, senml_payloads(random), (), random, payloads - payloads // 2))
    return figures


def attack_without_bounds(seed: int, payloads: int, busy: tuple[bytes, ...]) -> Figures:
    """The same with compact batches alone, and a decoder whose bounds are taken away."""
    random = Random(f"fuzz/{seed}")
    compact, seeds = compact_reader(random)
    with without(_BOUNDS + _BOUNDS_OF_ENDS):
        return _run(compact, seeds, busy, random, payloads)


@contextmanager
def without(bounds: _Bounds) -> Iterator[None]:
    """Meanwhile compact batches are written and read without these limits."""
    with ExitStack() as patches:
        for module, bound in bounds:
            patches.enter_context(patch.object(module, bound, 1 << 60))
        yield


def busy_payloads() -> tuple[bytes, ...]:
    """Short batches that make much work: the most records that one may have; more of them; more readings in these;
    more parts of one record; and a number without end. Processes of their own make them, so that those in which memory
    is looked at have not used much before."""
    shapes = ((4096, 1), (20_000, 1), (500, 40), (1, 20_000))
    written = on_all_cores(busy_payload, shapes, silent)
    if max(map(len, written)) > _ONE_DATAGRAM:
        raise ValueError(f"batches of {[len(one) for one in written]} bytes do not come in one datagram")
    return (*written, written[0][:_HEAD_BYTES] + bytes(_ONE_DATAGRAM - _HEAD_BYTES))


def busy_payload(polls: int, ticks: int) -> bytes:
    """So many records of so many steady readings of a meter, without bounds."""

    def poll(number: int) -> Record:
        times_ms = (_NOW_MS + 10_000 * tick for tick in range(number * ticks, (number + 1) * ticks))
        readings = (Reading(f"meter/{point}", time_ms, 5, -1) for time_ms in times_ms for point in "abcd")
        return Record(number + 1, TELEMETRY, tuple(readings), _EPOCH)

    with without(_BOUNDS):
        records = [poll(number) for number in range(polls)]
        return encode_batch(records, _TABLE, epoch=_EPOCH, limit_bytes=1 << 20).payload


def compact_reader(random: Random) -> tuple[Read, list[bytes]]:
    """A reader that has the table and the states of a chain, and the batches of that chain."""
    states: dict[bytes, State] = {}
    payloads = []
    state: State | None = None
    sequence = 0
    for number in range(16):
        records = _records(random, sequence + 1, number)
        sequence += len(records)
        is_asked = number % 3 == 0
        encoded = encode_batch(
            records,
            _TABLE,
            state=state,
            epoch=_EPOCH,
            first_waiting=1 if is_asked else None,
            sent_ms=_NOW_MS if is_asked else None,
            qualities={(records[0].sequence, 0): 3} if number == 5 else {},
        )
        payloads.append(encoded.payload)
        state = encoded.state if number % 5 != 4 else None
        states[encoded.state.id] = encoded.state
    kept = {state_id: state.dump() for state_id, state in states.items()}

    def read(payload: bytes) -> int:
        decoded = decode_batch(payload, {_TABLE.digest: _TABLE}.get, states.get)
        before = states.get(payload[1:4])
        if before is not None and random.random() < 0.01 and before.dump() != kept[before.id]:
            raise _Changed
        return sum(record.readings for record in decoded.records)

    return read, payloads


def senml_payloads(random: Random) -> list[bytes]:
    """SenML messages of all kinds of records."""
    vectors = json.loads(_VECTORS.read_text(encoding="utf-8"))["messages"]
    made = []
    for number in range(8):
        by_class: dict[int, list[Record]] = {}
        for record in _records(random, 1, number):
            by_class.setdefault(record.record_class, []).append(record)
        units = {f"{device}/{point}": "W" for device in ("meter", "air") for point in "abcd"}
        made += [build_batch(records, _GATEWAY, units).payload for records in by_class.values()]
    return made + [bytes.fromhex(one["hex"]) for one in vectors]


def _read_senml(payload: bytes) -> int:
    return sum(len(record.items) for record in read_message(payload, _GATEWAY, _NOW_MS))


def _records(random: Random, first: int, number: int) -> list[Record]:
    """Polls of some minutes, and now and then something else."""
    records: list[Record] = []
    start_ms = _NOW_MS + 120_000 * number

    def add(record_class: int, content: tuple[Reading, ...] | Thinned | Event | CommandResult) -> None:
        records.append(Record(first + len(records), record_class, content, _EPOCH, random.random() < 0.95))

    for tick in range(12):
        time_ms = start_ms + 10_000 * tick + random.choice((0, 0, 0, 7, 1234))
        for every, device in enumerate(_DEVICES, 1):
            if tick % every == 0 and random.random() < 0.9:
                values = (random.choice((5, 5, 6, random.randrange(-400, 4000))) for _ in "abcd")
                add(TELEMETRY, tuple(Reading(f"{device}/{p}", time_ms, v, -1) for p, v in zip("abcd", values)))
    add(TELEMETRY, tuple(Reading("air/a", start_ms - 300_000, 50 + n, -1, k) for n, k in enumerate(("mean", "min"))))
    add(TELEMETRY, (Reading("new/point", start_ms, -(1 << 62), 3),))
    add(ALARM, Event("meter/a", "alarm", "above", start_ms + 1, random.random() < 0.5, 1 << 40))
    add(EVENT, Event("lamp", "event", "restarted", start_ms, None, None, "lamp-node", detail="watchdog \u2013 again"))
    add(RESULT, CommandResult("dim-7", random.choice(("confirmed", "failed")), "", start_ms, 40))
    windows = tuple(Window("air/a", start_ms + 60_000 * n, 60, -1, "sample", 3, 3 + n, 9 + n, 3) for n in range(3))
    add(THINNED[0], Thinned(windows, ((1, 5), (9, 9))))
    return records


def _run(read: Read, seeds: list[bytes], busy: tuple[bytes, ...], random: Random, payloads: int) -> Figures:
    """What comes of the seeds, of what keeps a reader busy, and of what is made of both, `payloads` in all."""
    figures = Figures()
    for payload in seeds:
        read(payload)
    size_before = _largest_mb()
    with _time_limit() as limited:
        for number in range(payloads):
            if number < len(busy):
                payload = busy[number]
            else:
                payload = mutated(random, seeds if not busy or random.randrange(_BUSY_EVERY) else list(busy))
            figures.tried += 1
            began = time.process_time()
            try:
                readings = limited(read, payload)
                figures.accepted += 1
                figures.largest_readings = max(figures.largest_readings, readings)
                figures.wrong += readings > _MOST_READINGS
            except FormatError:
                figures.refused += 1
            except _TooLong:
                figures.slow += 1
                figures.wrong += 1
            except _Changed:
                figures.wrong += 1
            except Exception as error:  # whatever else a decoder lets out is what is looked for
                figures.crashed += 1
                figures.first_crash = figures.first_crash or f"{type(error).__name__}: {error}: {payload.hex()}"
            figures.slowest_ms = max(figures.slowest_ms, (time.process_time() - began) * 1000)
    figures.grown_mb = _largest_mb() - size_before
    figures.wrong += figures.grown_mb > _MOST_GROWTH_MB
    return figures


def mutated(random: Random, seeds: list[bytes]) -> bytes:
    """One of the payloads with one to four things done to it."""
    payload = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        at = random.randrange(len(payload) + 1)
        kind = random.randrange(8)
        if kind == 0 and at < len(payload):
            payload[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(payload):
            payload[at] = random.choice(_INTERESTING)
        elif kind == 2 and at < len(payload):
            payload[at] = random.randrange(256)
        elif kind == 3:
            del payload[at:]
        elif kind == 4:
            del payload[at : at + random.randrange(1, 9)]
        elif kind == 5:
            payload[at:at] = random.randbytes(random.randrange(1, 9))
        elif kind == 6:
            other = random.choice(seeds)
            payload[at:] = other[random.randrange(len(other)) :]
        else:
            # Behind the head of a batch as well: then all zeros, or all ones, go the likelier way at every bit.
            at = random.choice((at, 4, _HEAD_BYTES))
            payload[at:] = bytes((random.choice(_INTERESTING),)) * random.randrange(1, _ONE_DATAGRAM)
    return bytes(payload)


@contextmanager
def _time_limit() -> Iterator[Callable[[Read, bytes], int]]:
    """What reads a payload and raises _TooLong when that takes too much processor time."""

    def too_long(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLong

    def limited(read: Read, payload: bytes) -> int:
        signal.setitimer(signal.ITIMER_VIRTUAL, _LONGEST_S)
        try:
            return read(payload)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    before = signal.signal(signal.SIGVTALRM, too_long)
    try:
        yield limited
    finally:
        signal.signal(signal.SIGVTALRM, before)


def _largest_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def _row(case: str, found: list[Figures]) -> Row:
    figures = Figures()
    for one in found:
        figures.add(one)
    return {
        "case": case,
        "tried": figures.tried,
        "survived": figures.accepted + figures.refused,
        "lost": 0,
        "duplicated": 0,
        "wrong": figures.wrong,
        "crashed": figures.crashed,
        "slow": figures.slow,
        "accepted": figures.accepted,
        "refused": figures.refused,
        "largest_readings": figures.largest_readings,
        "slowest_ms": round(figures.slowest_ms, 1),
        "grown_mb": figures.grown_mb,
        **({"first_crash": figures.first_crash} if figures.first_crash else {}),
    }


CASES = {"uplink/fuzz": fuzz, "uplink/fuzz-control": fuzz_control}

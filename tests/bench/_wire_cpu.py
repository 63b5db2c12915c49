"""Processor time and memory of writing and reading the batches of a day, apart from everything else.

The same records in the same batches as in a run, one after the other in this process; of several rounds the least
counts. Time is that of this process alone, so that others on the machine do not matter much.
"""

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from gateway_agent.compact import ChannelTable, State, decode_batch, encode_batch
from gateway_agent.journal import TELEMETRY, Record
from gateway_agent.journal.codec import split_poll
from gateway_agent.uplink.batches import PAYLOAD_BYTES, build_batch
from hardware.rig.platform_messages import read_message
from tests.bench._wire_agent import table_of
from tests.bench._wire_json import decode_json, encode_json
from tests.bench._wire_sent import GATEWAY
from tests.bench._wire_workload import Workload

ROUNDS, ROUNDS_OF_A_YEAR = 3, 1
_MANY_READINGS = 50_000
_EPOCH = 1
_TRACED_MS = 3 * 3_600_000
"""How much of a day the memory is looked at; that slows everything, and batches are all alike."""

Step = Callable[[], int]
"""Writes or reads all batches once, and returns how many there were."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor time for 1,000 readings, and the most bytes that were held at a time beyond what is given
    in: the batch's records for the writer, its payload for the reader."""

    encode_s_per_1000: float
    decode_s_per_1000: float
    encode_peak_bytes: int
    decode_peak_bytes: int


def measure(workload: Workload, mode: str, interval_ms: int) -> Cost:
    """Of the batches of `interval_ms`; `mode` is one of the benchmark's."""
    encode, decode = _MODES[mode](workload, interval_ms)
    some_encode, some_decode = _MODES[mode](workload.first(_TRACED_MS), interval_ms)
    rounds = ROUNDS if workload.readings <= _MANY_READINGS else ROUNDS_OF_A_YEAR
    return Cost(
        _least_s(encode, rounds) / workload.readings * 1000,
        _least_s(decode, rounds) / workload.readings * 1000,
        _peak_bytes(some_encode),
        _peak_bytes(some_decode),
    )


def _least_s(step: Step, rounds: int) -> float:
    found = []
    for _ in range(rounds):
        gc.collect()
        began = time.process_time()
        step()
        found.append(time.process_time() - began)
    return min(found)


def _peak_bytes(step: Step) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        step()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def _records(workload: Workload, interval_ms: int) -> list[list[Record]]:
    numbers = count(1)
    return [
        [Record(next(numbers), TELEMETRY, part, _EPOCH) for poll in polls for part in split_poll(poll.readings)]
        for polls in workload.batches(interval_ms)
    ]


def _compact(workload: Workload, interval_ms: int, *, is_chained: bool) -> tuple[Step, Step]:
    table, loads = table_of(workload), _records(workload, interval_ms)
    payloads: list[bytes] = [payload for payload, _ in _written(loads, table, is_chained)]

    def encode() -> int:
        return sum(1 for _ in _written(loads, table, is_chained))

    def decode() -> int:
        latest: list[State] = []
        for payload in payloads:
            latest[:] = [decode_batch(payload, lambda digest: table, lambda state_id: latest[0]).state]
        return len(payloads)

    return encode, decode


def _written(loads: list[list[Record]], table: ChannelTable, is_chained: bool) -> Iterator[tuple[bytes, State]]:
    state: State | None = None
    for records in loads:
        rest = records
        while rest:
            encoded = encode_batch(
                rest,
                table,
                state=state if is_chained else None,
                epoch=_EPOCH,
                sent_ms=rest[-1].content[-1].time_ms,  # type: ignore[index, union-attr]
                limit_bytes=PAYLOAD_BYTES,
            )
            state, rest = encoded.state, rest[encoded.count :]
            yield encoded.payload, encoded.state


def _senml(workload: Workload, interval_ms: int) -> tuple[Step, Step]:
    loads = _records(workload, interval_ms)
    units = {point: info.unit for point, info in workload.points.items()}

    def written() -> Iterator[bytes]:
        for records in loads:
            rest = records
            while rest:
                batch = build_batch(rest, GATEWAY, units, PAYLOAD_BYTES)
                rest = rest[len(batch.sequences) :]
                yield batch.payload

    payloads = list(written())

    def encode() -> int:
        return sum(1 for _ in written())

    def decode() -> int:
        return sum(1 for payload in payloads if read_message(payload, GATEWAY, workload.end_ms))

    return encode, decode


def _json(workload: Workload, interval_ms: int) -> tuple[Step, Step]:
    loads = workload.batches(interval_ms)
    payloads = [encode_json(polls) for polls in loads]

    def encode() -> int:
        return sum(1 for polls in loads if encode_json(polls))

    def decode() -> int:
        return sum(1 for payload in payloads if decode_json(payload, workload))

    return encode, decode


_MODES: dict[str, Callable[[Workload, int], tuple[Step, Step]]] = {
    "compact": lambda workload, interval_ms: _compact(workload, interval_ms, is_chained=True),
    "compact-self": lambda workload, interval_ms: _compact(workload, interval_ms, is_chained=False),
    "senml": _senml,
    "deflated-json": _json,
}

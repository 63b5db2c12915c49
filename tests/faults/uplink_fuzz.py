"""Bytes from strangers at the platform's decoders: compact batches and SenML, mutated, cut, lengthened, and pure noise.

Each payload must give records or a FormatError, within `_LONGEST_S` of processor time. `crashed` counts other
exceptions, `slow` payloads that took longer, `accepted` those that gave records (bytes that were changed may still say
something: OSCORE keeps them out). The control is a decoder without its bound of steps, and without the check of its
end: it must be slow or crash.
"""

import time
from collections.abc import Callable
from functools import partial
from random import Random

import cbor2

from gateway_agent.compact import State, decode_batch, encode_batch
from gateway_agent.journal import ALARM, TELEMETRY, Record
from gateway_agent.records import Event, Reading
from gateway_agent.uplink.batches import build_batch
from gateway_agent.uplink.errors import FormatError
from hardware.rig.platform_messages import read_message
from protocols import senml
from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._progress import OnProgress
from tests.gateway_agent.compact.test_batches import EPOCH, START_MS, TABLE

_JOBS = 64
_LONGEST_S = 0.5

Read = Callable[[bytes], object]


def fuzz(on_progress: OnProgress, *, payloads: int = 1_000_000) -> Row:
    """Both decoders."""
    jobs = [(seed, payloads // _JOBS, False) for seed in range(_JOBS)]
    return _row("uplink/fuzz", on_all_cores(attack, jobs, on_progress))


def fuzz_control(on_progress: OnProgress, *, payloads: int = 4000) -> Row:
    """A reader that trusts its library."""
    jobs = [(seed, payloads, True) for seed in (1, 2)]
    return _row("uplink/fuzz-control", on_all_cores(attack, jobs, on_progress))


def attack(seed: int, payloads: int, is_trusting: bool) -> tuple[int, int, int, int]:
    """(tried, accepted, crashed, slow) of payloads that were made from `seed`."""
    random = Random(seed)
    state, honest = _honest(random)
    if is_trusting:
        honest = [(is_senml, payload) for is_senml, payload in honest if is_senml]
    accepted = crashed = slow = 0
    for number in range(payloads):
        is_senml, original = random.choice(honest)
        read: Read = _read_trusting if is_trusting else _read_senml if is_senml else partial(_read_compact, state)
        began_s = time.thread_time()
        try:
            read(_mutated(random, original, is_far=number % 16 == 0))
            accepted += 1
        except (FormatError, cbor2.CBORDecodeError):
            pass
        except Exception:
            crashed += 1
        slow += time.thread_time() - began_s > _LONGEST_S
    return payloads, accepted, crashed, slow


def _honest(random: Random) -> tuple[State, list[tuple[bool, bytes]]]:
    """A state, and payloads that build on it or on nothing, of both kinds."""
    polls = [
        Record(
            number,
            TELEMETRY,
            tuple(
                Reading(channel.point, START_MS + 60_000 * number, random.randint(0, 300), channel.exponent)
                for channel in TABLE.channels[:4]
            ),
            EPOCH,
        )
        for number in range(1, 30)
    ]
    alarm = [Record(40, ALARM, Event("cover/open", "alarm", "opened", START_MS, True), EPOCH)]
    state = encode_batch(polls, TABLE, epoch=EPOCH).state
    compact = [
        encode_batch(records, TABLE, state=on, epoch=EPOCH, first_waiting=1, sent_ms=START_MS).payload
        for records in (polls, alarm, polls[:3])
        for on in (None, state)
    ]
    senml = [build_batch(records, "gp-1", {}).payload for records in (polls, alarm)]
    return state, [(False, payload) for payload in compact] + [(True, payload) for payload in senml]


def _mutated(random: Random, original: bytes, *, is_far: bool) -> bytes:
    data = bytearray(original)
    if is_far:
        # The head stays, so that the decoder is reached; the rest is noise, or all the likelier way.
        fill = random.choice((0, 255, None))
        data[9:] = (
            random.randbytes(random.randint(0, 1100)) if fill is None else bytes((fill,)) * random.randint(0, 1100)
        )
        return bytes(data)
    for _ in range(random.randint(1, 5)):
        data[random.randrange(len(data))] = random.randrange(256)
    if random.random() < 0.2:
        del data[random.randrange(len(data)) :]
    if random.random() < 0.1:
        data += random.randbytes(random.randint(1, 40))
    return bytes(data)


def _read_compact(state: State, payload: bytes) -> object:
    return decode_batch(payload, {TABLE.digest: TABLE}.get, {state.id: state}.get)


def _read_senml(payload: bytes) -> object:
    return read_message(payload, "gp-1", START_MS)


def _read_trusting(payload: bytes) -> object:
    name, time_s = "", 0
    found = []
    for fields in cbor2.loads(payload):
        name, time_s = fields.get(senml.BASE_NAME, name), fields.get(senml.BASE_TIME, time_s)
        found.append((name + fields[senml.NAME], time_s + fields.get(senml.TIME, 0)))
    return found


def _row(case: str, done: list[tuple[int, int, int, int]]) -> Row:
    tried, accepted, crashed, slow = (sum(column) for column in zip(*done, strict=True))
    return {
        "case": case,
        "tried": tried,
        "survived": tried - crashed - slow,
        "lost": 0,
        "duplicated": 0,
        "wrong": 0,
        "crashed": crashed,
        "slow": slow,
        "accepted": accepted,
    }


CASES = {"uplink/fuzz": fuzz, "uplink/fuzz-control": fuzz_control}

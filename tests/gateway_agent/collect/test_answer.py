"""Finding the answer among the bytes, and staying in step."""

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway_agent.collect.answer import diagnose, find_answer
from gateway_agent.collect.request import Fault, Read, Write
from gateway_agent.collect.step import Step
from protocols.crc import crc16
from tests.gateway_agent.collect.scripted import framed

units = st.integers(1, 255)
functions = st.sampled_from([3, 4])
asks = st.builds(Read, units, functions, st.integers(0, 0xFFFF), st.integers(1, 125))


def answer_to(ask: Read, values: bytes) -> bytes:
    return framed(ask.unit, ask.function, 2 * ask.count, *values[: 2 * ask.count].ljust(2 * ask.count, b"\0"))


@given(asks, st.binary(max_size=250), st.binary(max_size=8), st.binary(max_size=8))
def test_an_answer_is_found_whatever_noise_is_around_it(ask: Read, values: bytes, before: bytes, after: bytes) -> None:
    answer = answer_to(ask, values)
    found = find_answer(before + answer + after, ask)
    assert found is not None
    heard = (before + answer + after)[found.start : found.end]
    assert crc16(heard, 0, len(heard) - 2) == int.from_bytes(heard[-2:], "little")
    assert heard[0] == ask.unit
    assert found.is_exception or heard == answer or found.start < len(before)


@given(asks, st.binary(max_size=300))
def test_any_bytes_give_the_answer_or_nothing(ask: Read, heard: bytes) -> None:
    found = find_answer(heard, ask)
    if found is None:
        fault, detail = diagnose(heard, ask)
        assert (fault is Fault.SILENT) == (not heard)
        assert detail or not heard
    else:
        frame = heard[found.start : found.end]
        assert crc16(frame, 0, len(frame) - 2) == int.from_bytes(frame[-2:], "little")


@given(asks, asks, st.binary(max_size=250))
def test_the_answer_to_another_request_is_no_answer_unless_it_looks_the_same(
    ask: Read, other: Read, values: bytes
) -> None:
    assume((ask.unit, ask.function, ask.count) != (other.unit, other.function, other.count))
    assert find_answer(answer_to(other, values), ask) is None
    expected = (
        Fault.WRONG_UNIT
        if other.unit != ask.unit
        else Fault.WRONG_FUNCTION
        if other.function != ask.function
        else Fault.WRONG_COUNT
    )
    assert diagnose(answer_to(other, values), ask)[0] is expected


@given(asks, st.binary(max_size=250), st.data())
def test_a_part_of_an_answer_is_no_answer(ask: Read, values: bytes, data: st.DataObject) -> None:
    answer = answer_to(ask, values)
    keep = data.draw(st.integers(0, len(answer) - 1))
    found = find_answer(answer[:keep], ask)
    assert found is None or found.is_exception


def test_a_refusal_is_found_with_its_code() -> None:
    found = find_answer(b"\xff\x00" + framed(7, 0x83, 2), Read(7, 3, 0, 4))
    assert found is not None
    assert (found.start, found.end, found.is_exception) == (2, 7, True)


def test_the_echo_of_a_write_confirms_nothing() -> None:
    write = Write(7, 0x0060, 2, lambda _end_ms: [1, 2])
    echo = framed(7, 16, 0, 0x60, 0, 2, 4, 0, 1, 0, 2)
    assert find_answer(echo, write) is None
    assert find_answer(echo + framed(7, 16, 0, 0x60, 0, 2), write) is not None


@given(st.integers(1, 125), st.sets(st.integers(1, 125), max_size=20), st.lists(st.integers(1, 125), max_size=12))
def test_a_probe_never_asks_for_what_is_owed_as_long_as_there_is_another_length(
    count: int, planned: set[int], missed: list[int]
) -> None:
    step = Step(planned)
    for owed in missed:
        step.missed(owed)
    ask = Read(1, 3, 0, count)
    probe = step.probe(ask)
    possible = {*range(1, count), *([count + 1] if count < 125 else [])}
    owed_now = set(missed[-8:])
    assert probe.count != count
    assert probe.count in possible
    if possible - owed_now:
        assert probe.count not in owed_now
    if possible - owed_now - planned:
        assert probe.count not in planned


def test_a_probe_prefers_a_length_that_ends_between_two_values() -> None:
    assert Step({12}).probe(Read(1, 4, 0, 12), (2, 4, 6)).count == 2

"""The platform's answers: both directions, and bytes from strangers."""

from itertools import pairwise

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.records import Command
from gateway_agent.uplink.answer import (
    MAX_ANSWER_BYTES,
    MAX_COMMANDS,
    Answer,
    decode_answer,
    encode_answer,
    ranges,
)
from gateway_agent.uplink.errors import FormatError

words = st.from_regex(r"\A[a-z][a-z0-9_]{0,11}\Z")
commands = st.builds(
    Command,
    st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,11}\Z"),
    words,
    words,
    st.dictionaries(words, st.integers(-(2**31) + 1, 2**31 - 1), max_size=3),
    st.integers(0, 1 << 53),
)
answers = st.builds(
    Answer,
    st.lists(st.integers(1, 400), max_size=60).map(ranges),
    st.integers(0, 1 << 53),
    st.lists(commands, max_size=MAX_COMMANDS).map(tuple),
)


@given(answers)
def test_an_answer_comes_back(answer: Answer) -> None:
    data = encode_answer(answer)
    if len(data) <= MAX_ANSWER_BYTES:
        assert decode_answer(data) == answer


@given(st.lists(st.integers(1, 60)))
def test_ranges_hold_exactly_their_sequences(sequences: list[int]) -> None:
    spans = ranges(sequences)
    assert sorted({number for first, last in spans for number in range(first, last + 1)}) == sorted(set(sequences))
    assert all(one[1] + 1 < other[0] for one, other in pairwise(spans))


@given(st.binary(max_size=80))
def test_any_bytes_give_an_answer_or_a_format_error(data: bytes) -> None:
    try:
        decode_answer(data)
    except FormatError:
        return


@given(answers, st.data())
def test_a_changed_byte_gives_an_answer_or_a_format_error(answer: Answer, data: st.DataObject) -> None:
    message = bytearray(encode_answer(answer))
    message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_answer(bytes(message))
    except FormatError:
        return


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {2: -1},
        {5: [1 << 16]},
        {6: [b""]},
        {6: ["ab"]},
        {7: [["update", b"1"]]},
        {7: [["Update", b"1", 1]]},
        {2: 1.5},
        {2: True},
        {1: [[0, 1]], 2: 1},
        {1: [[5, 4]], 2: 1},
        {1: [[1, 4], [4, 5]], 2: 1},
        {1: [[1, 1 << 63]], 2: 1},
        {1: [[1]], 2: 1},
        {1: 7, 2: 1},
        {2: 1, 3: [["c", "lamp", "node", {}]]},
        {2: 1, 3: [["c c", "lamp", "node", {}, 0]]},
        {2: 1, 3: [["c", "Lamp", "node", {}, 0]]},
        {2: 1, 3: [["c", "lamp", "node", {"level_pct": 1.0}, 0]]},
        {2: 1, 3: [["c", "lamp", "node", {"level_pct": 1 << 31}, 0]]},
        {2: 1, 3: [["c", "lamp", "node", {1: 1}, 0]]},
        {2: 1, 3: [["c", "lamp", "node", [], 0]]},
        {2: 1, 3: [["c", "lamp", "node", {}, -1]]},
        {2: 1, 3: [["c", "lamp", "node", {}, 0]] * 9},
    ],
)
def test_an_answer_with_a_wrong_field_is_refused(fields: object) -> None:
    with pytest.raises(FormatError):
        decode_answer(cbor2.dumps(fields))


def test_fields_of_a_later_platform_are_passed_over() -> None:
    assert decode_answer(cbor2.dumps({1: [[1, 2]], 2: 5, 9: "more"})) == Answer(((1, 2),), 5)


def test_a_command_id_is_short_and_plain() -> None:
    def message(command_id: str) -> bytes:
        return encode_answer(Answer((), 5, (Command(command_id, "lamp", "street_lamp"),)))

    assert decode_answer(message("dim-7.a_B")).commands[0].id == "dim-7.a_B"
    for wrong in ("", "-a", "a b", "ä", "a" * 33, "a\n"):
        with pytest.raises(FormatError, match="a command's id"):
            decode_answer(message(wrong))

"""RTU frames: the golden vectors, and what must hold for any bytes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import errors, modbus, rtu, rtu_check

VECTORS = json.loads((Path(__file__).parents[2] / "protocols/vectors/rtu.json").read_text())

units = st.integers(modbus.MIN_UNIT, modbus.MAX_UNIT)
functions = st.sampled_from((modbus.READ_HOLDING_REGISTERS, modbus.READ_INPUT_REGISTERS))
registers = st.integers(0, 0xFFFF)
register_lists = st.lists(registers, min_size=1, max_size=modbus.MAX_READ_REGISTERS)


def built(case: dict[str, Any]) -> bytes:
    buffer = bytearray(modbus.MAX_FRAME_BYTES)
    if case["kind"] == "read":
        length = rtu.build_read(buffer, case["unit"], case["function"], case["address"], case["count"])
    elif case["kind"] == "write_single":
        length = rtu.build_write_single(buffer, case["unit"], case["address"], case["value"])
    else:
        values = case["registers"]
        length = rtu.build_write_multiple(buffer, case["unit"], case["address"], values, len(values))
    return bytes(buffer[:length])


def read_request(unit: int, function: int, address: int, count: int) -> bytes:
    return built({"kind": "read", "unit": unit, "function": function, "address": address, "count": count})


def read_answer(unit: int, function: int, values: list[int]) -> bytes:
    buffer = bytearray(modbus.MAX_FRAME_BYTES)
    at = rtu.begin_read_answer(buffer, unit, function, len(values))
    for value in values:
        rtu.put_u16(buffer, at, value)
        at += 2
    return bytes(buffer[: rtu.seal(buffer, at)])


def reason_of(frame: bytes, request: bytes) -> int:
    try:
        rtu_check.check_answer(frame, 0, len(frame), request)
    except errors.WireError as error:
        return error.reason
    return 0


@pytest.mark.parametrize("case", VECTORS["requests"], ids=lambda case: case["name"])
def test_requests_are_built_as_the_vectors_say(case: dict[str, Any]) -> None:
    assert built(case).hex() == case["frame"]


@pytest.mark.parametrize("case", VECTORS["answers"], ids=lambda case: case["name"])
def test_good_answers_are_found_and_read(case: dict[str, Any]) -> None:
    request, frame = bytes.fromhex(case["request"]), bytes.fromhex(case["frame"])
    assert rtu.find_answer(frame, len(frame), request) == 0
    assert rtu.exception_code(frame, 0) == case.get("exception", 0)
    for index, value in enumerate(case.get("registers", [])):
        assert rtu.get_u16(frame, rtu.ANSWER_DATA_AT + 2 * index) == value


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["name"])
def test_wrong_answers_are_refused_with_their_reason(case: dict[str, Any]) -> None:
    request, frame = bytes.fromhex(case["request"]), bytes.fromhex(case["frame"])
    assert errors.NAMES[reason_of(frame, request)] == case["reason"]
    if case["reason"] != "EXCEPTION":
        assert rtu.find_answer(frame, len(frame), request) == rtu.NOT_FOUND


@given(units, functions, registers, register_lists, st.binary(max_size=20))
def test_an_answer_is_found_behind_any_noise(
    unit: int, function: int, address: int, values: list[int], noise: bytes
) -> None:
    request = read_request(unit, function, address, len(values))
    burst = noise + read_answer(unit, function, values)
    start = rtu.find_answer(burst, len(burst), request)
    assert start == len(noise)
    assert [rtu.get_u16(burst, start + 3 + 2 * index) for index in range(len(values))] == values


@given(units, functions, registers, register_lists, st.data())
def test_a_flipped_bit_is_never_read(
    unit: int, function: int, address: int, values: list[int], data: st.DataObject
) -> None:
    request = read_request(unit, function, address, len(values))
    frame = bytearray(read_answer(unit, function, values))
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << (bit % 8)
    assert rtu.find_answer(frame, len(frame), request) == rtu.NOT_FOUND
    assert reason_of(bytes(frame), request) != 0


@given(units, functions, st.integers(1, 125), st.binary(max_size=600))
@settings(max_examples=300)
def test_any_bytes_give_an_answer_or_a_reason(unit: int, function: int, count: int, junk: bytes) -> None:
    request = read_request(unit, function, 0, count)
    assert reason_of(junk, request) in range(len(errors.NAMES))
    start = rtu.find_answer(junk, len(junk), request)
    assert start == rtu.NOT_FOUND or rtu.is_sealed(junk, start, start + rtu.answer_length(request))


@given(units, registers, registers, st.binary(max_size=4))
def test_a_write_is_confirmed_by_its_own_echo_alone(unit: int, address: int, value: int, noise: bytes) -> None:
    request = built({"kind": "write_single", "unit": unit, "address": address, "value": value})
    other = built({"kind": "write_single", "unit": unit, "address": address, "value": value ^ 1})
    assert rtu.find_answer(noise + request, len(noise) + len(request), request) == len(noise)
    assert rtu.find_answer(noise + other, len(noise) + len(other), request) == rtu.NOT_FOUND


@given(units, functions, registers, st.integers(1, 125), st.binary(max_size=40), st.binary(max_size=3))
def test_the_server_finds_a_request_that_ends_a_burst(
    unit: int, function: int, address: int, count: int, before: bytes, after: bytes
) -> None:
    request = read_request(unit, function, address, count)
    burst = before + request + after
    start = rtu.find_request(burst, len(burst), unit)
    assert burst[start : start + len(request)] == request


@given(units, st.lists(registers, min_size=1, max_size=123), registers)
def test_the_server_reads_back_what_a_client_writes(unit: int, values: list[int], address: int) -> None:
    frame = built({"kind": "write_multiple", "unit": unit, "address": address, "registers": values})
    assert rtu.find_request(frame, len(frame), unit) == 0
    assert rtu.request_length(frame, 0, len(frame)) == len(frame)
    assert rtu.is_count_consistent(frame, 0)
    assert rtu.get_u16(frame, 2) == address
    assert [rtu.get_u16(frame, rtu.WRITE_DATA_AT + 2 * index) for index in range(len(values))] == values


@given(units, st.binary(max_size=600))
@settings(max_examples=300)
def test_any_burst_gives_a_sealed_request_or_none(unit: int, junk: bytes) -> None:
    start = rtu.find_request(junk, len(junk), unit)
    if start == rtu.NOT_FOUND:
        return
    assert junk[start] in (unit, modbus.BROADCAST_UNIT)
    length = rtu.request_length(junk, start, len(junk))
    end = len(junk) if length == rtu.UNKNOWN_FUNCTION else start + length
    assert rtu.is_sealed(junk, start, end)


def test_a_request_to_another_unit_is_not_ours() -> None:
    frame = read_request(5, 3, 0, 10)
    assert rtu.find_request(frame, len(frame), 6) == rtu.NOT_FOUND


def test_an_unknown_function_is_found_by_its_crc() -> None:
    buffer = bytearray((9, 0x2B, 0x0E, 1, 0, 0, 0))
    frame = bytes(buffer[: rtu.seal(buffer, 5)])
    assert rtu.find_request(frame, len(frame), 9) == 0
    assert rtu.request_length(frame, 0, len(frame)) == rtu.UNKNOWN_FUNCTION


def test_times_on_the_line_follow_the_settings() -> None:
    assert rtu.character_us(9600, False, 1) == 1042
    assert rtu.character_us(9600, True, 1) == 1146
    assert rtu.silence_us(9600) == 4011
    assert rtu.silence_us(2400) == 16042
    assert rtu.silence_us(115200) == 1750

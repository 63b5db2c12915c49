"""The node table: what its reader gives, and that no table and no answer leads it astray."""

import binascii
import json
import struct
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.rig.machine import package_files, run_script
from protocols import errors, node_table, quality
from protocols import node_table_layout as layout
from protocols.node_table_writer import NodeTableWriter
from tests.protocols.example_node_table import answer, example_table, gas_answer, meter_answer, outcome

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "protocols/vectors/node-table.json").read_text(encoding="utf-8"))
TABLE = example_table()
GOOD, INVALID, RANGE, WARMING_UP, FAULT = 0, 4, 5, 6, 8


def float_words(value: float) -> tuple[int, int]:
    high, low = struct.unpack(">2H", struct.pack(">f", value))
    return high, low


def test_the_head_tells_counts_and_line() -> None:
    node_table.check(TABLE)
    assert node_table.device_count(TABLE) == 3
    assert node_table.request_count(TABLE) == 2
    assert node_table.slot_count(TABLE) == 14
    assert (node_table.baud(TABLE), node_table.parity(TABLE), node_table.stop_bits(TABLE)) == (9600, 1, 2)
    assert int.from_bytes(TABLE[8:12], "big") == binascii.crc32(TABLE[12:])
    assert int.from_bytes(TABLE[4:8], "big") == len(TABLE)


def test_a_device_tells_its_timing_requests_and_slots() -> None:
    assert node_table.device_unit(TABLE, 1) == 9
    assert node_table.device_period_ms(TABLE, 1) == 60000
    assert node_table.device_reply_timeout_ms(TABLE, 1) == 300
    assert node_table.device_gap_ms(TABLE, 1) == 50
    assert node_table.device_retries(TABLE, 1) == 1
    assert node_table.device_warm_up_s(TABLE, 1) == 30
    assert node_table.device_zero_tries(TABLE, 1) == 5
    assert node_table.device_zero_wait_ms(TABLE, 1) == 2000
    requests = [
        (node_table.device_first_request(TABLE, device), node_table.device_request_count(TABLE, device))
        for device in range(3)
    ]
    slots = [
        (node_table.device_first_slot(TABLE, device), node_table.device_slot_count(TABLE, device))
        for device in range(3)
    ]
    assert requests == [(0, 1), (1, 1), (2, 0)]
    assert slots == [(0, 11), (11, 1), (12, 2)]


def test_a_request_tells_whom_and_what_to_ask() -> None:
    assert node_table.request_device(TABLE, 1) == 1
    assert node_table.request_unit(TABLE, 1) == 10
    assert node_table.request_function(TABLE, 0) == 4
    assert node_table.request_address(TABLE, 0) == 0x0100
    assert node_table.request_registers(TABLE, 0) == 20
    assert (node_table.request_first_slot(TABLE, 1), node_table.request_slot_count(TABLE, 1)) == (11, 1)


def test_a_slot_tells_its_kind() -> None:
    assert [node_table.slot_type(TABLE, slot) for slot in (0, 4, 11, 12)] == [
        layout.U16,
        layout.F32,
        layout.BITS,
        layout.PIN,
    ]
    assert node_table.slot_exponent(TABLE, 10) == -6
    assert (node_table.slot_pin(TABLE, 12), node_table.slot_debounce_ms(TABLE, 12)) == (32, 50)
    assert node_table.slot_flags(TABLE, 12) == layout.ACTIVE_HIGH | layout.ALARM | layout.PULL_UP
    assert node_table.slot_flags(TABLE, 13) == layout.PULL_DOWN
    assert (node_table.slot_device(TABLE, 13), node_table.slot_request(TABLE, 13)) == (2, layout.NONE)


def test_the_lamp_tells_where_to_write_and_its_curve() -> None:
    assert node_table.lamp_present(TABLE)
    assert node_table.lamp_device(TABLE) == 0
    assert (node_table.lamp_write_unit(TABLE), node_table.lamp_write_function(TABLE)) == (7, 6)
    assert (node_table.lamp_write_address(TABLE), node_table.lamp_read_address(TABLE)) == (3000, 3004)
    assert (node_table.lamp_read_unit(TABLE), node_table.lamp_read_function(TABLE)) == (7, 3)
    assert (node_table.lamp_read_slot(TABLE), node_table.lamp_settle_ms(TABLE)) == (0, 500)
    assert [node_table.lamp_value(TABLE, level) for level in (0, 1, 50, 99, 100)] == [0, 2, 100, 198, 199]


def test_a_drivers_value_is_the_nearest_level_and_the_commanded_one_where_it_fits() -> None:
    assert node_table.lamp_level(TABLE, 100, 0) == 50
    assert node_table.lamp_level(TABLE, 101, 0) == 51  # half way: the brighter one
    assert node_table.lamp_level(TABLE, 255, 0) == 100
    writer = NodeTableWriter()
    writer.add_device(1000, unit=1)
    writer.add_request(1, 3, 0, 1)
    writer.add_point("u16", 0, 0, 254)
    writer.set_lamp(0, 1, 6, 0, 0, 1, 3, 0, 0, (0, *[100] * 50, *[254] * 50))
    flat = writer.table()
    node_table.check(flat)
    assert [node_table.lamp_level(flat, 100, level) for level in (20, 0, 80)] == [20, 50, 50]


def test_a_table_without_a_lamp_says_so() -> None:
    table = NodeTableWriter().table()
    node_table.check(table)
    assert not node_table.lamp_present(table)
    assert (node_table.baud(table), node_table.slot_count(table)) == (0, 0)


# slot, answer, (value, quality, ask again)
READINGS = [
    (0, meter_answer(r0=2304), (2304, GOOD, False)),
    (0, meter_answer(r0=2601), (0, RANGE, False)),
    (0, meter_answer(r0=0xFFFF), (0, INVALID, False)),
    (1, meter_answer(r1=0x10000 - 125), (-125, GOOD, False)),
    (1, meter_answer(r1=0x10000 - 401), (0, RANGE, False)),
    (1, meter_answer(r1=0x7FFF), (0, INVALID, False)),
    (1, meter_answer(r1=0x8000), (0, INVALID, False)),
    (2, meter_answer(r2=0x86A0, r3=1), (100000, GOOD, False)),
    (2, meter_answer(r2=0xFFFF, r3=0x7FFF), (2**31 - 1, GOOD, False)),
    (2, meter_answer(r2=0, r3=0x8000), (0, RANGE, False)),
    (3, meter_answer(r4=0xFFFF, r5=0xFFFE), (-2, GOOD, False)),
    (3, meter_answer(r4=0x8000, r5=0), (-(2**31), GOOD, False)),
    (4, meter_answer(r6=float_words(230.456)[0], r7=float_words(230.456)[1]), (23046, GOOD, False)),
    (4, meter_answer(r6=0x7FC0), (0, INVALID, False)),
    (4, meter_answer(r6=0xFF80), (0, INVALID, False)),
    (4, meter_answer(r6=float_words(1e30)[0], r7=float_words(1e30)[1]), (0, RANGE, False)),
    (4, meter_answer(r6=float_words(10000.02)[0], r7=float_words(10000.02)[1]), (0, RANGE, False)),
    (5, meter_answer(r9=1, r10=2), (65538, GOOD, False)),
    (5, meter_answer(r8=1), (0, RANGE, False)),
    (5, meter_answer(r8=0xFFFF, r9=0xFFFF, r10=0xFFFF), (0, INVALID, False)),
    (6, meter_answer(r11=2, r12=1), (65538, GOOD, False)),
    (6, meter_answer(r13=1), (0, RANGE, False)),
    (6, meter_answer(r14=0x8000), (0, RANGE, False)),
    (7, meter_answer(r15=8), (0, GOOD, False)),
    (7, meter_answer(r15=7), (1, GOOD, False)),
    (8, meter_answer(r16=431), (431, GOOD, False)),
    (8, meter_answer(r16=0), (0, INVALID, True)),
    (9, meter_answer(r17=0), (-4000, GOOD, False)),
    (9, meter_answer(r17=65535), (0, RANGE, False)),
    (10, meter_answer(r18=float_words(0.000123)[1], r19=float_words(0.000123)[0]), (123, GOOD, False)),
    (11, gas_answer(2, 4, 377, 1), (377, GOOD, False)),
    (11, gas_answer(2, 0, 37, 4), (370, GOOD, False)),
    (11, gas_answer(2, 8, 3775, 1), (378, GOOD, False)),
    (11, gas_answer(4, 12, 0x10001, 1), (65537, GOOD, False)),
    (11, gas_answer(4, 0, 0x3FFFF, 1), (0, RANGE, False)),
    (11, gas_answer(2, 4, 377, 0), (0, WARMING_UP, False)),
    (11, gas_answer(2, 4, 377, 3), (0, FAULT, False)),
    (11, gas_answer(0, 4, 377, 1), (0, INVALID, False)),
    (11, gas_answer(2, 5, 377, 1), (0, INVALID, False)),
]


@pytest.mark.parametrize(("slot", "registers", "expected"), READINGS)
def test_an_answer_gives_value_and_quality(slot: int, registers: bytes, expected: tuple[int, int, bool]) -> None:
    assert outcome(TABLE, slot, registers) == expected


def test_the_golden_table_is_the_example() -> None:
    assert bytes.fromhex(VECTORS["table"]) == TABLE
    assert VECTORS["digest"] == int.from_bytes(TABLE[8:12], "big")


@pytest.mark.parametrize("case", VECTORS["readings"])
def test_reading_vectors(case: dict[str, Any]) -> None:
    expected = (case["value"], quality.NAMES.index(case["quality"]), case["again"])
    assert outcome(TABLE, case["slot"], bytes.fromhex(case["registers"])) == expected


@pytest.mark.parametrize("case", VECTORS["refused"])
def test_refused_vectors(case: dict[str, Any]) -> None:
    with pytest.raises(errors.WireError) as caught:
        node_table.check(bytes.fromhex(case["table"]))
    assert errors.NAMES[caught.value.reason] == case["reason"]


def with_digest(table: bytes) -> bytes:
    return table[:8] + binascii.crc32(table[12:]).to_bytes(4, "big") + table[12:]


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"", errors.SHORT),
        (TABLE[:39], errors.SHORT),
        (b"GPT2" + TABLE[4:], errors.VERSION),
        (with_digest(TABLE[:12] + b"\x01" + TABLE[13:]), errors.VERSION),
        (TABLE[:-1], errors.LENGTH),
        (TABLE + b"\x00", errors.LENGTH),
        (TABLE[:-1] + bytes([TABLE[-1] ^ 1]), errors.CRC),
        (TABLE[:20] + bytes([TABLE[20] ^ 1]) + TABLE[21:], errors.CRC),
        (with_digest(TABLE[:13] + b"\xff" + TABLE[14:]), errors.VALUE),
        (with_digest(TABLE[:15] + b"\x81" + TABLE[16:]), errors.VALUE),
        (with_digest(TABLE[:20] + b"\x03" + TABLE[21:]), errors.VALUE),
        (with_digest(TABLE[:21] + b"\x00" + TABLE[22:]), errors.VALUE),
        (with_digest(TABLE[:16] + b"\x00\x01\xc2\x01" + TABLE[20:]), errors.VALUE),
        (with_digest(TABLE[:40] + bytes(4) + TABLE[44:]), errors.VALUE),
        (with_digest(TABLE[:44] + b"\x03" + TABLE[45:]), errors.VALUE),
        (with_digest(TABLE[:22] + b"\xff\xff" + TABLE[24:]), errors.VALUE),
    ],
)
def test_a_damaged_table_is_refused_with_the_reason(damaged: bytes, reason: int) -> None:
    with pytest.raises(errors.WireError) as caught:
        node_table.check(damaged)
    assert caught.value.reason == reason


def read_all(table: bytes, fill: int) -> None:
    """Use everything in a table as a node does; an IndexError would be a fault of `check`."""
    count = node_table.slot_count(table)
    values, qualities = array("i", [0] * count), bytearray(count)
    for request in range(node_table.request_count(table)):
        registers = bytes([fill]) * (2 * node_table.request_registers(table, request))
        first = node_table.request_first_slot(table, request)
        for slot in range(first, first + node_table.request_slot_count(table, request)):
            node_table.decode_point(table, slot, registers, 0, values, qualities)
            assert qualities[slot] < len(quality.NAMES)
    if node_table.lamp_present(table):
        for level in (0, 50, 100):
            node_table.lamp_level(table, node_table.lamp_value(table, level), level)


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(12, len(TABLE) - 1), st.integers(0, 255)), max_size=6), st.integers(0, 255))
def test_no_table_that_passes_the_check_leads_the_reader_astray(changes: list[tuple[int, int]], fill: int) -> None:
    table = bytearray(TABLE)
    for at, value in changes:
        table[at] = value
    changed = with_digest(bytes(table))
    try:
        node_table.check(changed)
    except errors.WireError:
        return
    read_all(changed, fill)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_wire_error(data: bytes) -> None:
    try:
        node_table.check(data)
    except errors.WireError:
        return
    read_all(data, 0x55)


@given(st.binary(min_size=40, max_size=40), st.binary(min_size=12, max_size=12))
def test_any_answer_gives_a_value_in_range_or_a_reason(meter: bytes, gas: bytes) -> None:
    for slot in range(12):
        value, reason, again = outcome(TABLE, slot, meter if slot < 11 else gas)
        assert reason in (GOOD, INVALID, RANGE, WARMING_UP, FAULT)
        assert value == 0 or reason == GOOD
        assert not again or (slot == 8 and reason == INVALID)


def test_the_writer_refuses_what_does_not_fit() -> None:
    writer = NodeTableWriter()
    with pytest.raises(ValueError, match="period_ms"):
        writer.add_device(1 << 32)
    writer.add_device(1000, unit=1)
    writer.add_request(1, 3, 0, 1)
    with pytest.raises(ValueError, match="byte with sign"):
        writer.add_point("u16", -200, 0, 1)
    with pytest.raises(ValueError, match="101 values"):
        writer.set_lamp(0, 1, 6, 0, 0, 1, 3, 0, 0, (1, 2))
    for _ in range(129):
        writer.add_pin(4, True, "none", 0, False)
    with pytest.raises(ValueError, match="129 points, but a node has 128 slots"):
        writer.table()


def test_equal_parts_lookups_and_sentinels_are_stored_once() -> None:
    def table_of(points: int) -> bytes:
        writer = NodeTableWriter()
        writer.add_device(1000, unit=1)
        writer.add_request(1, 3, 0, 6)
        for _ in range(points):
            status = writer.lookup(5, 0, 8, {0: 6, 1: 0}, 8)
            writer.add_point("bits", 0, 0, 9, parts=((0, 6, 2), (1, 0, 16)), sentinels=(5,), status=status)
        return writer.table()

    assert len(table_of(4)) - len(table_of(1)) == 3 * layout.POINT_BYTES


SCRIPT = """
import json
from array import array
from binascii import unhexlify
from protocols import errors, node_table, quality

with open("node-table.json") as file:
    vectors = json.load(file)
table = unhexlify(vectors["table"])
node_table.check(table)
count = node_table.slot_count(table)
values, qualities = array("i", [0] * count), bytearray(count)
checked = 0
for case in vectors["readings"]:
    slot = case["slot"]
    again = node_table.decode_point(table, slot, unhexlify(case["registers"]), 0, values, qualities)
    wanted = (case["value"], case["quality"], case["again"])
    assert (values[slot], quality.NAMES[qualities[slot]], again) == wanted, case
    checked += 1
for case in vectors["refused"]:
    try:
        node_table.check(unhexlify(case["table"]))
        assert False, case
    except errors.WireError as error:
        assert errors.NAMES[error.reason] == case["reason"], (case, error.reason)
    checked += 1
print(checked)
"""

HEAP_SCRIPT = """
import gc, json
from array import array
from binascii import unhexlify
from protocols import node_table

with open("node-table.json") as file:
    vectors = json.load(file)
table = unhexlify(vectors["table"])
cases = [(case["slot"], unhexlify(case["registers"])) for case in vectors["readings"] if abs(case["value"]) < 1 << 30]
count = node_table.slot_count(table)
values, qualities = array("i", [0] * count), bytearray(count)


def work():
    for slot, registers in cases:
        node_table.decode_point(table, slot, registers, 0, values, qualities)
    for device in range(node_table.device_count(table)):
        node_table.device_period_ms(table, device)
        node_table.device_reply_timeout_ms(table, device)
    for request in range(node_table.request_count(table)):
        node_table.request_address(table, request)
    node_table.lamp_level(table, node_table.lamp_value(table, 50), 30)


work()
before = 0
gc.collect()
gc.disable()
before = gc.mem_alloc()
for _ in range(200):
    work()
print(len(cases), gc.mem_alloc() - before)
"""


def micropython_files() -> dict[str, str | bytes]:
    files = package_files(ROOT / "protocols", "protocols")
    files["node-table.json"] = json.dumps(VECTORS)
    return files


def test_the_vectors_hold_under_micropython() -> None:
    count = len(VECTORS["readings"]) + len(VECTORS["refused"])
    assert run_script(micropython_files(), SCRIPT).split() == [str(count)]


def test_polling_allocates_nothing_under_micropython() -> None:
    cases, allocated = run_script(micropython_files(), HEAP_SCRIPT).split()
    assert int(cases) > 30
    assert int(allocated) == 0


def test_the_answers_of_this_file_are_the_vectors() -> None:
    assert answer(1, 0xFFFF) == b"\x00\x01\xff\xff"
    written = [
        {
            "slot": slot,
            "registers": registers.hex(),
            "value": value,
            "quality": quality.NAMES[reason],
            "again": again,
        }
        for slot, registers, (value, reason, again) in READINGS
    ]
    assert VECTORS["readings"] == written

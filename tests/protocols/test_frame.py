"""Frames of serial sensors: found among any bytes, read as the public sources say, under both interpreters."""

import json
from array import array
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.profiles import load_profile, profile_names
from hardware.rig.machine import package_files, run_script
from hardware.rig.serial_sensor import SerialSensor
from protocols import frame, nmea, node_table, quality
from protocols import node_table_layout as layout
from tests.firmware.sensor_tables import pole_of, table_and_slots

ROOT = Path(__file__).parents[2]
VECTORS: list[dict[str, Any]] = json.loads((ROOT / "protocols/vectors/frames.json").read_text())["frames"]
SENSORS = [name for name in profile_names() if load_profile(name).frame is not None]
BINARY = [name for name in SENSORS if name != "nmea-gnss"]

READER = """
def read_frame(table, slots, data):
    values = array("i", [77] * node_table.slot_count(table))
    qualities = bytearray([quality.NEVER] * node_table.slot_count(table))
    found = {}
    for number in range(node_table.frame_count(table)):
        at = frame.frame_at(table, number)
        start = frame.find(table, at, data, len(data))
        if start < 0:
            continue
        for name, slot in slots.items():
            if node_table.request_address(table, node_table.slot_request(table, slot)) != number:
                continue
            if table[at] == layout.SENTENCE:
                nmea.decode_field(table, slot, at, data, start, values, qualities)
            else:
                begin = start + table[at + layout.FRAME_ORIGIN]
                node_table.decode_point(table, slot, data, begin, values, qualities)
            found[name] = (values[slot], quality.NAMES[qualities[slot]])
    return found
"""
SCOPE: dict[str, Any] = {
    "array": array, "frame": frame, "layout": layout, "nmea": nmea, "node_table": node_table, "quality": quality,
}  # fmt: skip
exec(READER, SCOPE)
read_frame = SCOPE["read_frame"]


@cache
def table_of(profile: str, checksum_first: int = 0) -> tuple[bytes, dict[str, int]]:
    options = {"checksum_first": checksum_first} if profile == "jsn-sr04t" else {}
    table, slots = table_and_slots(pole_of((profile, options)))
    node_table.check(table)
    return table, slots


def case_table(case: dict[str, Any]) -> tuple[bytes, dict[str, int]]:
    return table_of(case["profile"], case.get("options", {}).get("checksum_first", 0))


def expected(case: dict[str, Any]) -> dict[str, list[Any]]:
    good = {name: [value, "good"] for name, value in case["values"].items()}
    return good | {name: [0, reason] for name, reason in case.get("qualities", {}).items()}


@pytest.mark.parametrize("case", VECTORS)
def test_published_frames(case: dict[str, Any]) -> None:
    table, slots = case_table(case)
    data = bytes.fromhex(case["frame"])
    found = read_frame(table, slots, data)
    wanted = expected(case)
    assert {name: list(found[name]) for name in wanted} == wanted
    noisy = b"\x00\xffBM$G" + data[:3] + data + data[:2]
    assert read_frame(table, slots, noisy) == found


@pytest.mark.parametrize("case", VECTORS)
def test_no_frame_is_seen_before_it_is_whole_nor_with_a_wrong_byte(case: dict[str, Any]) -> None:
    table, _slots = case_table(case)
    data = bytes.fromhex(case["frame"]).removesuffix(b"\r\n")
    for number in range(node_table.frame_count(table)):
        at = frame.frame_at(table, number)
        if frame.find(table, at, data, len(data)) < 0:
            continue
        for have in range(len(data)):
            missing = -frame.find(table, at, data, have)
            assert 0 < missing <= table[at + layout.FRAME_MOST]
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 0x01
            found = frame.find(table, at, changed, len(changed))
            # Only a byte that the checksum leaves out may go unseen.
            assert found != 0 or not is_checked(table, at, place)


def is_checked(table: bytes, at: int, place: int) -> bool:
    """Whether a byte takes part in sync, length, checksum, tail, or the sentence."""
    if table[at] == layout.SENTENCE or place < table[at + layout.FRAME_SYNC_COUNT]:
        return True
    return place >= table[at + layout.FRAME_CHECK_FROM]


def test_the_vectors_hold_under_micropython() -> None:
    files = package_files(ROOT / "protocols", "protocols")
    cases = []
    for number, case in enumerate(VECTORS):
        table, slots = case_table(case)
        files[f"{number}.tab"] = table
        cases.append({"slots": slots, "frame": case["frame"], "wanted": expected(case)})
    files["cases.json"] = json.dumps(cases)
    script = f"""
import gc, json
from array import array
from binascii import unhexlify
from protocols import frame, nmea, node_table, quality
from protocols import node_table_layout as layout
{READER}
with open("cases.json") as file:
    cases = json.load(file)
work = []
for number in range(len(cases)):
    with open("%d.tab" % number, "rb") as file:
        table = file.read()
    node_table.check(table)
    data = unhexlify(cases[number]["frame"])
    found = read_frame(table, cases[number]["slots"], data)
    for name, wanted in cases[number]["wanted"].items():
        assert list(found[name]) == wanted, (number, name, found[name])
    for index in range(node_table.frame_count(table)):
        at = frame.frame_at(table, index)
        slots = [s for s in range(node_table.slot_count(table))
                 if node_table.request_address(table, node_table.slot_request(table, s)) == index]
        work.append((table, at, b"$G\\xffBM" + data, slots))
values, qualities = array("i", [0] * 16), bytearray(16)

def steady():
    for table, at, data, slots in work:
        start = frame.find(table, at, data, len(data))
        for slot in slots:
            if start < 0:
                continue
            if table[at] == layout.SENTENCE:
                nmea.decode_field(table, slot, at, data, start, values, qualities)
            else:
                node_table.decode_point(table, slot, data, start + table[at + 6], values, qualities)

steady()
gc.collect()
gc.disable()
before = gc.mem_alloc()
for _ in range(50):
    steady()
print(len(cases), gc.mem_alloc() - before)
"""
    assert run_script(files, script).split() == [str(len(VECTORS)), "0"]


@settings(max_examples=600)
@given(st.sampled_from(SENSORS), st.binary(max_size=200))
def test_any_bytes_give_a_frame_or_how_much_is_missing(profile: str, data: bytes) -> None:
    table, slots = table_of(profile)
    for number in range(node_table.frame_count(table)):
        at = frame.frame_at(table, number)
        start = frame.find(table, at, data, len(data))
        if start < 0:
            assert -start <= max(table[at + layout.FRAME_MOST], len(data) + 1)
        else:
            length = frame.whole_length(table, at, data, start, len(data))
            assert start + length <= len(data)
            assert frame.is_right(table, at, data, start, length)
    for _value, reason in read_frame(table, slots, data).values():
        assert reason in quality.NAMES


def encoded(profile: str, seed: list[int]) -> tuple[SerialSensor, dict[str, int]]:
    """A simulated sensor that holds plausible values made from the numbers."""
    sensor = SerialSensor(load_profile(profile), profile)
    chosen = {}
    for point, number in zip(sensor.points.values(), seed, strict=False):
        if point.name not in ("level", "distance"):
            chosen[point.name] = point.low + number % (point.high - point.low + 1)
    if "distance" in sensor.points:
        chosen["distance"] = 300 + seed[0] % 4000
    for name, value in chosen.items():
        sensor.set(name, value)
    return sensor, chosen


@settings(max_examples=300)
@given(
    st.sampled_from(BINARY),
    st.lists(st.integers(0, 1 << 20), min_size=6, max_size=6),
    st.binary(max_size=60),
    st.binary(max_size=20),
)
def test_what_a_sensor_sends_is_read_back_whatever_stands_around_it(
    profile: str, seed: list[int], before: bytes, after: bytes
) -> None:
    sensor, chosen = encoded(profile, seed)
    table, slots = table_of(profile)
    whole = sensor.whole()
    at = frame.frame_at(table, 0)
    assert frame.find(table, at, whole, len(whole)) == 0
    found = read_frame(table, slots, whole)
    assert {name: found[name] for name in chosen} == {name: (value, "good") for name, value in chosen.items()}
    data = before + whole + after
    start = frame.find(table, at, data, len(data))
    assert 0 <= start <= len(before)  # an earlier one may be there by chance
    if start == len(before):
        assert {name: read_frame(table, slots, data)[name] for name in chosen} == {
            name: (value, "good") for name, value in chosen.items()
        }


@given(st.integers(-90_000_000, 90_000_000), st.integers(-180_000_000, 180_000_000), st.integers(0, 86399))
def test_positions_and_times_are_read_back(latitude: int, longitude: int, seconds: int) -> None:
    sensor = SerialSensor(load_profile("nmea-gnss"), "gnss")
    for name, value in (("latitude", latitude), ("longitude", longitude), ("time_of_day", seconds)):
        sensor.set(name, value)
    table, slots = table_of("nmea-gnss")
    found = read_frame(table, slots, sensor.whole())
    assert found["time_of_day"] == (seconds, "good")
    for name, value in (("latitude", latitude), ("longitude", longitude)):
        assert found[name][1] == "good"
        assert abs(found[name][0] - value) <= 1  # a ten-thousandth of a minute is 1.7 millionths of a degree

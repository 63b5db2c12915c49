"""Lamp schedules: the vectors under both interpreters, and properties of any schedule at any moment."""

import binascii
import json
from array import array
from datetime import date as date_of
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.rig.machine import package_files, run_script
from protocols import errors, lamp_programme, lamp_schedule, lamp_schedule_check
from protocols.errors import WireError
from protocols.lamp_schedule_writer import LampScheduleWriter

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "protocols/vectors/lamp-schedule.json").read_text())
KEYS = ("programme", "level", "fade_s", "left_s", "night")
SCRIPT = """
import json
from array import array
from binascii import unhexlify
from protocols import errors, lamp_programme, lamp_schedule_check

with open("vectors.json") as file:
    vectors = json.load(file)
found = array("i", [0] * lamp_programme.FOUND_PLACES)
checked = 0
for case in vectors["schedules"]:
    schedule = unhexlify(case["schedule"])
    lamp_schedule_check.check(schedule)
    for question in case["questions"]:
        lamp_programme.find_level(schedule, question["unix_s"], found)
        wanted = [question[key] for key in ("programme", "level", "fade_s", "left_s", "night")]
        assert list(found) == wanted, (question, list(found))
        checked += 1
for case in vectors["refused"]:
    try:
        lamp_schedule_check.check(unhexlify(case["schedule"]))
        assert False, case
    except errors.WireError as error:
        assert errors.NAMES[error.reason] == case["reason"], case
    checked += 1
print(checked)
"""

minutes = st.integers(-300, 300)
moments = st.one_of(
    st.tuples(st.just(lamp_schedule.CLOCK), st.integers(0, 1439)),
    st.tuples(st.sampled_from([lamp_schedule.SUNSET, lamp_schedule.SUNRISE]), minutes),
)
steps = st.lists(st.tuples(moments, st.integers(0, 100)).map(lambda one: (*one[0], one[1])), max_size=6).map(tuple)
programmes = st.tuples(moments, moments, st.integers(0, 100), steps, st.integers(0, 3600))
days = st.tuples(
    st.sampled_from([-300, 0, 60, 345, 480]),
    st.integers(-60, 900),
    st.integers(700, 1600),
    st.sampled_from([0, 0, 0, lamp_schedule.NEVER_SETS, lamp_schedule.NEVER_RISES]),
)


@st.composite
def schedules(draw: st.DrawFn) -> bytes:
    writer = LampScheduleWriter(
        delay_s=draw(st.integers(0, 255)),
        default_level=draw(st.integers(0, 100)),
        least_level=draw(st.integers(1, 100)),
    )
    for programme in draw(st.lists(programmes, min_size=1, max_size=4)):
        number = writer.add_programme(*programme)
    writer.set_default(draw(st.sampled_from([number, lamp_schedule.NONE])))
    for _ in range(draw(st.integers(0, 3))):
        ends = draw(st.tuples(st.integers(1, 12), st.integers(1, 31), st.integers(1, 12), st.integers(1, 31)))
        writer.add_rule(draw(st.integers(0, number)), draw(st.integers(0, 127)), (0, *ends[:2]), (0, *ends[2:]))
    writer.set_first_day(draw(st.integers(19000, 22000)))
    for day in draw(st.lists(days, min_size=1, max_size=16)):
        writer.add_day(*day)
    return writer.schedule()


def ask(schedule: bytes, unix_s: int) -> list[int]:
    found = array("i", [0] * lamp_programme.FOUND_PLACES)
    lamp_programme.find_level(schedule, unix_s, found)
    return list(found)


@pytest.mark.parametrize("case", VECTORS["schedules"], ids=lambda case: case["name"])
def test_a_schedule_means_what_the_vectors_say(case: dict) -> None:
    schedule = bytes.fromhex(case["schedule"])
    lamp_schedule_check.check(schedule)
    for question in case["questions"]:
        assert ask(schedule, question["unix_s"]) == [question[key] for key in KEYS], question["local"]


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["name"])
def test_a_schedule_that_is_not_whole_is_refused(case: dict) -> None:
    with pytest.raises(WireError) as caught:
        lamp_schedule_check.check(bytes.fromhex(case["schedule"]))
    assert errors.NAMES[caught.value.reason] == case["reason"]


def test_micropython_agrees_with_the_vectors() -> None:
    files = package_files(ROOT / "protocols", "protocols")
    cases = sum(len(case["questions"]) for case in VECTORS["schedules"]) + len(VECTORS["refused"])
    assert run_script({**files, "vectors.json": json.dumps(VECTORS)}, SCRIPT) == f"{cases}\n"


@settings(max_examples=200, deadline=None)
@given(schedules(), st.integers(1_600_000_000, 1_950_000_000))
def test_a_level_holds_as_long_as_is_said(schedule: bytes, unix_s: int) -> None:
    programme, level, _, left_s, night = ask(schedule, unix_s)
    assert 0 <= level <= 100
    assert 1 <= left_s <= 86400 + 14 * 3600
    assert programme == lamp_programme.find_programme(schedule, night)
    for later in (left_s // 2, left_s - 1):
        again = ask(schedule, unix_s + later)
        if again[4] == night:
            assert again[:2] == [programme, level]


@settings(max_examples=200, deadline=None)
@given(schedules(), st.data())
def test_any_bytes_are_refused_or_lead_nowhere_outside(schedule: bytes, data: st.DataObject) -> None:
    spoilt = bytearray(schedule)
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(12, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    spoilt[8:12] = binascii.crc32(spoilt[12:]).to_bytes(4, "big")
    try:
        lamp_schedule_check.check(bytes(spoilt))
    except WireError:
        return
    assert 0 <= ask(bytes(spoilt), data.draw(st.integers(0, 4_000_000_000)))[1] <= 100


@given(st.binary(max_size=120))
def test_junk_is_a_wire_error(junk: bytes) -> None:
    with pytest.raises(WireError):
        lamp_schedule_check.check(junk)


def test_dates_are_those_of_the_calendar() -> None:
    for day in range(-1000, 60000, 13):
        year, date = lamp_programme.civil_date(day)
        found = date_of(1970, 1, 1) + timedelta(day)
        assert (year, date) == (found.year, 32 * found.month + found.day)

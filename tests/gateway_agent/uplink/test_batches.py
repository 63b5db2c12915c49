"""What goes next and as which bytes: urgency, sizes, and the examples of the specification."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, THINNED, Journal, Record
from gateway_agent.journal.codec import split_poll
from gateway_agent.records import Command, CommandResult, Event, Reading, Thinned, Window
from gateway_agent.uplink.answer import Answer, decode_answer, encode_answer
from gateway_agent.uplink.batches import PAYLOAD_BYTES, Batcher, build_batch
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.objects import by_path, object_names
from gateway_agent.uplink.senml_cbor import decode_pack
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.platform_messages import SentReading, SentWindow, read_message
from protocols import senml

ROOT = Path(__file__).parents[3]
VECTORS = json.loads((ROOT / "protocols/vectors/uplink.json").read_text())
CLASSES = {"alarm": ALARM, "event": EVENT, "result": RESULT, "telemetry": TELEMETRY, "thinned": THINNED[2]}
CONTENTS = {"alarm": Event, "event": Event, "result": CommandResult}


def described(written: dict[str, Any]) -> Record:
    kind, fields = written["kind"], written["content"]
    record_class = {"alarm": ALARM, "event": EVENT, "result": RESULT, "telemetry": TELEMETRY, "thinned": THINNED[2]}[
        kind
    ]
    trusted = written.get("trusted", True)
    if kind == "telemetry":
        readings = tuple(Reading(**reading) for reading in fields)
        return Record(written["sequence"], record_class, readings, trusted=trusted)
    if kind == "thinned":
        windows = tuple(Window(**window) for window in fields["windows"])
        return Record(written["sequence"], record_class, Thinned(windows, tuple(map(tuple, fields["replaces"]))))
    return Record(written["sequence"], record_class, CONTENTS[kind](**fields))


@pytest.mark.parametrize("case", VECTORS["messages"], ids=lambda case: case["name"])
def test_a_message_has_the_bytes_of_its_vector(case: dict[str, Any]) -> None:
    records = [described(written) for written in case["records"]]
    names = object_names(case["units"].items()) if case.get("names") == "oma" else None
    assert build_batch(records, case["gateway"], case["units"], names=names).payload == bytes.fromhex(case["hex"])


@pytest.mark.parametrize("case", VECTORS["messages"], ids=lambda case: case["name"])
def test_a_platform_finds_points_and_integers_in_each_vector(case: dict[str, Any]) -> None:
    names = by_path(object_names(case["units"].items()))
    found = read_message(bytes.fromhex(case["hex"]), case["gateway"], 0, names)
    readings = {
        (record.sequence, item.point, item.time_ms, item.value, item.exponent, item.kind)
        for record in found
        for item in record.items
        if isinstance(item, SentReading)
    }
    assert readings == {
        (record.sequence, item.point, item.time_ms, item.value, item.exponent, item.kind)
        for record in map(described, case["records"])
        for item in (record.content if isinstance(record.content, tuple) else ())
    }
    windows = {
        (record.sequence, item.point, item.time_ms, item.least, item.greatest, item.total, item.exponent)
        for record in found
        for item in record.items
        if isinstance(item, SentWindow)
    }
    assert windows == {
        (record.sequence, item.point, item.time_ms, item.least, item.greatest, item.total, item.exponent)
        for record in map(described, case["records"])
        for item in (record.content.windows if isinstance(record.content, Thinned) else ())
    }


@given(st.sampled_from(VECTORS["messages"]), st.data())
def test_a_vector_with_wrong_bytes_is_read_or_refused(case: dict[str, Any], data: st.DataObject) -> None:
    payload = bytearray.fromhex(case["hex"])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=9))
    try:
        found = read_message(bytes(payload), case["gateway"], 0, by_path(object_names(case["units"].items())))
    except FormatError:
        return
    numbers = [record.sequence for record in found]
    for item in (item for record in found for item in record.items if isinstance(item, SentReading)):
        numbers += [item.value, item.time_ms]
    assert all(abs(number) < 1 << 63 for number in numbers)


@pytest.mark.parametrize("case", VECTORS["answers"], ids=lambda case: case["name"])
def test_an_answer_has_the_bytes_of_its_vector(case: dict[str, Any]) -> None:
    told = case["acknowledged"]
    spans = None if told is None else tuple((first, last) for first, last in told)
    commands = tuple(Command(**command) for command in case["commands"])
    answer = Answer(spans, case["platform_ms"], commands, case.get("highest"))
    assert encode_answer(answer) == bytes.fromhex(case["hex"])
    assert decode_answer(bytes.fromhex(case["hex"])) == answer


def test_the_specification_shows_every_vector() -> None:
    page = (ROOT / "protocols/spec/uplink.md").read_text()
    # A worked example has its bytes at the left, two blanks, and what they mean at the right.
    shown = "".join(re.findall(r"^    ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  .*)?$", page, re.MULTILINE)).replace(" ", "")
    for case in VECTORS["messages"] + VECTORS["answers"]:
        assert case["hex"].replace(" ", "") in shown, case["name"]


points = st.from_regex(r"\A(air|gas)/[a-z][a-z0-9_]{0,30}\Z")
readings = st.builds(
    Reading,
    points,
    st.integers(1 << 40, (1 << 40) + 5000),
    st.integers(-(1 << 63) + 1, (1 << 63) - 1),
    st.integers(-18, 18),
    st.sampled_from(("sample", "mean", "min", "max")),
)


@settings(max_examples=40)
@given(st.lists(st.lists(readings, min_size=1, max_size=30), min_size=1, max_size=12))
def test_no_message_is_longer_than_its_bound_and_none_is_empty(polls: list[list[Reading]]) -> None:
    parts = [part for poll in polls for part in split_poll(poll)]
    records = [Record((1 << 40) + number, TELEMETRY, part) for number, part in enumerate(parts)]
    units = dict.fromkeys({reading.point for part in parts for reading in part}, "Beaufort")
    sent = 0
    while sent < len(records):
        batch = build_batch(records[sent:], "g" * 32, units)
        assert len(batch.payload) <= PAYLOAD_BYTES
        assert batch.sequences == tuple(record.sequence for record in records[sent : sent + len(batch.sequences)])
        sent += len(batch.sequences)


def test_a_message_is_filled_as_far_as_it_goes() -> None:
    records = [Record(number, TELEMETRY, (Reading("air/pm2_5", 1 << 40, number, 0),)) for number in range(1, 200)]
    batch = build_batch(records, "gp-1", {})
    following = build_batch(records[: len(batch.sequences) + 1], "gp-1", {}, payload_bytes=2000)
    assert len(batch.payload) <= PAYLOAD_BYTES < len(following.payload)


def test_readings_of_one_moment_share_a_base_time() -> None:
    polls = [tuple(Reading(f"air/p{number}", at, number, 0) for number in range(4)) for at in (1 << 40, (1 << 40) + 2)]
    pack = decode_pack(build_batch([Record(1, TELEMETRY, polls[0]), Record(2, TELEMETRY, polls[1])], "g", {}).payload)
    assert [senml.BASE_TIME in record for record in pack] == [True, False, False, False] * 2
    assert not any(senml.TIME in record for record in pack)


def test_alarms_go_alone_and_first_then_results_then_events_then_telemetry(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        now = clock.unix_ms()
        for value in range(3):
            journal.add_readings([Reading("air/pm2_5", now, value, 0)])
        await journal.add_event(Event("air", "event", "device-lost", now))
        await journal.finish_command(CommandResult("dim-1", "confirmed", "", now, 40))
        await journal.add_event(Event("manhole/cover", "alarm", "opened", now, True))
        await journal.add_event(Event("manhole/cover", "alarm", "closed", now, False))
        batcher = Batcher(journal)
        order = []
        while (load := await batcher.next_load(journal.last_sequence, with_past=False)) is not None:
            sequences = [record.sequence for record in load.records]
            order.append((load.record_class, tuple(sequences)))
            await journal.acknowledge(sequences)
        assert order == [
            (ALARM, (6,)),
            (ALARM, (7,)),
            (RESULT, (5,)),
            (EVENT, (4,)),
            (TELEMETRY, (1, 2, 3)),
        ]
        await journal.close()

    run_virtual(main)


def test_telemetry_waits_for_its_turn_and_a_held_record_is_passed_over(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        for value in range(3):
            journal.add_readings([Reading("air/pm2_5", clock.unix_ms(), value, 0)])
        await journal.flush()
        batcher = Batcher(journal)
        assert await batcher.next_load(0, with_past=False) is None
        batcher.held.add(2)
        load = await batcher.next_load(journal.last_sequence, with_past=False)
        assert load is not None
        assert tuple(record.sequence for record in load.records) == (1, 3)
        batcher.one_by_one = True
        load = await batcher.next_load(journal.last_sequence, with_past=False)
        assert load is not None
        assert tuple(record.sequence for record in load.records) == (1,)
        await journal.close()

    run_virtual(main)

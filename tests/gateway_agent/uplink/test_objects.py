"""OMA names: every reading comes back as it was, whatever unit the object asks for."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.journal import TELEMETRY, Record
from gateway_agent.profiles import load_profile, resolve
from gateway_agent.profiles.load import profile_names
from gateway_agent.records import Reading, Thinned, Window
from gateway_agent.toml_source import ConfigError, load_toml
from gateway_agent.uplink.batches import build_batch
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.objects import (
    ResourceEntry,
    by_path,
    load_objects,
    object_names,
    objects_file,
    resources_by_quantity,
)
from gateway_agent.uplink.senml_cbor import decode_pack
from hardware.rig.platform_messages import SentReading, SentWindow, read_message
from protocols import senml

POINTS = (
    ("lamp/level_pct", "%"),
    ("lamp/voltage", "V"),
    ("lamp/energy", "kWh"),
    ("air/pm2_5", "ug/m3"),
    ("air/no2", "ppb"),
    ("air/no2_raw", "ppb"),
    ("cover_a/open", "bool"),
    ("cover_a/tilt", "deg"),
    ("cover_b/tilt", "deg"),
    ("cover_b/level", "m"),
    ("driver/level", "raw"),
    ("gases/co", "ug/m3"),
    ("gas/ch4", "%LEL"),
    ("gas/o2", "%VOL"),
    ("gas/battery", "/"),
)
NAMES = object_names(POINTS)
ENTRIES = resources_by_quantity(objects_file())
UNITS = dict(POINTS)
KINDS = st.sampled_from(("sample", "mean", "min", "max"))


def sent(readings: list[Reading]) -> list[SentReading]:
    record = Record(7, TELEMETRY, tuple(readings))
    payload = build_batch([record], "gp-1", UNITS, 1 << 16, names=NAMES).payload
    (found,) = read_message(payload, "gp-1", 0, by_path(NAMES))
    return [item for item in found.items if isinstance(item, SentReading)]


def back(entry: ResourceEntry, sent: tuple[int, int] | bool | None) -> tuple[int, int] | None:
    assert sent is not None
    return entry.to.back(*sent) if isinstance(sent, tuple) else entry.to.back(int(sent), 0)


@given(
    st.lists(
        st.builds(
            Reading,
            st.sampled_from([point for point, _ in POINTS]),
            st.integers(1_700_000_000_000, 1_700_000_100_000),
            st.integers(-(10**9), 10**9) | st.integers(0, 255) | st.integers(-(1 << 63) + 1, (1 << 63) - 1),
            st.integers(-4, 2) | st.integers(-18, 18),
            KINDS,
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_reading_comes_back_in_its_own_unit(readings: list[Reading]) -> None:
    expected = {SentReading(r.point, r.time_ms, r.value, r.exponent, r.kind, UNITS[r.point]) for r in readings}
    assert set(sent(readings)) == expected


def test_every_value_of_every_profile_comes_back() -> None:
    seen = set()
    for profile in profile_names():
        resolved = resolve(load_profile(profile))
        for point in resolved.points:
            entry = ENTRIES.get((point.name, point.unit))
            if entry is None:
                continue
            seen.add(entry.resource)
            step = max(1, (point.high - point.low) // (20_000 if entry.to.factor else 300))
            values = {*range(point.low, point.high + 1, step), point.low, point.low + 1, point.high - 1, point.high}
            there = {value: entry.to.there(value, point.exponent) for value in values}
            assert all(back(entry, sent) == (value, point.exponent) for value, sent in there.items())
            assert len(set(there.values())) == len(values)
    assert len(seen) >= 30


@pytest.mark.parametrize("exponent", [0, -1, -2, -6])
@pytest.mark.parametrize("entry", [e for e in ENTRIES.values() if e.to.factor], ids=lambda e: f"{e.points[0]}-{e.unit}")
def test_a_factor_loses_no_step(entry: ResourceEntry, exponent: int) -> None:
    previous = None
    for value in range(-3000, 3001):
        there = entry.to.there(value, exponent)
        assert isinstance(there, tuple)
        assert there != previous
        assert back(entry, there) == (value, exponent)
        exact = Fraction(value) * Fraction(10) ** exponent * Fraction(entry.to.factor or 1)
        assert abs(Fraction(there[0]) * Fraction(10) ** there[1] - exact) <= Fraction(10) ** there[1] / 2
        previous = there


def test_a_drivers_level_is_sent_as_the_light_that_it_gives() -> None:
    to = ENTRIES["level", "raw"].to
    # IEC 62386-102: 85 is 0.99 %, 126 is 3.0 %, 170 is 10.1 %, 229 is 50.5 %.
    assert [to.there(level, 0) for level in (0, 1, 85, 126, 170, 229, 254)] == [
        (0, 0),
        (100, -3),
        (991, -3),
        (304, -2),
        (101, -1),
        (505, -1),
        (100, 0),
    ]
    assert [to.there(255, 0), to.there(-1, 0), to.there(1270, -1), to.back(507, -1), to.back(0, -1)] == [None] * 5


def test_an_open_cover_is_false_as_the_object_has_it() -> None:
    to = ENTRIES["open", "bool"].to
    assert [to.there(0, 0), to.there(1, 0), to.there(2, 0), to.there(10, -1)] == [True, False, None, None]
    assert [to.back(1, 0), to.back(0, 0), to.back(1, -1), to.back(2, 0)] == [(0, 0), (1, 0), None, None]


def test_what_a_resource_cannot_say_goes_by_its_own_name() -> None:
    at = 1_700_000_000_000
    readings = [
        Reading("cover_a/open", at, 5, -1, "mean"),
        Reading("driver/level", at, 255, 0),
        Reading("cover_a/tilt", at, (1 << 63) - 1, 0),
        Reading("lamp/energy", at, 7, 17),
    ]
    pack = decode_pack(build_batch([Record(1, TELEMETRY, tuple(readings))], "gp-1", UNITS, names=NAMES).payload)
    assert [record[senml.NAME] for record in pack] == [
        "cover_a/open:mean",
        "driver/level",
        "cover_a/tilt",
        "lamp/energy",
    ]
    assert [record[senml.UNIT] for record in pack] == ["bool", "raw", "deg", "kWh"]
    assert {(item.point, item.value, item.exponent, item.kind) for item in sent(readings)} == {
        (reading.point, reading.value, reading.exponent, reading.kind) for reading in readings
    }


def test_a_platform_reads_another_value_of_a_resource_as_it_came() -> None:
    pack = [{-2: "3416/1/3", -3: 1_700_000_000, 2: 12345, "q": 1}, {-2: "3408/0/3", 2: 7}]
    (found,) = read_message(cbor2.dumps(pack), "gp-1", 0, by_path(NAMES))
    assert found.items == (
        SentReading("3416/1/3", 1_700_000_000_000, 12345, 0, "sample", ""),
        SentReading("3408/0/3", 1_700_000_000_000, 7, 0, "sample", ""),
    )


def test_a_gateway_of_digits_is_not_taken_for_an_object() -> None:
    readings = (Reading("lamp/voltage", 1_700_000_000_000, 2301, -1), Reading("air/no2_raw", 1_700_000_000_000, 3, 0))
    batch = build_batch([Record(7, TELEMETRY, readings)], "3418", UNITS, names=NAMES)
    (found,) = read_message(batch.payload, "3418", 0, by_path(NAMES))
    assert {item.point for item in found.items if isinstance(item, SentReading)} == {"lamp/voltage", "air/no2_raw"}


def test_instances_are_counted_for_each_device() -> None:
    paths = {point: name.path for point, name in NAMES.items()}
    assert paths == {
        "lamp/level_pct": "3416/0/3",
        "driver/level": "3416/1/3",
        "gases/co": "3428/1/7",
        "gas/ch4": "3325/0/5700",
        "gas/o2": "3325/1/5700",
        "gas/battery": "3411/0/1",
        "lamp/voltage": "3418/0/1",
        "lamp/energy": "3418/0/6",
        "air/pm2_5": "3428/0/3",
        "air/no2": "3428/0/15",
        "cover_a/open": "3408/0/3",
        "cover_a/tilt": "3408/0/2",
        "cover_b/tilt": "3408/1/2",
        "cover_b/level": "3435/0/3",
    }


def test_on_the_wire_are_the_numbers_of_the_objects_in_their_units() -> None:
    readings = [
        Reading("lamp/energy", 1_700_000_000_000, 1834217, -3),
        Reading("lamp/voltage", 1_700_000_000_000, 2301, -1),
        Reading("cover_a/open", 1_700_000_000_000, 1, 0),
    ]
    pack = decode_pack(build_batch([Record(1, TELEMETRY, tuple(readings))], "gp-1", UNITS, names=NAMES).payload)
    assert pack == [
        {
            senml.BASE_NAME: "3408/0/3",
            senml.BASE_TIME: 1_700_000_000,
            senml.BOOLEAN_VALUE: False,
            "q": 1,
        },
        {senml.BASE_NAME: "3418/0/", senml.NAME: "6", senml.VALUE: 1834217},
        {senml.NAME: "1", senml.VALUE: (-1, 2301)},
    ]


def test_windows_of_resources_come_back_too() -> None:
    windows = tuple(
        Window("cover_b/level", 1_700_000_000_000 + 60_000 * n, 60, -3, "sample", n, n + 5, 9 * n, 4) for n in (1, 3)
    )
    record = Record(9, TELEMETRY + 1, Thinned(windows, ((1, 5),)))
    (found,) = read_message(build_batch([record], "gp-1", UNITS, names=NAMES).payload, "gp-1", 0, by_path(NAMES))
    assert [
        (item.point, item.least, item.greatest, item.total, item.exponent, item.unit)
        for item in found.items
        if isinstance(item, SentWindow)
    ] == [
        ("cover_b/level", 1, 6, 9, -3, "m"),
        ("cover_b/level", 3, 8, 27, -3, "m"),
    ]


def test_without_the_table_of_the_gateway_names_stay_as_they_came() -> None:
    record = Record(7, TELEMETRY, (Reading("lamp/energy", 1_700_000_000_000, 1834217, -3),))
    (found,) = read_message(build_batch([record], "gp-1", UNITS, names=NAMES).payload, "gp-1", 0)
    assert found.items == (SentReading("3418/0/6", 1_700_000_000_000, 1834217, 0, "sample", ""),)


def wrong(entry: str) -> str:
    return f'[objects]\n3418 = "Electrical monitor"\n[[resources]]\n{entry}'


@pytest.mark.parametrize(
    ("entry", "line", "mend"),
    [
        ('points = ["a"]\nunit = "V"\nresource = "3418"\ntitle = "t"\ngives = "V"\n', 6, "resource"),
        (
            'points = ["a"]\nunit = "V"\nresource = "3418/1"\ntitle = "t"\ngives = "V"\n'
            'to = { factor = "0.5", boolean = "same" }\n',
            9,
            "keep one",
        ),
        ('points = ["a", "a"]\nunit = "V"\nresource = "3418/1"\ntitle = "t"\ngives = "V"\n', 4, "remove one"),
        ('points = ["a"]\nunit = "v"\nresource = "3418/1"\ntitle = "t"\ngives = "V"\n', 5, "did you mean V?"),
        ('points = ["a"]\nunit = "V"\nresource = "3417/1"\ntitle = "t"\ngives = "V"\n', 6, "below [objects]"),
        ('points = ["a"]\nunit = "V"\nresource = "3418/1"\ntitle = "t"\ngives = "V"\nto = { factor = "0" }\n', 9, "0"),
    ],
)
def test_a_wrong_file_is_told_with_line_and_mend(tmp_path: Path, entry: str, line: int, mend: str) -> None:
    (tmp_path / "objects.toml").write_text(wrong(entry))
    with pytest.raises(ConfigError) as refused:
        load_objects(load_toml(tmp_path / "objects.toml"))
    assert refused.value.problems[0].line == line
    assert mend in str(refused.value)


def test_every_entry_is_of_points_that_are_or_may_be() -> None:
    # Quantities that no profile has yet: those of a lamp that speaks per cent, of a gas station in ppb, of batteries.
    ahead = {("level_pct", "%"), ("dim", "%"), ("so2", "ppb"), ("o3", "ppb"), ("no2", "ppb"), ("level", "mm")}
    ahead |= {("battery", "V"), ("battery", "/")}
    profiles = [load_profile(name) for name in profile_names()]
    have = {(section.name or key, section.unit) for profile in profiles for key, section in profile.points.items()}
    assert set(ENTRIES) - have == ahead


def test_polls_of_a_device_go_in_columns_that_name_each_point_once() -> None:
    start = 1_700_000_000_000
    records = [
        Record(
            10 + 2 * n,
            TELEMETRY,
            tuple(Reading(point, start + 60_000 * n, n % 2, 0) for point in ("cover_a/open", "cover_a/tilt")),
        )
        for n in range(5)
    ]
    other = Record(11, TELEMETRY, (Reading("air/pm2_5", start, 5, 0),))
    batch = build_batch([records[0], other, *records[1:]], "gp-1", UNITS, names=NAMES)
    assert batch.sequences == (10, 11, 12, 14, 16, 18)
    pack = decode_pack(batch.payload)
    assert [field[senml.BASE_NAME] for field in pack if senml.BASE_NAME in field] == [
        "3408/0/3",
        "3408/0/2",
        "3428/0/",
    ]
    assert pack[0]["q"] == "10 2 2 2 2"
    found = read_message(batch.payload, "gp-1", 0, by_path(NAMES))
    assert [record.sequence for record in found] == [10, 12, 14, 16, 18, 11]
    for record, sent_record in zip([*records, other], found, strict=True):
        assert isinstance(record.content, tuple)
        items = {
            (item.point, item.time_ms, item.value, item.exponent)
            for item in sent_record.items
            if isinstance(item, SentReading)
        }
        assert items == {(r.point, r.time_ms, r.value, r.exponent) for r in record.content}


def poll(sequence: int, device: str, quantities: Sequence[str], minute: int) -> Record:
    at = 1_700_000_000_000 + 60_000 * minute
    return Record(sequence, TELEMETRY, tuple(Reading(f"{device}/{name}", at, sequence, 0) for name in quantities))


STATION = {"pm2_5": "ug/m3", "pm10": "ug/m3", "temperature": "Cel", "humidity": "%RH", "noise": "dB", "co2": "ppm"}
ROUND = {f"{device}/{name}": unit for device in ("a", "b", "c") for name, unit in STATION.items()}


def test_polls_that_do_not_fit_whole_are_left_for_the_next_message_when_they_fit_that() -> None:
    records = [poll(3 * n + at, "abc"[at], list(STATION), n) for n in range(8) for at in range(3)]
    records = [Record(r.sequence + 1, r.record_class, r.content) for r in records]
    names = object_names(ROUND.items())
    messages = []
    while records:
        batch = build_batch(records, "gp-1", ROUND, 1024, names=names)
        assert len(batch.payload) <= 1024
        messages.append(batch.sequences)
        records = [record for record in records if record.sequence not in set(batch.sequences)]
    # No poll of a station stands alone: each station's eight are in one message, or cut once.
    assert sorted(sequence for message in messages for sequence in message) == list(range(1, 25))
    stations = [{sequence % 3 for sequence in message} for message in messages]
    assert sum(map(len, stations)) <= 4
    assert messages[0][0] == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6), st.integers(0, 3)), min_size=1, max_size=80))
def test_what_waits_is_sent_once_in_messages_that_are_not_too_long(polls: list[tuple[str, int, int]]) -> None:
    waiting, minute = [], 0
    for sequence, (device, count, later) in enumerate(polls, 1):
        minute += later
        waiting.append(poll(sequence, device, list(STATION)[:count], minute))
    names = object_names(ROUND.items())
    expected = {(r.point, r.time_ms, r.value) for record in waiting for r in record.content if isinstance(r, Reading)}
    found = []
    while waiting:
        batch = build_batch(waiting, "gp-1", ROUND, 512, names=names)
        assert len(batch.payload) <= 512
        assert waiting[0].sequence in batch.sequences
        read = read_message(batch.payload, "gp-1", 0, by_path(names))
        assert sorted(record.sequence for record in read) == list(batch.sequences)
        for record in read:
            items = [item for item in record.items if isinstance(item, SentReading)]
            assert {item.value for item in items} == {record.sequence}
            found += [(item.point, item.time_ms, item.value) for item in items]
        waiting = [record for record in waiting if record.sequence not in batch.sequences]
    assert len(found) == len(expected)
    assert set(found) == expected


@pytest.mark.parametrize(
    ("sequences", "times"),
    [
        ("9223372036854775807 1", 2),
        ("0 1", 2),
        ("5 0", 2),
        ("5 -1", 2),
        ("5  1", 2),
        ("", 1),
        ("5 1", 1),
        ("5", 2),
        ("\u0665 1", 2),
        ("99999999999999999999", 1),
    ],
)
def test_columns_whose_sequences_cannot_be_are_refused(sequences: str, times: int) -> None:
    pack = [{-2: "3418/0/1", -3: 1_700_000_000, 2: 230, "q": sequences}, {2: 231, 6: times - 1}]
    with pytest.raises(FormatError, match=r"sequences"):
        read_message(cbor2.dumps(pack), "gp-1", 0, by_path(NAMES))


def test_what_is_no_reading_cannot_stand_in_columns() -> None:
    pack = [{-2: "3418/0/1", -3: 1_700_000_000, 2: 230, "q": "5"}, {-2: "gp-1/air:event", 3: "device-lost"}]
    with pytest.raises(FormatError, match="cannot stand in columns"):
        read_message(cbor2.dumps(pack), "gp-1", 0)

"""OMA names: every reading comes back as it was, whatever unit the object asks for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.journal import TELEMETRY, Record
from gateway_agent.profiles import load_profile
from gateway_agent.profiles.load import profile_names
from gateway_agent.records import Reading, Thinned, Window
from gateway_agent.toml_source import ConfigError, load_toml
from gateway_agent.uplink.batches import build_batch
from gateway_agent.uplink.objects import by_path, load_objects, object_names
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
)
NAMES = object_names(POINTS)
UNITS = dict(POINTS)
KINDS = st.sampled_from(("sample", "mean", "min", "max"))


def sent(readings: list[Reading]) -> list[SentReading]:
    record = Record(7, TELEMETRY, tuple(readings))
    payload = build_batch([record], "gp-1", UNITS, 1 << 16, names=NAMES).payload
    (found,) = read_message(payload, "gp-1", 0, by_path(NAMES))
    return [item for item in found.items if isinstance(item, SentReading)]


@given(
    st.lists(
        st.builds(
            Reading,
            st.sampled_from([point for point, _ in POINTS]),
            st.integers(1_700_000_000_000, 1_700_000_100_000),
            st.integers(-(10**9), 10**9),
            st.integers(-4, 2),
            KINDS,
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_reading_comes_back_in_its_own_unit(readings: list[Reading]) -> None:
    expected = {SentReading(r.point, r.time_ms, r.value, r.exponent, r.kind, UNITS[r.point]) for r in readings}
    assert set(sent(readings)) == expected


@pytest.mark.parametrize("exponent", [0, -1, -2])
def test_each_angle_survives_radians(exponent: int) -> None:
    name = NAMES["cover_a/tilt"]
    for value in range(-180 * 10**-exponent, 180 * 10**-exponent + 1):
        assert name.back(*name.there(value, exponent)) == (value, exponent)


def test_instances_are_counted_for_each_device() -> None:
    paths = {point: name.path for point, name in NAMES.items()}
    assert paths == {
        "lamp/level_pct": "3416/0/3",
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
            senml.BASE_NAME: "gp-1/3408/0/",
            senml.BASE_TIME: 1_700_000_000,
            senml.NAME: "3",
            senml.BOOLEAN_VALUE: True,
            "q": 1,
        },
        {senml.BASE_NAME: "gp-1/3418/0/", senml.NAME: "6", senml.VALUE: 1834217},
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


def test_many_points_of_the_profiles_have_an_object() -> None:
    profiles = {name: load_profile(name) for name in profile_names()}
    points = [
        (f"{name}/{point}", what.unit) for name, profile in profiles.items() for point, what in profile.points.items()
    ]
    assert len(object_names(points)) > 30


@pytest.mark.parametrize(
    ("text", "line", "mend"),
    [
        ('[[resources]]\npoints = ["a"]\nunit = "V"\nresource = "3418"\n', 4, "resource"),
        (
            '[[resources]]\npoints = ["a"]\nunit = "V"\nresource = "3418/1"\nto = { radians = true, boolean = true }\n',
            5,
            "keep one",
        ),
        ('[[resources]]\npoints = ["a", "a"]\nunit = "V"\nresource = "3418/1"\n', 2, "remove one"),
    ],
)
def test_a_wrong_file_is_told_with_line_and_mend(tmp_path: Path, text: str, line: int, mend: str) -> None:
    (tmp_path / "objects.toml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_objects(load_toml(tmp_path / "objects.toml"))
    assert refused.value.problems[0].line == line
    assert mend in str(refused.value)


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
        "gp-1/3408/0/3",
        "gp-1/3408/0/2",
        "gp-1/3428/0/",
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

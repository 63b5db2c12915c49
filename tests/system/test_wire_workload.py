"""The workload of the wire benchmark: the same day for the same seed, and days from files with errors that help."""

import json
from pathlib import Path

import pytest

from gateway_agent.records import Reading
from tests.bench._wire_files import FileProblem, csv_day, recorded_year
from tests.bench._wire_json import decode_json, encode_json
from tests.bench._wire_pole import synthetic_day
from tests.bench._wire_sent import compare
from tests.bench._wire_workload import MINUTE_MS, digest

CHANNELS = {"lamp/volt": {"exponent": -1, "period_s": 60}, "lamp/on": {"exponent": 0, "period": 60}}
ROWS = "time_s,channel,value\n1000,lamp/volt,2301\n1000,lamp/on,1\n1060,lamp/volt,2299\n"


def write(folder: Path, rows: str, channels: object, beside: str = "day.json") -> Path:
    (folder / beside).write_text(json.dumps(channels))
    path = folder / "day.csv"
    path.write_text(rows)
    return path


@pytest.mark.parametrize(
    ("seed", "polls", "readings", "begins"),
    [(1, 4015, 34128, "4ab449be22dae1e7"), (2, 4028, 34242, "6bc1b091ab7ad7f3")],
)
def test_a_seed_gives_the_day_that_the_figures_are_quoted_of(seed: int, polls: int, readings: int, begins: str) -> None:
    day = synthetic_day(seed)
    assert (len(day.polls), day.readings, digest(day)[:16]) == (polls, readings, begins)


def test_batches_are_cut_by_the_clock_and_lose_nothing() -> None:
    day = synthetic_day(1)
    batches = day.batches(15 * MINUTE_MS)
    assert len(batches) == 96
    assert [poll for batch in batches for poll in batch] == list(day.polls)
    assert all(batch[-1].time_ms - batch[0].time_ms < 15 * MINUTE_MS for batch in batches)


@pytest.mark.parametrize(
    ("channels", "beside"),
    [
        ({"channels": CHANNELS}, "day.json"),
        (CHANNELS, "day.csv.json"),
        ([{"name": name, **fields} for name, fields in CHANNELS.items()], "day.json"),
        ({"channels": [{"channel": name, **fields} for name, fields in CHANNELS.items()]}, "day.json"),
    ],
)
def test_a_file_of_rows_becomes_polls_of_devices(tmp_path: Path, channels: object, beside: str) -> None:
    day = csv_day(write(tmp_path, ROWS, channels, beside))
    assert [poll.readings for poll in day.polls] == [
        (Reading("lamp/volt", 1_000_000, 2301, -1), Reading("lamp/on", 1_000_000, 1, 0)),
        (Reading("lamp/volt", 1_060_000, 2299, -1),),
    ]
    assert (day.start_ms, day.points["lamp/volt"].period_ms) == (1_000_000, 60_000)


def test_names_without_a_device_are_of_one(tmp_path: Path) -> None:
    fields = {"exponent": 0, "period_s": 60}
    rows = "time_s,channel,value\n0,PM2.5,7\n0,wind,3\n"
    day = csv_day(write(tmp_path, rows, {"channels": {"PM2.5": fields, "wind": fields}}))
    assert [[reading.point for reading in poll.readings] for poll in day.polls] == [["csv/PM2.5", "csv/wind"]]


def test_channels_of_one_device_that_come_apart_are_polls_apart(tmp_path: Path) -> None:
    fields = {"exponent": 0, "period_s": 60}
    lines = [f"{60 * n},a/x,{n}\n{60 * n},a/y,{n}\n{60 * n + 9},a/z,{n}\n" for n in range(3)]
    rows = "time_s,channel,value\n" + "".join(lines)
    day = csv_day(write(tmp_path, rows, dict.fromkeys(("a/x", "a/y", "a/z"), fields)))
    assert [len(poll.readings) for poll in day.polls] == [2, 1] * 3
    assert [info.group for info in day.points.values()] == [0, 0, 1]


@pytest.mark.parametrize(
    ("rows", "channels", "says"),
    [
        ("a,b,c\n", CHANNELS, "day.csv:1: the first line is 'a,b,c'; write time_s,channel,value"),
        (ROWS + "1000,other,1\n", CHANNELS, "day.csv:5: channel other is not in"),
        (ROWS + "1000,lamp/on,1\n", CHANNELS, "day.csv:5: channel lamp/on has two values at 1000 s"),
        (ROWS + "1120,lamp/on,1.5\n", CHANNELS, "day.csv:5: value is '1.5'; write an integer"),
        (ROWS + "1120,lamp/on\n", CHANNELS, "day.csv:5: 2 fields"),
        ("time_s,channel,value\n", CHANNELS, "there is no reading below the header"),
        (ROWS, {"channels": {"lamp/on": {"period_s": 60}}}, "channel lamp/on: exponent is None"),
        (ROWS, {"channels": {"lamp/on": {"exponent": 0}}}, "channel lamp/on: period_s is None"),
        (ROWS, {"channels": {"lamp on": {"exponent": 0, "period_s": 1}}}, "channel 'lamp on': write letters"),
        (ROWS, {"channels": {}}, "day.json: write"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_where_and_why(
    tmp_path: Path, rows: str, channels: object, says: str
) -> None:
    with pytest.raises(FileProblem) as problem:
        csv_day(write(tmp_path, rows, channels))
    assert says in str(problem.value)


def test_a_file_without_its_channels_says_what_must_lie_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text(ROWS)
    with pytest.raises(FileProblem, match=r"day\.json with each channel's exponent and period must lie beside it"):
        csv_day(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="there is no such file"):
        csv_day(tmp_path / "none.csv")


def test_a_recorded_row_becomes_a_poll_without_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "air.csv"
    path.write_text("year,month,day,hour,PM2.5,TEMP,wd\n2014,1,1,0,20,-1.5,SSE\n2014,1,1,1,NA,3,N\n")
    year = recorded_year(path)
    assert [[(reading.point, reading.value, reading.exponent) for reading in poll.readings] for poll in year.polls] == [
        [("air/pm2_5", 20, 0), ("air/temp", -15, -1), ("air/wd", 1575, -1)],
        [("air/temp", 30, -1), ("air/wd", 0, -1)],
    ]


def test_the_rivals_batch_is_exact() -> None:
    day = synthetic_day(3)
    found = [reading for polls in day.batches(60 * MINUTE_MS) for reading in decode_json(encode_json(polls), day)]
    assert compare(day, found) == (day.readings, 0)


def test_what_arrives_wrong_or_twice_is_told_from_what_is_delivered() -> None:
    day = synthetic_day(3)
    readings = [reading for poll in day.polls for reading in poll.readings]
    first = readings[0]
    readings[0] = Reading(first.point, first.time_ms, first.value + 1, first.exponent)
    assert compare(day, [*readings, readings[5]]) == (day.readings - 1, 2)

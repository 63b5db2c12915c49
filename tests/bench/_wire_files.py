"""Days from files: any CSV with a JSON beside it, and the recorded year of Beijing's air.

FILE.csv has the header `time_s,channel,value` and a row a reading, in any order: whole seconds since 1970, the
channel's name, and the value as the integer of the sensor's resolution. Beside it lies FILE.json (or FILE.csv.json):

    {"channels": {"lamp/volt": {"exponent": -1, "period_s": 60}, "air/pm25": {"exponent": 0, "period_s": 60}}}

`exponent` is the power of ten of the values (-1: tenths). The period is `period_s`, `period` (both seconds) or
`period_ms`; `unit` (SenML's name) may be there too. Without "channels" around it, or as a list of objects with a
`name` or `channel`, it is understood as well. Where every name has a `/`, or every name a `.`, what stands before the
first is the device; else all are of one device. Readings of one time are one poll where they are of one device, have
one period, and mostly come together.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway_agent.records import Reading
from hardware.rig.air import SECTORS
from protocols.senml import is_name
from tests.bench._wire_workload import MINUTE_MS, PointInfo, Poll, Workload

_HEADER = ["time_s", "channel", "value"]
_ONE_DEVICE = "csv"
_LARGEST = (1 << 63) - 1


class FileProblem(Exception):  # noqa: N818 - whoever gave the file reads its text
    """The file cannot be used; the text says where and what to write instead."""


def csv_day(path: Path) -> Workload:
    """What a CSV and its JSON hold, as a workload that begins with its first reading. Raises FileProblem."""
    beside, channels = _read_channels(path)
    names = _full_names(channels)
    infos = {names[name]: _point_info(f"{beside}: channel {name}", fields) for name, fields in channels.items()}
    values: dict[str, dict[int, int]] = {point: {} for point in infos}
    for where, time_s, channel, value in _rows(path):
        if channel not in names:
            raise FileProblem(f"{where}: channel {channel} is not in {beside}; add it there with exponent and period_s")
        if time_s in values[names[channel]]:
            raise FileProblem(f"{where}: channel {channel} has two values at {time_s} s; leave one")
        values[names[channel]][time_s] = value
    groups = _groups(infos, values)
    polls: dict[tuple[int, int], list[Reading]] = {}
    for point, info in infos.items():
        for time_s, value in values[point].items():
            reading = Reading(point, time_s * 1000, value, info.exponent)
            polls.setdefault((time_s, groups[point]), []).append(reading)
    if not polls:
        raise FileProblem(f"{path}: there is no reading below the header")
    points = {point: replace(info, group=groups[point]) for point, info in infos.items()}
    ordered = [Poll(time_s * 1000, tuple(readings)) for (time_s, _), readings in sorted(polls.items())]
    return Workload("csv", ordered[0].time_ms, points, ordered)


def _groups(infos: Mapping[str, PointInfo], values: Mapping[str, Mapping[int, int]]) -> dict[str, int]:
    """For each point the number of its poll: that of the first point of its device and period that mostly has the same
    times."""
    leaders: list[str] = []
    groups: dict[str, int] = {}
    for point, info in infos.items():
        times = values[point].keys()
        for number, leader in enumerate(leaders):
            same_device = leader.partition("/")[0] == point.partition("/")[0]
            if same_device and infos[leader].period_ms == info.period_ms:
                shared = len(times & values[leader].keys())
                if 2 * shared >= len(times | values[leader].keys()):
                    groups[point] = number
                    break
        else:
            groups[point] = len(leaders)
            leaders.append(point)
    return groups


def recorded_year(path: Path) -> Workload:
    """The recorded year of hourly rows (hardware/rig/air.py tells where it comes from), one row a minute.

    A minute, so that a batch of any interval holds as many polls as that of a pole; steps are then those of an hour,
    which is the hard case. What is missing in a row is left out. `path` is a file with the columns of that module.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    columns = [name for name in rows[0] if name not in ("year", "month", "day", "hour")]
    decimals = {name: max(_decimals(row[name]) for row in rows) for name in columns}
    points = {f"air/{_word(name)}": PointInfo(_UNITS.get(name, ""), -decimals[name], MINUTE_MS, 0) for name in columns}
    first = rows[0]
    start = datetime(int(first["year"]), int(first["month"]), int(first["day"]), int(first["hour"]), tzinfo=UTC)
    start_ms = round(start.timestamp() * 1000)
    polls = []
    for number, row in enumerate(rows):
        time_ms = start_ms + number * MINUTE_MS
        readings = tuple(
            Reading(f"air/{_word(name)}", time_ms, _count(row[name], decimals[name]), -decimals[name])
            for name in columns
            if row[name] != "NA"
        )
        if readings:
            polls.append(Poll(time_ms, readings))
    return Workload("beijing", start_ms, points, polls)


_UNITS = {
    "PM2.5": "ug/m3",
    "PM10": "ug/m3",
    "SO2": "ug/m3",
    "NO2": "ug/m3",
    "CO": "ug/m3",
    "O3": "ug/m3",
    "TEMP": "Cel",
    "PRES": "hPa",
    "DEWP": "Cel",
    "RAIN": "mm",
    "wd": "deg",
    "WSPM": "m/s",
}


def _word(name: str) -> str:
    return name.lower().replace(".", "_")


def _decimals(text: str) -> int:
    if text in SECTORS:
        return 1  # sixteenths of a circle are 22.5 degrees
    return len(text.partition(".")[2]) if text != "NA" else 0


def _count(text: str, decimals: int) -> int:
    if text in SECTORS:
        return SECTORS.index(text) * 225
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(decimals, "0"))


def _rows(path: Path) -> Iterator[tuple[str, int, str, int]]:
    """(place in the file, time in seconds, channel, value) of each row. Raises FileProblem."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            if header != _HEADER:
                raise FileProblem(f"{path}:1: the first line is {','.join(header)!r}; write {','.join(_HEADER)}")
            for row in reader:
                if row:
                    where = f"{path}:{reader.line_num}"
                    if len(row) != len(_HEADER):
                        raise FileProblem(f"{where}: {len(row)} fields; write {','.join(_HEADER)}")
                    time_s, channel, value = (field.strip() for field in row)
                    yield where, _integer(where, "time_s", time_s), channel, _integer(where, "value", value)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileProblem(f"{path}: cannot be read: {error}") from error


def _integer(where: str, what: str, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = _LARGEST + 1
    if not -_LARGEST <= number <= _LARGEST:
        raise FileProblem(f"{where}: {what} is {text!r}; write an integer of at most 63 bits")
    return number


def _read_channels(path: Path) -> tuple[Path, Mapping[str, Mapping[str, Any]]]:
    """The JSON beside a CSV, and its channels by name. Raises FileProblem."""
    if not path.is_file():
        raise FileProblem(f"{path}: there is no such file; write the path of a CSV")
    choices = (path.with_suffix(".json"), path.with_name(path.name + ".json"))
    beside = next((choice for choice in choices if choice != path and choice.is_file()), None)
    if beside is None:
        raise FileProblem(f"{path}: {choices[0].name} with each channel's exponent and period must lie beside it")
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileProblem(f"{beside}: is no JSON that can be read: {error}") from error
    channels = found.get("channels", found) if isinstance(found, dict) else found
    if isinstance(channels, list):
        channels = {str(each.get("name", each.get("channel", ""))): each for each in channels if isinstance(each, dict)}
    if not isinstance(channels, dict) or not channels:
        raise FileProblem(f'{beside}: write {{"channels": {{"<name>": {{"exponent": -1, "period_s": 60}}}}}}')
    for name, fields in channels.items():
        if not isinstance(fields, dict):
            raise FileProblem(f'{beside}: channel {name}: write {{"exponent": -1, "period_s": 60}}')
    return beside, channels


def _point_info(where: str, fields: Mapping[str, Any]) -> PointInfo:
    exponent = fields.get("exponent")
    if type(exponent) is not int or not -18 <= exponent <= 18:
        raise FileProblem(f"{where}: exponent is {exponent!r}; write the power of ten of its values, -18 to 18")
    period = fields.get("period_s", fields.get("period"))
    period_ms = fields.get("period_ms", period * 1000 if isinstance(period, int | float) else None)
    if not isinstance(period_ms, int | float) or isinstance(period_ms, bool) or not 1 <= period_ms <= 86_400_000:
        raise FileProblem(f"{where}: period_s is {period!r}; write the seconds between two readings, at most a day")
    return PointInfo(str(fields.get("unit", "")), exponent, round(period_ms), 0)


def _full_names(channels: Mapping[str, object]) -> dict[str, str]:
    """The point `<device>/<name>` of each channel. Raises FileProblem for a name that is none."""
    mark = next((mark for mark in "/." if all(mark in name[1:-1] for name in channels)), None)
    names: dict[str, str] = {}
    for name in channels:
        point = f"{_ONE_DEVICE}/{name}" if mark is None else name.replace(mark, "/", 1)
        if not is_name(point) or ":" in point or point in names.values():
            raise FileProblem(f"channel {name!r}: write letters, digits and - . _ / only, and each name once")
        names[name] = point
    return names

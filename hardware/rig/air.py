"""The air around the pole: a recorded year, replayed row by row.

The record is a CSV file with the columns of the UCI data set 501 (Beijing Multi-Site Air Quality, CC BY 4.0), one row
an hour: `year,month,day,hour,PM2.5,PM10,SO2,NO2,CO,O3,TEMP,PRES,DEWP,RAIN,wd,WSPM` in ug/m3, degrees Celsius, hPa, mm
and m/s. A missing value (NA) holds the last one. Where no recorded year lies beside the repository, the small file of
the project's own is used (`synthetic_air`).

What the record lacks is worked out: humidity from temperature and dew point, sunlight from the sun's height, noise
from the hour of the day, CO2 from CO. Between two rows the values hold; wind gusts and noise change at each step.
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import accumulate
from math import asin, cos, exp, pi, radians, sin
from pathlib import Path
from random import Random
from typing import NamedTuple

_ROOT = Path(__file__).parents[2]
RECORDED_YEAR = _ROOT.parent / "shared" / "data" / "beijing-air-2014.csv"
OWN_FILE = Path(__file__).parent / "data" / "air-synthetic.csv"

SECTORS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")
"""Names of wind directions, each a sixteenth of a circle."""
_LATITUDE = radians(39.9)  # Beijing, where the recorded year comes from
_TILT = radians(23.44)
_CLEAR_SKY_W_M2 = 1000.0
_LUX_PER_W_M2 = 120.0
_MAGNUS_A, _MAGNUS_B = 17.625, 243.04  # Alduchov and Eskridge 1996, over water, degrees Celsius
_GUST = 0.2
_BEAUFORT_M_S = 0.836  # wind speed = 0.836 * force ** 1.5


class AirHour(NamedTuple):
    """One row of the record. Gases and dust in ug/m3, `wind_deg` the direction the wind comes from."""

    day_of_year: int
    hour: int
    pm2_5: float
    pm10: float
    so2: float
    no2: float
    co: float
    o3: float
    temperature: float
    pressure: float
    dew_point: float
    rain_mm: float
    wind_deg: float
    wind_speed: float


_COLUMNS = ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN", "wd", "WSPM")


def air_file() -> Path:
    """The recorded year where it is there, else the project's own file."""
    return RECORDED_YEAR if RECORDED_YEAR.exists() else OWN_FILE


def read_air(path: Path) -> list[AirHour]:
    """The rows of a record, with gaps closed by the value before (at the very beginning: the one after).

    Raises ValueError for a file that is not such a record.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    if not rows or any(column not in rows[0] for column in _COLUMNS):
        raise ValueError(f"{path} is no air record: it needs the columns {', '.join(_COLUMNS)}")
    held = {column: next(_number(row[column]) for row in rows if row[column] != "NA") for column in _COLUMNS}
    hours = []
    for row in rows:
        for column in _COLUMNS:
            if row[column] != "NA":
                held[column] = _number(row[column])
        day = date(int(row["year"]), int(row["month"]), int(row["day"])).timetuple().tm_yday
        hours.append(AirHour(day, int(row["hour"]), *(held[column] for column in _COLUMNS)))
    return hours


def _number(text: str) -> float:
    return SECTORS.index(text) * 22.5 if text in SECTORS else float(text)


def relative_humidity(temperature: float, dew_point: float) -> float:
    """Per cent, from degrees Celsius, by the Magnus formula."""
    saturated = _MAGNUS_A * temperature / (_MAGNUS_B + temperature)
    present = _MAGNUS_A * dew_point / (_MAGNUS_B + dew_point)
    return min(100.0, 100.0 * exp(present - saturated))


def sun_height(day_of_year: int, hour: float) -> float:
    """Sine of the sun's height above the horizon at local solar time, 0.0 at night."""
    declination = asin(sin(_TILT) * sin(2 * pi * (284 + day_of_year) / 365))
    height = sin(_LATITUDE) * sin(declination) + cos(_LATITUDE) * cos(declination) * cos(pi * (hour - 12) / 12)
    return max(0.0, height)


class Air:
    """Replays a record from a row that the seed chooses, one row each `seconds_per_hour`. `quantities` are by name."""

    names: Mapping[str, str] = {"illuminance_short": "illuminance"}

    def __init__(self, seed: int, hours: Sequence[AirHour], seconds_per_hour: float = 3600.0) -> None:
        self._random = Random(f"{seed}/air")
        self._hours = hours
        self._first = self._random.randrange(len(hours))
        self._seconds_per_hour = seconds_per_hour
        self._rain_before = [0.0, *accumulate(hour.rain_mm for hour in hours)]
        self.quantities: dict[str, float] = {}
        self.advance(0.0)

    def hour_at(self, seconds: float) -> AirHour:
        """The row that holds `seconds` after the start."""
        return self._hours[(self._first + int(seconds // self._seconds_per_hour)) % len(self._hours)]

    def advance(self, seconds: float) -> None:
        """Work out all quantities for `seconds` after the start."""
        now = self.hour_at(seconds)
        part = seconds / self._seconds_per_hour % 1
        humidity = relative_humidity(now.temperature, now.dew_point)
        wind = max(0.0, now.wind_speed * self._random.gauss(1, _GUST))
        degrees = (now.wind_deg + self._random.gauss(0, 6)) % 360
        light = _CLEAR_SKY_W_M2 * sun_height(now.day_of_year, now.hour + part) * (1 - 0.6 * (humidity / 100) ** 2)
        by_day = sin(pi * (now.hour + part - 5) / 19) if now.hour >= 5 else 0.0
        self.quantities = {
            "pm2_5": now.pm2_5,
            "pm10": now.pm10,
            "so2": now.so2,
            "no2": now.no2,
            "co": now.co,
            "o3": now.o3,
            "co2": 410 + now.co / 20,
            "temperature": now.temperature,
            "humidity": humidity,
            "dew_point": now.dew_point,
            "pressure": now.pressure,
            "wind_speed": wind,
            "wind_force": float(round((wind / _BEAUFORT_M_S) ** (2 / 3))),
            "wind_direction": degrees,
            "wind_sector": float(round(degrees / 45) % 8),
            "noise": 46 + 14 * by_day + abs(self._random.gauss(0, 3)),
            "radiation": light,
            "illuminance": light * _LUX_PER_W_M2,
            "rainfall": self._rainfall(seconds, part),
            "rain_rate": now.rain_mm,
        }

    def _rainfall(self, seconds: float, part: float) -> float:
        """Millimetres since the start."""
        rows = int(seconds // self._seconds_per_hour)
        rounds, row = divmod(self._first + rows, len(self._hours))
        whole = rounds * self._rain_before[-1] + self._rain_before[row] - self._rain_before[self._first]
        return whole + self._hours[row].rain_mm * part

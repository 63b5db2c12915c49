"""Sunrise and sunset of a place, by the short formula of NOAA (General Solar Position Calculations).

Zenith 90.833 degrees: refraction and the sun's disc. Right within two minutes between 72 degrees north and south.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import acos, cos, pi, radians, sin, tan
from zoneinfo import ZoneInfo

SUNRISE_ZENITH = 90.833
CIVIL_ZENITH = 96.0

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class SunDay:
    """One local day: the zone's offset at its noon, sunrise and sunset in minutes after its midnight by that offset.

    Sunset may be after the day's end and sunrise before its beginning. `never_sets` and `never_rises` tell of polar
    days and nights; the times mean nothing then.
    """

    offset_minutes: int
    sunrise: int
    sunset: int
    never_sets: bool = False
    never_rises: bool = False


def sun_day(day: date, latitude: float, longitude: float, zone: ZoneInfo, zenith: float = SUNRISE_ZENITH) -> SunDay:
    """The sun of a local day; degrees north and east."""
    offset = offset_minutes(day, zone)
    gamma = 2 * pi / (366 if _is_leap(day.year) else 365) * (day.timetuple().tm_yday - 1)
    equation = 229.18 * (
        0.000075 + 0.001868 * cos(gamma) - 0.032077 * sin(gamma) - 0.014615 * cos(2 * gamma) - 0.040849 * sin(2 * gamma)
    )
    declination = (
        0.006918
        - 0.399912 * cos(gamma)
        + 0.070257 * sin(gamma)
        - 0.006758 * cos(2 * gamma)
        + 0.000907 * sin(2 * gamma)
        - 0.002697 * cos(3 * gamma)
        + 0.00148 * sin(3 * gamma)
    )
    north = radians(min(max(latitude, -89.9), 89.9))
    cosine = cos(radians(zenith)) / (cos(north) * cos(declination)) - tan(north) * tan(declination)
    if cosine < -1:
        return SunDay(offset, 0, 0, never_sets=True)
    if cosine > 1:
        return SunDay(offset, 0, 0, never_rises=True)
    half_day = acos(cosine) * 720 / pi
    noon = 720 - 4 * longitude - equation + offset
    return SunDay(offset, round(noon - half_day), round(noon + half_day))


def offset_minutes(day: date, zone: ZoneInfo) -> int:
    """What the zone's clock shows more than UTC at noon of a local day."""
    offset = datetime.combine(day, time(12), zone).utcoffset() or timedelta()
    return round(offset.total_seconds() / 60)


def local_day(unix_s: int, zone: ZoneInfo) -> date:
    """The date that the zone's clock shows."""
    return datetime.fromtimestamp(unix_s, UTC).astimezone(zone).date()


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)

"""The sun's times against the vectors of the domain notes (NOAA short formula, UTC+8, within two minutes)."""

from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from gateway_agent.lighting.sun import CIVIL_ZENITH, SUNRISE_ZENITH, local_day, sun_day

CHINA = ZoneInfo("Asia/Shanghai")
BEIJING, GUIYANG, MOHE = (39.9042, 116.4074), (26.647, 106.63), (52.97, 122.54)
SUMMER, WINTER = date(2026, 6, 21), date(2026, 12, 21)


@pytest.mark.parametrize(
    ("place", "day", "zenith", "rise", "set_"),
    [
        (BEIJING, SUMMER, SUNRISE_ZENITH, "04:45", "19:46"),
        (BEIJING, SUMMER, CIVIL_ZENITH, "04:12", "20:18"),
        (BEIJING, WINTER, SUNRISE_ZENITH, "07:32", "16:52"),
        (BEIJING, WINTER, CIVIL_ZENITH, "07:01", "17:23"),
        (GUIYANG, SUMMER, SUNRISE_ZENITH, "06:00", "19:49"),
        (GUIYANG, WINTER, SUNRISE_ZENITH, "07:37", "18:05"),
        (MOHE, SUMMER, SUNRISE_ZENITH, "03:23", "20:19"),
        (MOHE, WINTER, SUNRISE_ZENITH, "08:00", "15:34"),
    ],
)
def test_the_sun_rises_and_sets_within_two_minutes(
    place: tuple[float, float], day: date, zenith: float, rise: str, set_: str
) -> None:
    found = sun_day(day, *place, CHINA, zenith)
    for minutes, text in ((found.sunrise, rise), (found.sunset, set_)):
        assert abs(minutes - int(text[:2]) * 60 - int(text[3:])) <= 2


@pytest.mark.parametrize(("day", "never_sets"), [(date(2026, 6, 21), True), (date(2026, 12, 21), False)])
def test_polar_day_and_night_are_told(day: date, never_sets: bool) -> None:
    found = sun_day(day, 69.65, 18.96, ZoneInfo("Europe/Oslo"))
    assert (found.never_sets, found.never_rises) == (never_sets, not never_sets)


def test_the_sun_moves_little_from_day_to_day_and_the_poles_raise_nothing() -> None:
    for latitude in (-90.0, -60.0, 0.0, 39.9, 60.0, 90.0):
        days = [sun_day(SUMMER + timedelta(days=n), latitude, 116.4, CHINA) for n in range(400)]
        for one, next_ in pairwise(days):
            if not (one.never_sets or one.never_rises or next_.never_sets or next_.never_rises):
                assert abs(next_.sunset - one.sunset) <= 5


def test_summer_time_is_in_the_offset() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    offsets = [sun_day(date(2026, 3, day), 52.5, 13.4, berlin).offset_minutes for day in (28, 29, 30)]
    assert offsets == [60, 120, 120]
    assert local_day(1_781_740_800 + 15 * 3600, CHINA) == date(2026, 6, 18)
    assert local_day(1_781_740_800 + 16 * 3600, CHINA) == date(2026, 6, 19)

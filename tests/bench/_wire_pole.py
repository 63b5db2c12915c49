"""A synthetic day of one pole: six devices, 24 points, noise from a seed. The same seed gives the same integers.

A lamp with its meter and an air station are read each minute, four manholes every five; three polls in a thousand fail.
Slow quantities are autoregressive noise of first order on a daily curve, rounded to the sensor's own resolution, which
is the integer that a register holds. What is measured on it is a ratio between formats; the absolute figures follow
from the noise that was chosen here. Not in it: alarms, and points that are reported on change.
"""

import numpy as np
from numpy.typing import NDArray

from gateway_agent.records import Reading
from tests.bench._wire_workload import MINUTE_MS, PointInfo, Poll, Workload

START_MS = 1_781_740_800_000  # 2026-06-18 00:00:00 UTC
FAILED_SHARE = 0.003
HOURS = 24

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LAMP = {
    "on": ("/", 0),
    "level_pct": ("%", 0),
    "voltage": ("V", -1),
    "current": ("A", -3),
    "power": ("W", -1),
    "energy": ("kWh", -3),
    "temperature": ("Cel", 0),
}
_AIR = {
    "pm2_5": ("ug/m3", 0),
    "pm10": ("ug/m3", 0),
    "no2": ("ppb", 0),
    "so2": ("ppb", 0),
    "o3": ("ppb", 0),
    "co": ("ppm", -2),
    "noise": ("dB", -1),
    "temperature": ("Cel", -1),
    "humidity": ("%RH", -1),
    "pressure": ("hPa", -1),
    "wind_speed": ("m/s", -1),
    "wind_direction": ("deg", 0),
}
_MANHOLE = {
    "open": ("bool", 0),
    "tilt": ("deg", -1),
    "level": ("mm", 0),
    "ch4": ("%LEL", 0),
    "h2s": ("ppm", -1),
    "battery": ("V", -2),
}
"""For each point of a device its unit and its values' power of ten; names are those of our profiles."""
_MANHOLES = 4
_OPENED = 2  # the manhole that somebody works in for half an hour
_FLOODED = 1  # the one that a shower fills
_DEVICES = {"lamp": (_LAMP, 1), "air": (_AIR, 1), **{f"mh{number}": (_MANHOLE, 5) for number in range(_MANHOLES)}}
"""For each device its points, with unit and exponent, and its period in minutes."""


def synthetic_day(seed: int) -> Workload:
    """The day of `seed`; seed 1 is the one that figures are quoted of."""
    random = np.random.default_rng(seed)
    minutes = HOURS * 60
    hour = (np.arange(minutes) / 60.0) % 24
    lamp, air_temperature = _lamp(random, hour)
    columns = {"lamp": lamp, "air": _air(random, hour, air_temperature)}
    slots = minutes // 5
    hour_of_slot = (np.arange(slots) * 5 / 60.0) % 24
    for number in range(_MANHOLES):
        columns[f"mh{number}"] = _manhole(random, hour_of_slot, number)
    points = {
        f"{device}/{name}": PointInfo(unit, exponent, period * MINUTE_MS, group)
        for group, (device, (quantities, period)) in enumerate(_DEVICES.items())
        for name, (unit, exponent) in quantities.items()
    }
    return Workload(f"seed{seed}", START_MS, points, _polls(random, columns, minutes))


def _polls(random: np.random.Generator, columns: dict[str, list[Integers]], minutes: int) -> list[Poll]:
    polls = []
    for minute in range(minutes):
        time_ms = START_MS + minute * MINUTE_MS
        for device, (quantities, period) in _DEVICES.items():
            if minute % period or random.random() < FAILED_SHARE:
                continue
            row = minute // period
            readings = tuple(
                Reading(f"{device}/{name}", time_ms, int(column[row]), exponent)
                for (name, (_, exponent)), column in zip(quantities.items(), columns[device], strict=True)
            )
            polls.append(Poll(time_ms, readings))
    return polls


def _lamp(random: np.random.Generator, hour: Floats) -> tuple[list[Integers], Floats]:
    """The lamp's columns, and the air temperature, which the air station shares."""
    minutes = len(hour)
    is_on = ((hour >= 20.4) | (hour < 5.1)).astype(int)
    evening, midnight = (hour >= 20.4) & (hour < 23), (hour >= 23) | (hour < 1)
    programme = np.where(evening, 100, np.where(midnight, 60, np.where(hour < 4.5, 40, 70)))
    level = programme * is_on
    minute = 0
    while minute < minutes:  # somebody passes by, and for two to four minutes it is bright
        if is_on[minute] and programme[minute] < 100 and random.random() < 0.02:
            lasts = int(random.integers(2, 5))
            level[minute : minute + lasts] = np.where(is_on[minute : minute + lasts] == 1, 100, 0)
            minute += lasts
        minute += 1
    daily = 230 + 2.2 * np.cos((hour - 3) / 24 * 2 * np.pi) - 2.5 * _bump(hour, 20, 2.5)
    volt = daily + _slow_noise(random, minutes, 0.97, 1.1) + random.normal(0, 0.15, minutes)
    load = np.where(is_on == 1, 7.5 + 0.80 * level + 0.0004 * level**2, 0.6)
    watt = load * (1 + 0.0006 * (volt - 230)) + random.normal(0, 0.06, minutes)
    power_factor = np.where(is_on == 1, 0.95 - 0.12 * np.exp(-level / 25), 0.35)
    amp = watt / (volt * power_factor)
    energy = 1834.217 + np.cumsum(watt) / 60 / 1000
    outside = 17.5 + 6.5 * np.cos((hour - 15) / 24 * 2 * np.pi) + _slow_noise(random, minutes, 0.995, 1.0)
    heat = np.empty(minutes)
    above = 10.0 if is_on[0] else 0.0
    for minute in range(minutes):
        above += (watt[minute] * 0.28 - above) / 25.0
        heat[minute] = above
    inside = outside + heat + random.normal(0, 0.2, minutes)
    columns = [
        is_on,
        level,
        _counts(volt, 1),
        _counts(amp, 3, 0),
        _counts(watt, 1, 0),
        _counts(energy, 3),
        _counts(inside, 0),
    ]
    return columns, outside


def _air(random: np.random.Generator, hour: Floats, outside: Floats) -> list[Integers]:
    minutes = len(hour)
    traffic = 0.25 + 0.9 * _bump(hour, 8.2, 1.4) + 1.0 * _bump(hour, 18.2, 1.8) + 0.35 * _bump(hour, 13, 3)
    weather = np.exp(_slow_noise(random, minutes, 0.998, 0.30))
    pm25 = (9 + 7 * traffic) * weather + _slow_noise(random, minutes, 0.6, 0.9)
    pm10 = 1.55 * pm25 + 4 + 3 * traffic + _slow_noise(random, minutes, 0.7, 1.6)
    no2 = 9 + 22 * traffic * np.exp(_slow_noise(random, minutes, 0.99, 0.2)) + random.normal(0, 1.1, minutes)
    so2 = 2.2 + _slow_noise(random, minutes, 0.99, 0.7) + random.normal(0, 0.5, minutes)
    sun = np.clip(np.sin((hour - 5.2) / 15.6 * np.pi), 0, None) * ((hour > 5.2) & (hour < 20.8))
    o3 = 20 + 34 * sun - 7 * traffic + _slow_noise(random, minutes, 0.99, 2.5) + random.normal(0, 1.2, minutes)
    co = 0.22 + 0.38 * traffic * np.exp(_slow_noise(random, minutes, 0.985, 0.22)) + random.normal(0, 0.012, minutes)
    street = 47 + 13 * np.sqrt(traffic) + _slow_noise(random, minutes, 0.8, 1.8)
    noise = street + random.gamma(0.35, 2.2, minutes)
    moist = 68 - 2.6 * (outside - 17.5) + _slow_noise(random, minutes, 0.995, 3.5) + random.normal(0, 0.12, minutes)
    tide = 0.45 * np.sin(hour / 12 * 2 * np.pi)
    pressure = 1013.8 + _slow_noise(random, minutes, 0.9995, 3.5) + tide + random.normal(0, 0.03, minutes)
    gusts = _slow_noise(random, minutes, 0.93, 0.8) + random.normal(0, 0.35, minutes)
    speed = np.abs(1.4 + 1.9 * sun + gusts)
    turning = np.cumsum(random.normal(0, 1.2, minutes))
    direction = (235 + turning + random.normal(0, 1, minutes) * 22 / (0.6 + speed)) % 360
    temperature = outside + random.normal(0, 0.04, minutes)
    return [
        _counts(pm25, 0, 0),
        _counts(pm10, 0, 0),
        _counts(no2, 0, 0),
        _counts(so2, 0, 0),
        _counts(o3, 0, 0),
        _counts(co, 2, 0),
        _counts(noise, 1),
        _counts(temperature, 1),
        _counts(np.clip(moist, 5, 100), 1, 0, 1000),
        _counts(pressure, 1),
        _counts(speed, 1, 0),
        _counts(np.floor(direction), 0, 0, 359),
    ]


def _manhole(random: np.random.Generator, hour: Floats, number: int) -> list[Integers]:
    slots = len(hour)
    cover = np.zeros(slots, int)
    tilt = 1.2 + 0.7 * number + random.normal(0, 0.05, slots)
    if number == _OPENED:
        begins = int(10.5 * 12)
        cover[begins : begins + 7] = 1
        tilt[begins : begins + 7] = 68 + random.normal(0, 1.5, 7)
    flow = 0.55 + 0.5 * _bump(hour, 7.7, 1.3) + 0.45 * _bump(hour, 19.6, 2.2) + 0.2 * _bump(hour, 13, 2.5)
    level = (140 + 55 * number) * flow + _slow_noise(random, slots, 0.85, 4.0)
    if number == _FLOODED:
        level = level + 260 * np.exp(-np.clip(hour - 16.4, 0, None) / 0.8) * (hour >= 16.4)
    methane = np.clip(_slow_noise(random, slots, 0.97, 1.1) + 0.6, 0, None)
    sulphide = np.clip(0.5 + 1.1 * (1.2 - flow) + _slow_noise(random, slots, 0.9, 0.25), 0, None)
    wear = 3.61 - 0.01 * number - 0.00002 * np.arange(slots)
    battery = wear + 0.012 * np.cos((hour - 15) / 24 * 2 * np.pi) + random.normal(0, 0.003, slots)
    return [
        cover,
        _counts(tilt, 1),
        _counts(level, 0, 0),
        _counts(methane, 0),
        _counts(sulphide, 1),
        _counts(battery, 2),
    ]


def _slow_noise(random: np.random.Generator, count: int, memory: float, deviation: float) -> Floats:
    """Autoregressive noise of first order, with this standard deviation when it has settled."""
    steps = random.standard_normal(count) * deviation * np.sqrt(1 - memory * memory)
    noise = np.empty(count)
    last = random.standard_normal() * deviation
    for place in range(count):
        last = memory * last + steps[place]
        noise[place] = last
    return noise


def _bump(hour: Floats, centre: float, width: float) -> Floats:
    """A bell of height 1 around an hour of the day."""
    away = (hour - centre + 12) % 24 - 12
    return np.exp(-0.5 * (away / width) ** 2)


def _counts(values: Floats, decimals: int, low: int | None = None, high: int | None = None) -> Integers:
    """Integers of the resolution, within bounds where there are any."""
    counts: Integers = np.rint(values * 10**decimals).astype(np.int64)
    if low is not None or high is not None:
        np.clip(counts, low, high, out=counts)
    return counts

"""Makes the project's own small air file: four weeks of hours from a formula, for where no recorded year is at hand.

Nothing in it was measured. Days and a weather front of nine days swing temperature, pressure and wind; dust and gases
gather while the wind is weak; ozone follows the sun; it rains as a front passes. Random parts come from a fixed seed,
and some values are missing, so that the file is read as the recorded year is.

`python -m hardware.rig.synthetic_air > hardware/rig/data/air-synthetic.csv` writes it anew.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import pi, sin
from random import Random

from hardware.rig.air import sun_height

HEADER = "year,month,day,hour,PM2.5,PM10,SO2,NO2,CO,O3,TEMP,PRES,DEWP,RAIN,wd,WSPM"
DAYS = 28
_SEED = 501
_START = datetime(2024, 4, 1)
_FRONT_HOURS = 9 * 24
_MISSING_SHARE = 0.01
_WINDS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def lines() -> Iterator[str]:
    """Yield the lines of the file, comments and header first."""
    yield "# Synthetic: made from the formula in hardware/rig/synthetic_air.py, measured nowhere."
    yield HEADER
    random = Random(_SEED)
    for index in range(DAYS * 24):
        yield _row(index, random)


def _row(index: int, random: Random) -> str:
    at = _START + timedelta(hours=index)
    front = sin(2 * pi * index / _FRONT_HOURS)
    day = sin(2 * pi * (at.hour - 9) / 24)
    wind = max(0.1, 2 + 1.5 * front + 0.8 * day + random.gauss(0, 0.5))
    still = 1 / (0.4 + wind / 2)
    dust = max(3.0, 70 * still + random.gauss(0, 8))
    temperature = 14 + 6 * day - 4 * front + random.gauss(0, 0.4)
    rain = max(0.0, random.gauss(0.5, 1.5)) if 0.75 < front < 0.95 else 0.0
    sun = sun_height(at.timetuple().tm_yday, at.hour)
    values = [
        f"{dust:.0f}",
        f"{dust * 1.4 + max(0.0, 12 * wind + random.gauss(0, 6)):.0f}",
        f"{max(2.0, 9 * still + random.gauss(0, 1)):.0f}",
        f"{max(5.0, 38 * still + random.gauss(0, 4)):.0f}",
        f"{max(100.0, 800 * still + random.gauss(0, 60)):.0f}",
        f"{max(2.0, 20 + 130 * sun + random.gauss(0, 6)):.0f}",
    ]
    values = ["NA" if random.random() < _MISSING_SHARE else value for value in values]
    weather = [
        f"{temperature:.1f}",
        f"{1012 + 7 * front + random.gauss(0, 0.3):.1f}",
        f"{temperature - 9 - 4 * day + (7 if rain else 0):.1f}",
        f"{rain:.1f}",
        _WINDS[int((index / _FRONT_HOURS + random.gauss(0, 0.05)) * 16) % 16],
        f"{wind:.1f}",
    ]
    return ",".join([str(at.year), str(at.month), str(at.day), str(at.hour), *values, *weather])


if __name__ == "__main__":
    print("\n".join(lines()))

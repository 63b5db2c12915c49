"""The manhole beside the pole: water level, four gases, and a cover that lets fresh air in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, pi, sin
from random import Random

from hardware.rig.air import Air

_DRY_M = 0.35
_SWING_M = 0.05
_M_PER_MM_RAIN = 0.015
_DRAIN_S = 3600.0
_FRESH_S = 20.0
_FRESH = {"gas_ch4": 0.0, "gas_o2": 20.9, "gas_co": 0.3, "gas_h2s": 0.0}


@dataclass(frozen=True)
class GasLeak:
    """Methane rises to `peak_lel` per cent of the lower explosive limit and falls again, seconds after the start."""

    begin_s: float
    end_s: float
    peak_lel: float

    def at(self, seconds: float) -> float:
        """Per cent of the lower explosive limit that the leak adds."""
        if not self.begin_s < seconds < self.end_s:
            return 0.0
        return self.peak_lel * sin(pi * (seconds - self.begin_s) / (self.end_s - self.begin_s))


class Manhole:
    """`cover_open()` tells whether the cover is off; `air` brings the rain. `leaks` may be added at any time."""

    names: Mapping[str, str] = {
        "ch4": "gas_ch4",
        "o2": "gas_o2",
        "co": "gas_co",
        "h2s": "gas_h2s",
        "water_level": "level",
    }

    def __init__(self, seed: int, air: Air, cover_open: Callable[[], bool] = lambda: False) -> None:
        random = Random(f"{seed}/manhole")
        self._phases = [random.uniform(0, 2 * pi) for _ in range(4)]
        self._air = air
        self._cover_open = cover_open
        self._rain_m = 0.0
        self._rained_mm = air.quantities["rainfall"]
        self._seconds = 0.0
        self._fresh = 0.0
        self.leaks: list[GasLeak] = []
        self.quantities: dict[str, float] = {}
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Work out all quantities for `seconds` after the start."""
        step = seconds - self._seconds
        self._seconds = seconds
        rained = self._air.quantities["rainfall"]
        self._rain_m = self._rain_m * exp(-step / _DRAIN_S) + (rained - self._rained_mm) * _M_PER_MM_RAIN
        self._rained_mm = rained
        self._fresh += ((1.0 if self._cover_open() else 0.0) - self._fresh) * (1 - exp(-step / _FRESH_S))
        methane = 3.0 + 1.5 * self._wave(0, 700)
        foul = {
            "gas_ch4": methane,
            "gas_o2": 20.6 - 0.02 * methane,
            "gas_co": 5.0 + 2.0 * self._wave(1, 900),
            "gas_h2s": 1.6 + 0.6 * self._wave(2, 500),
        }
        self.quantities = {name: value + (_FRESH[name] - value) * self._fresh for name, value in foul.items()}
        self.quantities["gas_ch4"] += sum(leak.at(seconds) for leak in self.leaks)
        self.quantities["level"] = _DRY_M + _SWING_M * self._wave(3, 1800) + self._rain_m
        self.quantities["temperature"] = 0.5 * (self._air.quantities["temperature"] + 15.0)

    def _wave(self, phase: int, period_s: float) -> float:
        return sin(2 * pi * self._seconds / period_s + self._phases[phase])

"""The mains of the pole: a supply whose voltage and frequency wander, and the loads that hang on it."""

from collections.abc import Callable, Mapping
from math import acos, degrees, hypot, pi, sin, sqrt
from random import Random

Load = Callable[[], tuple[float, float]]
"""Active power in watts and reactive power in var, now."""

_NOMINAL_V = 222.0
_NOMINAL_HZ = 50.0
_OWN_LOAD = (18.0, 9.0)  # gateway, modem and nodes
_DEMAND_S = 60.0


class Mains:
    """What a meter at the foot of the pole sees. `quantities` are by name; energies in Wh and varh."""

    names: Mapping[str, str] = {}

    def __init__(self, seed: int) -> None:
        random = Random(f"{seed}/mains")
        self._phases = [random.uniform(0, 2 * pi) for _ in range(3)]
        self._energy_wh = random.uniform(1e5, 4e6)
        self._reactive_varh = self._energy_wh * 0.3
        self._seconds = 0.0
        self._demand_w = sum(_OWN_LOAD[:1])
        self._peak_w = self._demand_w
        self.loads: list[Load] = [lambda: _OWN_LOAD]
        self.quantities: dict[str, float] = {}
        self.advance(0.0)

    @property
    def voltage(self) -> float:
        """Volts now."""
        return self.quantities["voltage"]

    def advance(self, seconds: float) -> None:
        """Work out all quantities for `seconds` after the start."""
        step = seconds - self._seconds
        self._seconds = seconds
        voltage = (
            _NOMINAL_V
            + 3.0 * sin(2 * pi * seconds / 3600 + self._phases[0])
            + 1.0 * sin(2 * pi * seconds / 97 + self._phases[1])
        )
        active = sum(load()[0] for load in self.loads)
        reactive = sum(load()[1] for load in self.loads)
        apparent = hypot(active, reactive)
        current = apparent / voltage
        self._energy_wh += active * step / 3600
        self._reactive_varh += reactive * step / 3600
        self._demand_w += (active - self._demand_w) * min(1.0, step / _DEMAND_S)
        self._peak_w = max(self._peak_w, self._demand_w)
        self.quantities = {
            "voltage": voltage,
            "current": current,
            "power": active,
            "apparent_power": apparent,
            "reactive_power": reactive,
            "power_factor": active / apparent,
            "phase_angle": degrees(acos(active / apparent)),
            "frequency": _NOMINAL_HZ + 0.02 * sin(2 * pi * seconds / 211 + self._phases[2]),
            "energy": self._energy_wh,
            "energy_import": self._energy_wh,
            "energy_export": 0.0,
            "reactive_energy": self._reactive_varh,
            "reactive_energy_import": self._reactive_varh,
            "reactive_energy_export": 0.0,
            "power_demand": self._demand_w,
            "power_demand_max": self._peak_w,
            "current_demand": self._demand_w / voltage,
            "current_demand_max": self._peak_w / voltage,
        }


def reactive_of(active: float, power_factor: float) -> float:
    """Reactive power in var of a load of `active` watts."""
    return active * sqrt(1 - power_factor**2) / power_factor

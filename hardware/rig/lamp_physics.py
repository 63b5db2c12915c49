"""The lamp as a physical thing: power, power factor, energy and temperature follow the level of its driver."""

from collections.abc import Callable, Mapping
from math import exp
from random import Random

from hardware.rig.air import Air, relative_humidity
from hardware.rig.mains import Mains, reactive_of

RATED_W = 80.0
_STANDBY_W = 0.6
_DRIVER_SHARE = 0.05  # of the rated power, as soon as the lamp burns
_STANDBY_PF = 0.35
_FAILED_BIT, _ON_BIT = 2, 4  # DALI status byte, IEC 62386-102
_WARMING_K = 28.0
_WARMING_S = 300.0


class Lamp:
    """One lamp: `level_pct()` tells its light output (0 to 100), `mains` feeds it, `air` cools it.

    `quantities` are what a meter in its line, a temperature sensor in its housing and its DALI driver see. A lamp that
    has `failed` gives no light and takes standby power, whatever its level.
    """

    names: Mapping[str, str] = {
        "driver_status": "lamp_status",
        "available": "lamp_available",
        "gear_count": "lamp_available",
        "bus_ok": "dali_powered",
        "bus_load": "dali_load",
    }

    def __init__(self, seed: str, level_pct: Callable[[], float], mains: Mains, air: Air) -> None:
        random = Random(seed)
        self._level_pct = level_pct
        self._mains = mains
        self._air = air
        self._energy_wh = random.uniform(2e4, 8e5)
        self._seconds = 0.0
        self.failed = False
        self._temperature = air.quantities["temperature"] + _WARMING_K * self._electric()[0] / RATED_W
        self.quantities: dict[str, float] = {}
        mains.loads.append(self.load)
        self.advance(0.0)

    def load(self) -> tuple[float, float]:
        """Watts and var now."""
        active, power_factor = self._electric()
        return active, reactive_of(active, power_factor)

    def advance(self, seconds: float) -> None:
        """Work out all quantities for `seconds` after the start."""
        step = seconds - self._seconds
        self._seconds = seconds
        active, power_factor = self._electric()
        self._energy_wh += active * step / 3600
        target = self._air.quantities["temperature"] + _WARMING_K * active / RATED_W
        self._temperature += (target - self._temperature) * (1 - exp(-step / _WARMING_S))
        voltage = self._mains.voltage
        self.quantities = {
            "voltage": voltage,
            "current": active / voltage / power_factor,
            "power": active,
            "apparent_power": active / power_factor,
            "reactive_power": reactive_of(active, power_factor),
            "power_factor": power_factor,
            "frequency": self._mains.quantities["frequency"],
            "energy": self._energy_wh,
            "temperature": self._temperature,
            "lamp_status": float(_FAILED_BIT if self.failed else _ON_BIT if self._level_pct() > 0 else 0),
            "lamp_available": 1.0,
            "dali_load": 0.04,
            "dali_powered": 1.0,
            "humidity": relative_humidity(self._temperature, self._air.quantities["dew_point"]),
        }

    def reset_energy(self) -> None:
        """Let the meter count from zero again."""
        self._energy_wh = 0.0

    def _electric(self) -> tuple[float, float]:
        """Watts and power factor now."""
        light = self._level_pct() / 100
        if light <= 0 or self.failed:
            return _STANDBY_W, _STANDBY_PF
        return _STANDBY_W + RATED_W * (_DRIVER_SHARE + (1 - _DRIVER_SHARE) * light), 0.55 + 0.42 * (1 - exp(-5 * light))

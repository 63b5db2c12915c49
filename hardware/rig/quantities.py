"""The physical quantities of the rig's world: their units, how a sensor scatters, and how they become counts.

A quantity is a float in its own unit (`UNITS`). A device's point has perhaps another unit and always a resolution and
a plausible range, all from its profile: `Feed` turns the one into scaled integers of the other.
"""

from random import Random

from gateway_agent.profiles.point import Point

UNITS = {
    "pm2_5": "ug/m3",
    "pm10": "ug/m3",
    "so2": "ug/m3",
    "no2": "ug/m3",
    "co": "ug/m3",
    "o3": "ug/m3",
    "co2": "ppm",
    "temperature": "Cel",
    "humidity": "%RH",
    "dew_point": "Cel",
    "pressure": "hPa",
    "wind_speed": "m/s",
    "wind_force": "Beaufort",
    "wind_direction": "deg",
    "wind_sector": "count",
    "noise": "dB",
    "radiation": "W/m2",
    "illuminance": "lx",
    "rainfall": "mm",
    "rain_rate": "mm",
    "voltage": "V",
    "current": "A",
    "power": "W",
    "apparent_power": "VA",
    "reactive_power": "var",
    "power_factor": "/",
    "phase_angle": "deg",
    "frequency": "Hz",
    "energy": "Wh",
    "energy_import": "Wh",
    "energy_export": "Wh",
    "reactive_energy": "varh",
    "reactive_energy_import": "varh",
    "reactive_energy_export": "varh",
    "power_demand": "W",
    "power_demand_max": "W",
    "current_demand": "A",
    "current_demand_max": "A",
    "lamp_status": "raw",
    "lamp_available": "bool",
    "dali_powered": "bool",
    "dali_load": "/",
    "level": "m",
    "gas_ch4": "%LEL",
    "gas_o2": "%VOL",
    "gas_co": "ppm",
    "gas_h2s": "ppm",
}
"""The unit in which the world keeps each quantity."""

SCATTER = {
    "pm2_5": 0.6,
    "pm10": 0.9,
    "so2": 0.4,
    "no2": 0.6,
    "co": 8.0,
    "o3": 0.6,
    "co2": 1.5,
    "temperature": 0.06,
    "humidity": 0.25,
    "pressure": 0.05,
    "voltage": 0.12,
    "frequency": 0.004,
    "level": 0.001,
    "gas_ch4": 0.15,
    "gas_o2": 0.03,
    "gas_co": 0.3,
    "gas_h2s": 0.1,
}
"""Standard deviation of a sensor's reading, in the quantity's unit; a quantity that is not listed is read exactly."""

RELATIVE_SCATTER = {"current": 0.002, "power": 0.002, "reactive_power": 0.002, "illuminance": 0.01}
"""The same as a share of the value."""

MOLAR_MASS = {"so2": 64.07, "no2": 46.01, "co": 28.01, "o3": 48.00, "gas_co": 28.01, "gas_h2s": 34.08}
"""Grams per mole, to turn mass per volume into parts per million at 25 degrees Celsius and 1013 hPa."""

_MOLAR_VOLUME_L = 24.45
_FACTORS = {
    ("W", "kW"): 1e-3,
    ("Wh", "kWh"): 1e-3,
    ("varh", "kvarh"): 1e-3,
    ("hPa", "Pa"): 100.0,
    ("m", "mm"): 1000.0,
}
_PLAIN = ("raw", "count", "bool", "/", "deg")


def factor(quantity: str, unit: str) -> float:
    """By what a quantity in its own unit is multiplied to be in `unit`; ValueError when the two do not fit."""
    own = UNITS[quantity]
    if own == unit or (own in _PLAIN and unit in _PLAIN):
        return 1.0
    if (own, unit) in _FACTORS:
        return _FACTORS[own, unit]
    mass = MOLAR_MASS.get(quantity)
    if mass is not None and (own, unit) == ("ug/m3", "ppm"):
        return _MOLAR_VOLUME_L / mass / 1000
    if mass is not None and (own, unit) == ("ppm", "ug/m3"):
        return mass / _MOLAR_VOLUME_L * 1000
    raise ValueError(f"{quantity} in {own} cannot be told in {unit}")


class Feed:
    """Turns one quantity into counts of one point: scattered as a sensor does, in the point's unit, within its range.

    `seed` moves the scatter. Raises ValueError when the units do not fit.
    """

    def __init__(self, point: Point, quantity: str, seed: str) -> None:
        self.point = point
        self.quantity = quantity
        self._random = Random(seed)
        self._counts = factor(quantity, point.unit) * 10.0**-point.exponent
        self._scatter = SCATTER.get(quantity, 0.0)
        self._share = RELATIVE_SCATTER.get(quantity, 0.0)
        register = point.register
        self._low = max(point.low, 1) if register is not None and register.zero_means_retry else point.low

    def counts(self, value: float) -> int:
        """The value as the sensor reads it this time: a scaled integer of the point."""
        sigma = self._scatter + self._share * abs(value)
        if sigma:
            value = self._random.gauss(value, sigma)
        return min(self.point.high, max(self._low, round(value * self._counts)))

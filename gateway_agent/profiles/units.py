"""The units that a profile may use.

A name is that of the SenML units registry (RFC 8428 section 12.1, RFC 8798 section 5) where one exists, so that the
uplink sends it as it is. The few others are marked; SenML carries them as plain text.
"""

SENML_UNITS = {
    "A": "ampere",
    "Cel": "degree Celsius",
    "Hz": "hertz",
    "Pa": "pascal",
    "V": "volt",
    "VA": "volt-ampere",
    "W": "watt",
    "W/m2": "watt per square metre",
    "%": "per cent",
    "%RH": "relative humidity in per cent",
    "/": "a ratio, 1 is the whole",
    "count": "a count of events or a plain number",
    "dB": "decibel",
    "deg": "degree of angle",
    "lx": "lux",
    "m": "metre",
    "m/s": "metre per second",
    "s": "second",
    "var": "volt-ampere reactive",
    "Wh": "watt-hour",
    "hPa": "hectopascal",
    "kWh": "kilowatt-hour",
    "kvarh": "kilovolt-ampere reactive hour",
    "mm": "millimetre",
    "ppb": "parts per billion",
    "ppm": "parts per million",
    "ug/m3": "microgram per cubic metre",
}
"""Units of the SenML registry."""

OWN_UNITS = {
    "%LEL": "per cent of the lower explosive limit",
    "%VOL": "per cent by volume",
    "Beaufort": "wind force on the Beaufort scale",
    "bool": "0 or 1",
    "kW": "kilowatt",
    "raw": "the device's own steps, without a unit",
}
"""Units that the SenML registry does not have."""

UNITS = {**SENML_UNITS, **OWN_UNITS}
"""All units by name, with their meaning in words."""

"""From a point's value to that of an OMA resource and back: always to the very same scaled integer.

Where the two units differ by a power of ten, the exponent moves. Where they differ by another factor, the value is
rounded to so many digits that a step of the point is more than a step of the resource, so that none is lost.
"""

from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property
from typing import Annotated, Literal

from pydantic import Field

from gateway_agent.toml_source import TomlModel
from protocols import senml

Scaled = tuple[int, int]
"""(value, exponent): value * 10 ** exponent."""

DRIVER_LEVELS = 254
"""Highest level of a DALI driver; 255 says that there is none (IEC 62386-102)."""
_STEPS_A_DECADE = Fraction(253, 3)


class Conversion(TomlModel):
    """`to` of an objects file: at most one of its keys, none where the value is the same."""

    power_of_ten: Annotated[int, Field(ge=-9, le=9)] = 0
    factor: Annotated[str, Field(pattern=r"^0\.0*[1-9][0-9]{0,24}$")] | None = None
    boolean: Literal["same", "inverted"] | None = None
    curve: Literal["dali-log"] | None = None

    @property
    def is_linear(self) -> bool:
        """Whether means and sums may be converted as values are."""
        return self.boolean is None and self.curve is None

    @property
    def digits(self) -> int:
        """Decimal places that a factor adds."""
        return self._rounding[0]

    def there(self, value: int, exponent: int) -> Scaled | bool | None:
        """The value of the resource, a bool where it is one; None when the resource cannot say it."""
        if self.boolean is not None:
            return (value == 1) == (self.boolean == "same") if exponent == 0 and value in (0, 1) else None
        if self.curve is not None:
            return _light()[value] if exponent == 0 and 0 <= value <= DRIVER_LEVELS else None
        if self.factor is not None:
            digits, scaled = self._rounding
            return _within(round(value * scaled), exponent - digits)
        return _within(value, exponent + self.power_of_ten)

    def back(self, value: int, exponent: int) -> Scaled | None:
        """The point's value of the resource's, true being 1 and false 0; None for what `there` never gives."""
        if self.boolean is not None:
            return (value if self.boolean == "same" else 1 - value, 0) if exponent == 0 and value in (0, 1) else None
        if self.curve is not None:
            level = _levels().get((value, exponent))
            return None if level is None else (level, 0)
        if self.factor is not None:
            digits, scaled = self._rounding
            return _within(round(value / scaled), exponent + digits)
        return _within(value, exponent - self.power_of_ten)

    @cached_property
    def _rounding(self) -> tuple[int, Fraction]:
        """Decimal places to add, and the factor with them, more than 1 and at most 10."""
        scaled, digits = Fraction(self.factor or "1"), 0
        while scaled <= 1:
            scaled, digits = scaled * 10, digits + 1
        return digits, scaled


def _within(value: int, exponent: int) -> Scaled | None:
    """The number if SenML may carry it here."""
    if abs(value) <= senml.MAX_MANTISSA and abs(exponent) <= senml.MAX_EXPONENT:
        return value, exponent
    return None


@cache
def _light() -> tuple[Scaled, ...]:
    """Per cent of light of each driver level to three digits, of which a step has 2.8 %."""
    return ((0, 0), *(_per_cent(level) for level in range(1, DRIVER_LEVELS + 1)))


def _per_cent(level: int) -> Scaled:
    decades = Fraction(level - 1) / _STEPS_A_DECADE - 1
    exact = Decimal(10) ** (Decimal(decades.numerator) / Decimal(decades.denominator))
    exponent = exact.adjusted() - 2
    return int(exact.scaleb(-exponent).to_integral_value()), exponent


@cache
def _levels() -> dict[Scaled, int]:
    return {value: level for level, value in enumerate(_light())}

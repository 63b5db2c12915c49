"""From linear light output to a lamp driver's value."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

_CONTEXT = Context(prec=30)


def lamp_curve(curve: str, off_value: int, full_value: int) -> tuple[int, ...]:
    """The driver's value for each `level_pct` 0 to 100, 101 numbers; level 0 is `off_value`.

    `linear`: level / 100 * full_value. `dali-log`: the n whose light output X% = 10^((n-1)/(253/3)-1) is nearest on
    the logarithmic scale (IEC 62386-102), 1 to 254. Half goes to even. Decimal arithmetic, so that every computer
    makes the same table.
    """
    return (off_value, *(_value(curve, level, full_value) for level in range(1, 101)))


def _value(curve: str, level: int, full_value: int) -> int:
    if curve == "linear":
        exact = _CONTEXT.divide(Decimal(level * full_value), Decimal(100))
    else:
        decades = _CONTEXT.add(_CONTEXT.log10(Decimal(level)), Decimal(1))
        exact = _CONTEXT.add(Decimal(1), _CONTEXT.divide(_CONTEXT.multiply(decades, Decimal(253)), Decimal(3)))
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))

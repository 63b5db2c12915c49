"""The angle between two vectors in whole tenths of a degree, by integers alone: nothing is allocated on a node."""

_SHIFT = 8
_DEGREE = 1000
_STEPS = (45000, 26565, 14036, 7125, 3576, 1790, 895, 448, 224, 112, 56, 28, 14, 7)
"""Arc tangents of 2**-n in thousandths of a degree: the rotations of CORDIC (Volder, 1959)."""


def between(ax: int, ay: int, az: int, bx: int, by: int, bz: int) -> int:
    """0 to 1800 tenths of a degree, right to a tenth where both are about 1000 long; 0 if one of them is nothing.

    For `a` up to 1200 long and parts of `b` from -2000 to 2000 (gravity and an accelerometer, in thousandths of g).
    """
    across = root(square(ay * bz - az * by) + square(az * bx - ax * bz) + square(ax * by - ay * bx)) << _SHIFT
    along = ax * bx + ay * by + az * bz
    if across == 0 and along == 0:
        return 0
    x = abs(along)
    y = across
    angle = 0
    for step in range(len(_STEPS)):
        if y >= 0:
            x, y = x + (y >> step), y - (x >> step)
            angle += _STEPS[step]
        else:
            x, y = x - (y >> step), y + (x >> step)
            angle -= _STEPS[step]
    tenths = max(0, (angle + 50) // 100)
    return 1800 - tenths if along < 0 else tenths


def square(value: int) -> int:
    """`value * value` of a product of two parts, in steps of 2**16."""
    value >>= _SHIFT
    return value * value


def root(value: int) -> int:
    """The whole square root of `value`, 0 to 2**30."""
    found = 0
    bit = 1 << 28
    while bit:
        if value >= found + bit:
            value -= found + bit
            found = (found >> 1) + bit
        else:
            found >>= 1
        bit >>= 2
    return found

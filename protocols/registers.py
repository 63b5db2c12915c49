"""Register contents and scaled integers, with integer arithmetic alone; the same on CPython and MicroPython.

A scaled integer stands for `value / 10 ** digits`. Reading allocates nothing as long as the numbers stay below 2**30,
MicroPython's bound for small integers on a 32-bit machine. Modbus has the most significant byte first within a
register (MODBUS Application Protocol V1.1b3, section 4.2); the order of the registers is the maker's choice.
"""

MAX_F32_DIGITS = 6
"""Decimal digits after the point that `f32_to_scaled` can keep."""

_POWERS = (1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000)


def unsigned(registers: list[int], offset: int, count: int, little: bool) -> int:
    """The unsigned number in `registers[offset:offset + count]`; `little` has the least significant register first."""
    value = 0
    for index in range(count):
        value = value << 16 | registers[offset + (count - 1 - index if little else index)]
    return value


def put_unsigned(registers: list[int], offset: int, count: int, little: bool, value: int) -> None:
    """Write the low `16 * count` bits of `value` (of its two's complement, if negative) into the registers."""
    for index in range(count):
        registers[offset + (index if little else count - 1 - index)] = value >> 16 * index & 0xFFFF


def signed(value: int, bits: int) -> int:
    """The two's complement reading of a `bits` wide unsigned `value`."""
    return value - (1 << bits) if value >> (bits - 1) else value


def take_bits(word: int, low: int, width: int) -> int:
    """`width` bits of a register, the lowest of them being bit `low`."""
    return word >> low & (1 << width) - 1


def put_bits(word: int, low: int, width: int, value: int) -> int:
    """The register with those bits replaced by the low `width` bits of `value`."""
    mask = (1 << width) - 1 << low
    return word & ~mask | value << low & mask


def fits_s32(value: int) -> bool:
    """Whether 32 bits with sign hold the value. Shifted, for a bound beyond 2**30 would be an object on MicroPython."""
    return -1 <= value >> 31 <= 0


def times_power_of_ten(value: int, power: int) -> int:
    """`value * 10 ** power` for `power` -9 to 9, rounded half to even where digits fall away."""
    if power >= 0:
        return value * _POWERS[power]
    divisor = _POWERS[-power]
    whole = value // divisor
    rest = value - whole * divisor
    if rest * 2 > divisor or (rest * 2 == divisor and whole & 1):
        whole += 1
    return whole


def f32_is_number(high: int) -> bool:
    """Whether an f32 with this high register is a number: neither NaN nor infinite (IEEE 754-2019, section 3.4)."""
    return high & 0x7F80 != 0x7F80


def f32_to_scaled(high: int, low: int, digits: int) -> int | None:
    """The f32 in two registers as the nearest integer of 1 / 10**digits, half to even; exact at every step.

    `digits` is 0 to MAX_F32_DIGITS. None for NaN, for infinities and where 32 bits with sign do not hold the result.
    """
    exponent = high >> 7 & 0xFF
    mantissa = (high & 0x7F) << 16 | low
    if exponent == 255:
        return None
    if exponent == 0:
        exponent = 1
    else:
        mantissa |= 0x800000
    shift = 150 - exponent  # the number is mantissa / 2**shift
    if shift <= 0:
        magnitude = _scale_whole(mantissa, -shift, digits)
    elif shift <= 27:
        magnitude = _scale_fraction(mantissa, shift, digits)
    else:
        magnitude = _scale_small(mantissa, shift, digits)
    value = -magnitude if high & 0x8000 else magnitude
    return value if magnitude >= 0 and fits_s32(value) else None


def _scale_whole(mantissa: int, shift: int, digits: int) -> int:
    """mantissa * 2**shift * 10**digits, or -1 beyond 2**31."""
    if shift > 8:
        return -1
    value = mantissa << shift
    for _ in range(digits):
        if value > 214748364:
            return -1
        value *= 10
    return value


def _scale_fraction(mantissa: int, shift: int, digits: int) -> int:
    """mantissa / 2**shift * 10**digits, rounded, for shift 1 to 27, or -1 beyond 2**31.

    One digit at a time: ten times the rest over 2**shift is five times the rest over 2**(shift - 1), so that the rest
    stays below 5 * 2**27.
    """
    value = mantissa >> shift
    rest = mantissa & (1 << shift) - 1
    for _ in range(digits):
        digit = 0
        if rest:
            shift -= 1
            rest *= 5
            digit = rest >> shift
            rest &= (1 << shift) - 1
        if value > 214748364:
            return -1
        value = value * 10 + digit
    if rest:
        half = 1 << (shift - 1)
        if rest > half or (rest == half and value & 1):
            value += 1
    return value


def _scale_small(mantissa: int, shift: int, digits: int) -> int:
    """The same for shift above 27, where the number is below 1/8: the rest in two limbs, the lower of 16 bits."""
    if shift > 46:
        return 0
    value = 0
    high = mantissa >> 16
    low = mantissa & 0xFFFF
    for _ in range(digits):
        shift -= 1
        low *= 5
        high = high * 5 + (low >> 16)
        low &= 0xFFFF
        value = value * 10 + (high >> (shift - 16))
        high &= (1 << (shift - 16)) - 1
    half = 1 << (shift - 17)
    if high > half or (high == half and (low or value & 1)):
        value += 1
    return value


def scaled_to_f32(value: int, digits: int) -> int:
    """The 32 bits of the f32 that is nearest to `value / 10**digits`, half to even; `digits` 0 to 9.

    `value` may be any integer of 32 bits with sign. May allocate.
    """
    if value == 0:
        return 0
    numerator = -value if value < 0 else value
    denominator = _POWERS[digits]
    exponent = 150
    while numerator < denominator << 23:
        numerator <<= 1
        exponent -= 1
    while numerator >= denominator << 24:
        denominator <<= 1
        exponent += 1
    mantissa, rest = divmod(numerator, denominator)
    if rest * 2 > denominator or (rest * 2 == denominator and mantissa & 1):
        mantissa += 1
        if mantissa == 1 << 24:
            mantissa >>= 1
            exponent += 1
    return (0x80000000 if value < 0 else 0) | exponent << 23 | mantissa & 0x7FFFFF

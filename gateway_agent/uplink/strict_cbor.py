"""CBOR from somebody else: any bytes give a value or a FormatError, in bounded time and memory.

cbor2 decodes, but takes more than we want: trailing bytes, any tag (compiled regular expressions, dates, shared
references), indefinite lengths, repeated keys. So the bytes are walked first, item head by item head, and only what is
plain, definite, shallow, short and whole reaches cbor2. RFC 8949, sections 3 and 5.
"""

from dataclasses import dataclass

import cbor2

from gateway_agent.uplink.errors import FormatError

DECIMAL_FRACTION = 4
"""The one tag that we know: [exponent, mantissa] (RFC 8949, 3.4.4)."""

_LENGTH_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = 2, 3, 4, 5, 6, 7
_FALSE, _TRUE = 20, 21


@dataclass(frozen=True, slots=True)
class Limits:
    """What a message may be at most: bytes in all, containers within each other, and data items in all."""

    size_bytes: int
    depth: int
    items: int
    decimal_fractions: bool


def decode(data: bytes, limits: Limits) -> object:
    """Decode `data`, which must be exactly one CBOR item within `limits`.

    Lists, dicts, str, bytes, int, bool and float come out; a decimal fraction becomes a tuple (exponent, mantissa).
    Raises FormatError with what is wrong and at which byte.
    """
    _walk(data, limits)
    try:
        return cbor2.loads(
            data,
            semantic_decoders={DECIMAL_FRACTION: _decimal_fraction},
            max_depth=limits.depth + 2,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
    except cbor2.CBORDecodeError as error:
        raise FormatError(f"not CBOR that we read: {error}") from error


def _decimal_fraction(content: object, _immutable: bool) -> tuple[int, int]:
    # Exactly two integers; anything else is refused by whoever checks the fields, for it stays no number.
    if isinstance(content, (list, tuple)) and len(content) == 2:
        exponent, mantissa = content
        if type(exponent) is int and type(mantissa) is int:
            return exponent, mantissa
    raise cbor2.CBORDecodeError("a decimal fraction is two integers")


def _walk(data: bytes, limits: Limits) -> None:
    if len(data) > limits.size_bytes:
        raise FormatError(f"{len(data)} bytes, more than the {limits.size_bytes} that are read")
    at = 0
    items = 0
    open_items = [1]
    while open_items:
        if not open_items[-1]:
            open_items.pop()
            continue
        open_items[-1] -= 1
        items += 1
        if items > limits.items:
            raise FormatError(f"more than {limits.items} data items")
        major, argument, at = _head(data, at)
        if major in (_BYTES, _TEXT):
            if argument > len(data) - at:
                raise FormatError(f"a string of {argument} bytes ends after the message")
            at += argument
        elif major in (_ARRAY, _MAP):
            if argument > len(data) - at:
                raise FormatError(f"a container of {argument} items ends after the message")
            open_items.append(argument if major == _ARRAY else 2 * argument)
        elif major == _TAG:
            if argument != DECIMAL_FRACTION or not limits.decimal_fractions:
                raise FormatError(f"tag {argument} before byte {at} is not read here")
            open_items.append(1)
        if len(open_items) > limits.depth + 1:
            raise FormatError(f"nested deeper than {limits.depth}")
    if at != len(data):
        raise FormatError(f"{len(data) - at} bytes after the end")


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """(major type, argument, position after the head) of the data item that begins at `at`."""
    if at >= len(data):
        raise FormatError(f"ends at byte {at} in the middle of an item")
    first = data[at]
    major, low = first >> 5, first & 31
    at += 1
    if low < 24:
        if major == _OTHER and low not in (_FALSE, _TRUE):
            raise FormatError(f"simple value {low} before byte {at} is not read here")
        return major, low, at
    if low not in _LENGTH_BYTES:
        raise FormatError(f"indefinite or reserved length before byte {at}")
    end = at + _LENGTH_BYTES[low]
    if end > len(data):
        raise FormatError(f"ends at byte {len(data)} in the middle of an item")
    if major == _OTHER and low == 24:
        raise FormatError(f"simple value before byte {at} is not read here")
    return major, int.from_bytes(data[at:end], "big"), end

"""SenML packs as CBOR (RFC 8428, section 6), both ways; what the fields mean is in protocols.senml.

Scaled integers travel as integers or as decimal fractions (tag 4), so that they stay exact. Floating point from other
senders is read as the shortest decimal that means the same float. Decoding is strict: any bytes give a pack or a
FormatError.
"""

import math
from collections.abc import Mapping
from decimal import Decimal

import cbor2

from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.strict_cbor import DECIMAL_FRACTION, Limits, decode
from protocols import senml

MAX_PACK_BYTES = 1152
"""Longest pack that is read: what fits a CoAP message without fragmenting below it (RFC 7252, 4.6)."""
PACK_LIMITS = Limits(size_bytes=MAX_PACK_BYTES, depth=4, items=2048, decimal_fractions=True)

Fields = dict[int | str, object]

_NUMBERS = (senml.BASE_TIME, senml.BASE_VALUE, senml.BASE_SUM, senml.VALUE, senml.SUM, senml.TIME, senml.UPDATE_TIME)


def encode_record(fields: Mapping[int | str, object]) -> bytes:
    """One record as a CBOR map, in the order of `fields`; a tuple (exponent, mantissa) becomes a decimal fraction."""
    return cbor2.dumps(
        {
            label: cbor2.CBORTag(DECIMAL_FRACTION, list(value)) if isinstance(value, tuple) else value
            for label, value in fields.items()
        }
    )


def array_head(count: int) -> bytes:
    """The head of a CBOR array of `count` items, up to 65535."""
    if count < 24:
        return bytes((0x80 | count,))
    return bytes((0x98, count)) if count < 256 else b"\x99" + count.to_bytes(2, "big")


def decode_pack(data: bytes) -> list[Fields]:
    """The pack's records as dicts of label to value, base fields included, numbers as int or (exponent, mantissa).

    Raises FormatError. senml.resolve checks the fields and takes the base fields out.
    """
    pack = decode(data, PACK_LIMITS)
    if not isinstance(pack, list):
        raise FormatError("a SenML pack is an array")
    return [_check_record(record, position) for position, record in enumerate(pack)]


def _check_record(record: object, position: int) -> Fields:
    if not isinstance(record, dict):
        raise FormatError(f"record {position} is not a map")
    for label, value in record.items():
        if type(label) not in (int, str):
            raise FormatError(f"record {position} has a label that is neither a number nor text")
        if label in _NUMBERS and isinstance(value, float):
            record[label] = _exact(value, position)
    return record


def _exact(value: float, position: int) -> int | tuple[int, int]:
    if not math.isfinite(value):
        raise FormatError(f"record {position} has a number that is not finite")
    _sign, digits, exponent = Decimal(repr(value)).as_tuple()
    mantissa = int("".join(map(str, digits)))
    # A Decimal that is finite has an integer exponent; 120.0 is 120.
    scale = int(exponent)
    while scale and mantissa % 10 == 0 and mantissa:
        mantissa //= 10
        scale += 1
    return senml.number(-mantissa if value < 0 else mantissa, scale if mantissa else 0)

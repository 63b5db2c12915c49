"""Whether a manifest is signed: RSA-3072, PKCS#1 v1.5, SHA-256, public exponent 65537 (RFC 8017, 8.2.2 and 9.2).

Only integers are used, for MicroPython has no public-key module. Verification compares the whole encoded message,
so that nothing in it is parsed.
"""

import asyncio

from micropython import const

from node import supervisor
from protocols import bundle

_SQUARINGS = const(16)
_PAUSE_MS = const(1)
_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


async def is_signed(digest: bytes, signature: bytes, modulus: bytes, seat: supervisor.Seat) -> bool:
    """Whether `signature` over the SHA-256 `digest` was made with the key of `modulus`, both 384 bytes.

    65537 is 2^16 + 1: sixteen squarings and one multiplication, each a step between which others run.
    """
    if len(modulus) != bundle.SIGNATURE_BYTES or len(signature) != bundle.SIGNATURE_BYTES or modulus[0] < 0x80:
        return False
    n = int.from_bytes(modulus, "big")
    s = int.from_bytes(signature, "big")
    if s >= n:
        return False
    power = s
    for _ in range(_SQUARINGS):
        power = power * power % n
        seat.check_in()
        await asyncio.sleep_ms(_PAUSE_MS)
    return power * s % n == int.from_bytes(_encoded(digest), "big")


def _encoded(digest: bytes) -> bytes:
    padding = bundle.SIGNATURE_BYTES - 3 - len(_DIGEST_INFO) - len(digest)
    return b"\x00\x01" + b"\xff" * padding + b"\x00" + _DIGEST_INFO + digest

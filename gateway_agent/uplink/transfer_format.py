"""What both sides of a transfer by blocks agree on: kinds, limits, digests, and how blocks count.

protocols/spec/transfer.md tells it in words and bytes. A file is named by its kind and its digest, so a transfer can be
taken up by either side after any interruption: what is stored of a file is a number of bytes from its beginning.
"""

import hashlib
from dataclasses import dataclass

import cbor2

from gateway_agent.uplink.errors import FormatError, UplinkError
from gateway_agent.uplink.strict_cbor import Limits, decode
from protocols import bundle

UP, DOWN = "u", "d"
"""First segment of the path: files that gateways send, and files that they fetch."""

CHANNELS, LEDGER, REPORT, LOG = "channels", "ledger", "report", "log"
CONFIGURATION, UPDATE = "configuration", "update"

UPLOAD_LIMITS = {CHANNELS: 32 << 10, REPORT: 16 << 10, LEDGER: 64 << 10, LOG: 64 << 10}
"""Kinds that go up, the most urgent first, and the most bytes that a file of each may have."""

DOWNLOAD_LIMITS = {
    CONFIGURATION: 64 << 10,
    UPDATE: bundle.MAX_MANIFEST_BYTES + bundle.SIGNATURE_BYTES + bundle.MAX_CONTENT_BYTES,
}
"""Kinds that go down, the most urgent first, and the most bytes that a file of each may have."""

MAX_WAITING_UPLOADS = 8
"""Files that a gateway keeps to be sent, and files that the platform keeps unfinished of one gateway."""

DIGEST_BYTES = 8
"""The first bytes of the SHA-256 of the file: as long as an ETag may be (RFC 7252, 5.10.6)."""

SMALLEST_EXPONENT, DEFAULT_EXPONENT, LARGEST_EXPONENT = 2, 5, 6
"""SZX of RFC 7959, 2.2, that we send: 64, 512 and 1024 bytes."""

DIGEST_KEY, REPORT_KEY = "d=", "r="
"""Uri-Query: the digest in hexadecimal digits, and what came of a file (`TAKEN` or `REFUSED`)."""
TAKEN, REFUSED = "taken", "refused"

STORED, IS_WHOLE = 1, 2
CBOR_FORMAT, OCTETS_FORMAT = 60, 42
_STORED_LIMITS = Limits(size_bytes=64, depth=1, items=16, decimal_fractions=False)


class TransferError(UplinkError):
    """A file cannot be taken for a transfer: too long, of an unknown kind, or no room; the text says which."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the platform holds of an upload: bytes from the beginning, and whether that is all and was right."""

    stored_bytes: int
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that the platform has for the gateway: what key 7 of an answer names."""

    kind: str
    digest: bytes
    total_bytes: int


def digest_of(data: bytes) -> bytes:
    """The digest that names a file."""
    return hashlib.sha256(data).digest()[:DIGEST_BYTES]


def block_bytes(size_exponent: int) -> int:
    """Bytes of a block of RFC 7959: 16 for an SZX of 0, 1024 for 6."""
    return 16 << size_exponent


def check_limits(kind: str, size_bytes: int, limits: dict[str, int]) -> None:
    """Raise TransferError unless a file of this kind and length may travel."""
    if kind not in limits:
        raise TransferError(f"there are no files of kind {kind} here; the kinds are {', '.join(limits)}")
    if not 0 < size_bytes <= limits[kind]:
        raise TransferError(f"a file of kind {kind} has 1 to {limits[kind]} bytes, this one {size_bytes}; split it")


def encode_stored(stored: Stored) -> bytes:
    """CBOR for the answer to a GET of an upload, and to a block that does not follow."""
    fields: dict[int, object] = {STORED: stored.stored_bytes}
    if stored.is_whole:
        fields[IS_WHOLE] = True
    return cbor2.dumps(fields)


def decode_stored(payload: bytes) -> Stored:
    """Read what `encode_stored` writes; unknown keys are passed over. Raises FormatError."""
    fields = decode(payload, _STORED_LIMITS)
    if not isinstance(fields, dict):
        raise FormatError("what is stored of a file is told as a map")
    stored_bytes, is_whole = fields.get(STORED), fields.get(IS_WHOLE, False)
    if type(stored_bytes) is not int or stored_bytes < 0:
        raise FormatError("key 1, the bytes that are stored of a file, is an integer from 0")
    if type(is_whole) is not bool:
        raise FormatError("key 2, whether a file is stored whole, is true or false")
    return Stored(stored_bytes, is_whole)


def read_digest(query: tuple[str, ...]) -> bytes:
    """The digest in a Uri-Query. Raises FormatError when there is none, or no digest."""
    return digest_from_text(query_value(query, DIGEST_KEY) or "")


def digest_from_text(text: str) -> bytes:
    """The digest that is written in hexadecimal digits. Raises FormatError."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES or text != digest.hex():
        raise FormatError(f"the query names the file as d=, then its digest in {2 * DIGEST_BYTES} lower-case digits")
    return digest


def query_value(query: tuple[str, ...], key: str) -> str | None:
    """What follows `key` (such as "d=") in the one query that begins with it, None when there is none."""
    for part in query:
        if part.startswith(key):
            return part[len(key) :]
    return None

"""The head of a CoAP datagram (RFC 7252, 3) and of its OSCORE option (RFC 8613, 6.1), read in bounded time.

This is what is looked at before a datagram is let into aiocoap, and before one goes out of our socket.
"""

from dataclasses import dataclass

CON, NON, ACK, RST = range(4)
EMPTY, POST, FETCH = 0, 2, 5
"""Codes of RFC 7252, 12.1 and RFC 8132, 2; EMPTY with the types ACK and RST, POST and FETCH carry OSCORE requests."""
URI_PATH, OSCORE, EDHOC = 11, 9, 21
"""Option numbers of RFC 7252, 12.2, RFC 8613, 2 and RFC 9668, 3.1."""
EDHOC_PATH = (b".well-known", b"edhoc")
"""RFC 9528, A.2.1."""

_MAX_TOKEN_BYTES = 8
_PIV_MASK, _KID_FLAG, _KID_CONTEXT_FLAG, _UNUSED_MASK = 0b111, 0b1000, 0b10000, 0b11100000
_MAX_PIV_BYTES = 5


class BadDatagram(Exception):  # noqa: N818 - a state of the air, not a mistake of ours
    """Not a CoAP message; `reason` is a short word for the count."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Datagram:
    """Type, code, message id and token, options as (number, value), and the payload."""

    type: int
    code: int
    message_id: int
    token: bytes
    options: tuple[tuple[int, bytes], ...]
    payload: bytes

    @property
    def is_request(self) -> bool:
        """Whether the code is 0.01 to 0.31."""
        return 0 < self.code < 32

    @property
    def is_response(self) -> bool:
        """Whether the code is 2.xx, 4.xx or 5.xx."""
        return self.code >> 5 in (2, 4, 5)

    @property
    def is_bare_answer(self) -> bool:
        """Whether it is an empty acknowledgement or reset: four bytes, nothing to protect."""
        return self.code == EMPTY and self.type in (ACK, RST) and not (self.token or self.options or self.payload)

    @property
    def oscore(self) -> bytes | None:
        """The value of the OSCORE option, or None. Where it comes twice nobody knows which counts: None too."""
        found = [value for number, value in self.options if number == OSCORE]
        return found[0] if len(found) == 1 else None

    @property
    def has_edhoc_message(self) -> bool:
        """Whether EDHOC's third message stands before what OSCORE protects: RFC 9668, 3.2."""
        return any(number == EDHOC for number, _ in self.options)

    @property
    def is_edhoc(self) -> bool:
        """Whether it is a request to the resource for EDHOC messages."""
        path = tuple(value for number, value in self.options if number == URI_PATH)
        return self.code == POST and path == EDHOC_PATH


def read_datagram(data: bytes, max_options: int) -> Datagram:
    """Take a datagram apart. Raises BadDatagram (short, version, token, options, many-options, empty-payload)."""
    if len(data) < 4:
        raise BadDatagram("short")
    if data[0] >> 6 != 1:
        raise BadDatagram("version")
    token_bytes = data[0] & 15
    at = 4 + token_bytes
    if token_bytes > _MAX_TOKEN_BYTES or at > len(data):
        raise BadDatagram("token")
    options: list[tuple[int, bytes]] = []
    number = 0
    while at < len(data) and data[at] != 0xFF:
        if len(options) == max_options:
            raise BadDatagram("many-options")
        first = data[at]
        delta, at = _extended(data, at + 1, first >> 4)
        length, at = _extended(data, at, first & 15)
        number += delta
        if at + length > len(data) or number > 0xFFFF:
            raise BadDatagram("options")
        options.append((number, data[at : at + length]))
        at += length
    if at == len(data) - 1:
        raise BadDatagram("empty-payload")
    message_id = data[2] << 8 | data[3]
    return Datagram(data[0] >> 4 & 3, data[1], message_id, data[4 : 4 + token_bytes], tuple(options), data[at + 1 :])


def _extended(data: bytes, at: int, nibble: int) -> tuple[int, int]:
    if nibble < 13:
        return nibble, at
    size = nibble - 12
    if nibble == 15 or at + size > len(data):
        raise BadDatagram("options")
    base = 13 if nibble == 13 else 269
    return base + int.from_bytes(data[at : at + size], "big"), at + size


def read_kid(value: bytes) -> tuple[bytes, bytes | None]:
    """(key id, id context) of the OSCORE option of a request, which has a partial IV too. Raises BadDatagram."""
    flags = value[0] if value else 0
    piv_bytes = flags & _PIV_MASK
    at = 1 + piv_bytes
    if flags & _UNUSED_MASK or not flags & _KID_FLAG or not 1 <= piv_bytes <= _MAX_PIV_BYTES or at > len(value):
        raise BadDatagram("oscore-option")
    kid_context = None
    if flags & _KID_CONTEXT_FLAG:
        if at == len(value) or at + 1 + value[at] > len(value):
            raise BadDatagram("oscore-option")
        kid_context = value[at + 1 : at + 1 + value[at]]
        at += 1 + len(kid_context)
    return value[at:], kid_context


def split_edhoc(payload: bytes) -> tuple[bytes, bytes]:
    """(EDHOC message 3, what OSCORE protects) of the payload of a request with the EDHOC option: RFC 9668, 3.2.1.

    The message is one byte string of CBOR. Raises BadDatagram.
    """
    first = payload[0] if payload else 0
    if 0x40 <= first <= 0x57:
        end = 1 + first - 0x40
    elif first == 0x58 and len(payload) > 1:
        end = 2 + payload[1]
    else:
        raise BadDatagram("edhoc-message")
    if end >= len(payload):
        raise BadDatagram("edhoc-message")
    return payload[:end], payload[end:]

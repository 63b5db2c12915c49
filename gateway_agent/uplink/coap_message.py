"""CoAP requests and replies as gateway and platform see them, without anything of the library that carries them.

Numbers are those of RFC 7252 (12.1.2, 12.3), RFC 7959 (blocks) and RFC 7641 (observe).
"""

from dataclasses import dataclass

TEXT, CBOR, SENML_CBOR, COMPACT = 0, 60, 112, 65100
"""Content formats: diagnostic text, an answer, SenML, and the compact batch (experimental range, telemetry.md)."""

TELEMETRY, ALARM, EVENT, RESULT = "telemetry", "alarm", "event", "result"
GREETING, MAILBOX, TRANSFER, SECURITY = "greeting", "mailbox", "transfer", "security"
BACKFILL, OTHER = "backfill", "other"
"""Kinds of messages in the byte count; BACKFILL are readings from before the platform was reached again, OTHER is what
belongs to no exchange of ours."""


@dataclass(frozen=True, slots=True)
class Block:
    """Block number, whether more follow, and the size exponent: 16 << size_exponent bytes (RFC 7959, 2.2)."""

    number: int
    more: bool
    size_exponent: int

    @property
    def bytes(self) -> int:
        """Bytes in a full block."""
        return 16 << self.size_exponent


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `method` is GET, POST, PUT, DELETE or FETCH; an empty `path` is the root, which costs no byte.

    `query` are items like "e=1". `kind` is for the byte count and is not sent.
    """

    method: str
    path: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    payload: bytes = b""
    content_format: int | None = None
    accept: int | None = None
    block1: Block | None = None
    block2: Block | None = None
    etag: bytes | None = None
    kind: str = TELEMETRY


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `code` is the CoAP code as text, such as "2.04"."""

    code: str
    payload: bytes = b""
    content_format: int | None = None
    block1: Block | None = None
    block2: Block | None = None
    etag: bytes | None = None

    @property
    def is_success(self) -> bool:
        """Whether the code is 2.xx."""
        return self.code.startswith("2.")

    @property
    def diagnostic(self) -> str:
        """The start of the payload as text: the reason, where the code is an error (RFC 7252, 5.5.2)."""
        return self.payload[:80].decode("utf-8", "replace") if self.content_format in (None, TEXT) else ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as it arrives at the platform. `gateway` is its name by the key it was protected with, "" in the
    clear. `reliable` tells that it was confirmable, `observe` that it asks for a relation (RFC 7641)."""

    request: Request
    gateway: str
    reliable: bool
    observe: bool = False

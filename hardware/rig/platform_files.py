"""Files in blocks at the platform: what gateways send (`/u/<kind>`) and what waits for them (`/d/<kind>`).

Blocks are stored as they come, in order and in the database, so an upload goes on where it was after any restart.
protocols/spec/transfer.md is the page for both sides.
"""

import hashlib
from dataclasses import dataclass

import apsw

from gateway_agent.uplink.answer import MAX_FILES, FileOffer
from gateway_agent.uplink.coap_message import Block, Reply, Request
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.transfer_format import (
    CBOR_FORMAT,
    DOWNLOAD_LIMITS,
    LARGEST_EXPONENT,
    MAX_WAITING_UPLOADS,
    OCTETS_FORMAT,
    REPORT_KEY,
    UPLOAD_LIMITS,
    Stored,
    block_bytes,
    check_limits,
    digest_of,
    encode_stored,
    query_value,
    read_digest,
)

TABLES = """
CREATE TABLE uploads (
    gateway TEXT, kind TEXT, digest BLOB, data BLOB, is_whole INTEGER, number INTEGER PRIMARY KEY,
    UNIQUE (gateway, kind, digest)
);
CREATE TABLE downloads (
    gateway TEXT, kind TEXT, digest BLOB, data BLOB, state TEXT, number INTEGER PRIMARY KEY, UNIQUE (gateway, kind)
);
"""
OFFERED = "offered"


@dataclass(frozen=True, slots=True)
class _Upload:
    number: int
    data: bytes
    is_whole: bool


class PlatformFiles:
    """The tables of files. Methods raise apsw.Error from the database, and FormatError for what nobody understands."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def offer(self, gateway: str, kind: str, data: bytes) -> bytes:
        """Let a file wait for a gateway, in the place of another of its kind, and return its digest.

        Raises TransferError beyond the limits.
        """
        check_limits(kind, len(data), DOWNLOAD_LIMITS)
        digest = digest_of(data)
        self._connection.execute(
            "INSERT OR REPLACE INTO downloads (gateway, kind, digest, data, state) VALUES (?, ?, ?, ?, ?)",
            (gateway, kind, digest, data, OFFERED),
        )
        return digest

    def offers(self, gateway: str) -> tuple[FileOffer, ...]:
        """What waits for a gateway."""
        find = "SELECT kind, digest, length(data) FROM downloads WHERE gateway = ? AND state = ? ORDER BY kind LIMIT ?"
        rows = self._connection.execute(find, (gateway, OFFERED, MAX_FILES))
        return tuple(FileOffer(kind, bytes(digest), size) for kind, digest, size in rows)

    def state(self, gateway: str, kind: str) -> str | None:
        """What has become of the last file of that kind for a gateway: offered, taken or refused; None for none."""
        find = "SELECT state FROM downloads WHERE gateway = ? AND kind = ?"
        found = self._connection.execute(find, (gateway, kind)).get
        return None if found is None else str(found)

    def whole(self, gateway: str, kind: str) -> bytes | None:
        """The last file of that kind that a gateway has sent whole."""
        find = "SELECT data FROM uploads WHERE gateway = ? AND kind = ? AND is_whole ORDER BY number DESC LIMIT 1"
        row = self._connection.execute(find, (gateway, kind)).fetchone()
        return None if row is None else bytes(row[0])

    def whole_with(self, gateway: str, kind: str, digest: bytes) -> bytes | None:
        """The file of that kind whose SHA-256 begins with `digest`."""
        find = "SELECT data FROM uploads WHERE gateway = ? AND kind = ? AND is_whole AND substr(digest, 1, ?) = ?"
        row = self._connection.execute(find, (gateway, kind, len(digest), digest)).fetchone()
        return None if row is None else bytes(row[0])

    def drop(self, gateway: str, kind: str) -> None:
        """Forget the last file of that kind that a gateway has sent whole."""
        find = "SELECT max(number) FROM uploads WHERE gateway = ? AND kind = ? AND is_whole"
        self._connection.execute(f"DELETE FROM uploads WHERE number = ({find})", (gateway, kind))

    def drop_with(self, gateway: str, kind: str, digest: bytes) -> None:
        """Forget the files of that kind whose SHA-256 begins with `digest`, so that they may be sent again."""
        self._connection.execute(
            "DELETE FROM uploads WHERE gateway = ? AND kind = ? AND substr(digest, 1, ?) = ?",
            (gateway, kind, len(digest), digest),
        )

    def handle_upload(self, gateway: str, request: Request) -> Reply:
        """Answer a request for `/u/<kind>`."""
        kind = request.path[1]
        if kind not in UPLOAD_LIMITS:
            return Reply("4.04", b"no such kind of file")
        digest = read_digest(request.query)
        found = self._upload(gateway, kind, digest)
        if request.method == "GET":
            stored = Stored(0) if found is None else Stored(len(found.data), found.is_whole)
            return Reply("2.05", encode_stored(stored), CBOR_FORMAT)
        if request.method != "PUT":
            return Reply("4.05")
        return self._take_block(gateway, kind, digest, found, request)

    def handle_download(self, gateway: str, request: Request) -> Reply:
        """Answer a request for `/d/<kind>`."""
        kind = request.path[1]
        find = "SELECT digest, data, state FROM downloads WHERE gateway = ? AND kind = ?"
        row = self._connection.execute(find, (gateway, kind)).fetchone()
        if row is None:
            return Reply("4.04", b"no such file")
        digest, data, state = bytes(row[0]), bytes(row[1]), str(row[2])
        if request.method == "DELETE":
            return self._take_report(gateway, kind, digest, request)
        if request.method != "GET":
            return Reply("4.05")
        if state != OFFERED:
            return Reply("4.04", b"the file was fetched")
        asked = request.block2 or Block(0, False, LARGEST_EXPONENT)
        exponent = min(asked.size_exponent, LARGEST_EXPONENT)
        start = asked.number * block_bytes(asked.size_exponent)
        if start >= len(data):
            return Reply("4.02", b"beyond the end of the file")
        block = data[start : start + block_bytes(exponent)]
        has_more = start + len(block) < len(data)
        number = start // block_bytes(exponent)
        return Reply("2.05", block, OCTETS_FORMAT, block2=Block(number, has_more, exponent), etag=digest)

    def _take_report(self, gateway: str, kind: str, digest: bytes, request: Request) -> Reply:
        if read_digest(request.query) == digest:
            result = query_value(request.query, REPORT_KEY) or ""
            if result not in ("taken", "refused"):
                raise FormatError("query r says taken or refused")
            self._connection.execute(
                "UPDATE downloads SET state = ? WHERE gateway = ? AND kind = ?", (result, gateway, kind)
            )
        return Reply("2.02")

    def _take_block(self, gateway: str, kind: str, digest: bytes, found: _Upload | None, request: Request) -> Reply:
        block = request.block1 or Block(0, False, LARGEST_EXPONENT)
        size = block_bytes(block.size_exponent)
        if block.size_exponent > LARGEST_EXPONENT:
            return Reply("4.13", b"blocks of 1024 bytes at most")
        if block.more and len(request.payload) != size:
            return Reply("4.00", b"a block that is not the last is full")
        here = b"" if found is None else found.data
        if found is not None and found.is_whole:
            return Reply("2.04", block1=request.block1)
        start = block.number * size
        end = start + len(request.payload)
        if start > len(here):
            return Reply("4.08", encode_stored(Stored(len(here))), CBOR_FORMAT)
        if end > UPLOAD_LIMITS[kind]:
            return Reply("4.13", f"{UPLOAD_LIMITS[kind]} bytes at most".encode())
        # A block that came before is not put in twice; one that goes on from here is.
        data = here if end <= len(here) else here + request.payload[len(here) - start :]
        if block.more:
            self._store(gateway, kind, digest, data, is_whole=False)
            return Reply("2.31", block1=block)
        if hashlib.sha256(data).digest()[: len(digest)] != digest or end != len(data):
            self._connection.execute(
                "DELETE FROM uploads WHERE gateway = ? AND kind = ? AND digest = ?", (gateway, kind, digest)
            )
            return Reply("4.12", b"the digest is another; begin again")
        self._store(gateway, kind, digest, data, is_whole=True)
        return Reply("2.04", block1=request.block1)

    def _upload(self, gateway: str, kind: str, digest: bytes) -> _Upload | None:
        find = "SELECT number, data, is_whole FROM uploads WHERE gateway = ? AND kind = ? AND digest = ?"
        row = self._connection.execute(find, (gateway, kind, digest)).fetchone()
        return None if row is None else _Upload(int(row[0]), bytes(row[1]), bool(row[2]))

    def _store(self, gateway: str, kind: str, digest: bytes, data: bytes, *, is_whole: bool) -> None:
        execute = self._connection.execute
        with self._connection:
            execute(
                "INSERT INTO uploads (gateway, kind, digest, data, is_whole) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (gateway, kind, digest) DO UPDATE SET data = excluded.data, is_whole = excluded.is_whole",
                (gateway, kind, digest, data, is_whole),
            )
            # Of each kind one whole file and a few that are not whole yet are kept.
            execute(
                "DELETE FROM uploads WHERE gateway = ? AND kind = ? AND number NOT IN (SELECT number FROM uploads "
                "WHERE gateway = ? AND kind = ? ORDER BY number DESC LIMIT ?)",
                (gateway, kind, gateway, kind, MAX_WAITING_UPLOADS),
            )

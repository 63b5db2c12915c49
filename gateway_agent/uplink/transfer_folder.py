"""Files of transfers on the gateway's disk, in a folder beside the journal; they survive a power cut at any instant.

`<kind>.part` is a file that is being fetched: a head of 32 bytes, then data from its beginning. The head says which
file it is and how many bytes are safe; it is written anew after data was synced, each SYNC_BYTES, so what is fetched
again after a power cut is at most SYNC_BYTES and one block. `<kind>.whole` is a file that was fetched and whose digest
was right. `<kind>.taken` says what came of the last one. `<digest>.<kind>.out` is a file that waits to be sent. All but
the first are written under another name, synced and renamed.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from gateway_agent.journal.schema import sync_folder
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.transfer_format import (
    DOWNLOAD_LIMITS,
    MAX_WAITING_UPLOADS,
    REFUSED,
    TAKEN,
    UPLOAD_LIMITS,
    Offer,
    TransferError,
    check_limits,
    digest_from_text,
    digest_of,
)
from gateway_agent.whole_file import NEW, write_at, write_whole

SYNC_BYTES = 4096
_HEAD = struct.Struct(">4s8sII12x")
_MAGIC = b"GPT1"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file that was fetched, and whether the platform has heard of it."""

    digest: bytes
    result: str
    is_told: bool


class TransferFolder:
    """The folder; it is made where there is none. Its methods raise OSError when the disk fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        for left in path.glob(f"*{NEW}"):
            left.unlink()

    def uploads(self) -> list[tuple[str, bytes]]:
        """(kind, digest) of the files that wait to be sent, those that came first at the beginning."""
        found = []
        for path in self.path.glob("*.out"):
            digest_text, _, kind = path.name.removesuffix(".out").partition(".")
            try:
                digest = digest_from_text(digest_text)
            except FormatError:
                continue  # not a file of ours: its name says so
            if kind in UPLOAD_LIMITS:
                found.append((path.stat().st_mtime_ns, kind, digest))
        return [(kind, digest) for _, kind, digest in sorted(found)]

    def keep_upload(self, kind: str, data: bytes) -> bytes:
        """Keep a file until it was sent, and return its digest. Raises TransferError when it cannot be taken."""
        check_limits(kind, len(data), UPLOAD_LIMITS)
        digest = digest_of(data)
        waiting = self.uploads()
        if (kind, digest) not in waiting:
            if len(waiting) >= MAX_WAITING_UPLOADS:
                raise TransferError(f"{len(waiting)} files wait to be sent already; try again when some have gone")
            write_whole(self._upload_path(kind, digest), data)
        return digest

    def read_upload(self, kind: str, digest: bytes) -> bytes | None:
        """The bytes of a file that waits to be sent; None, and it is gone, when the disk has not kept it whole."""
        path = self._upload_path(kind, digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        if digest_of(data) == digest:
            return data
        self._remove(path)
        return None

    def drop_upload(self, kind: str, digest: bytes) -> None:
        """Forget a file that was sent, or that nobody takes."""
        self._remove(self._upload_path(kind, digest))

    def part(self, kind: str) -> "PartFile | None":
        """The file of that kind that was being fetched, None when there is none; a damaged one is removed."""
        path = self._part_path(kind)
        try:
            with path.open("rb") as file:
                magic, digest, total_bytes, safe_bytes = _HEAD.unpack(file.read(_HEAD.size))
            kept = path.stat().st_size - _HEAD.size
        except FileNotFoundError:
            return None
        except struct.error:
            magic = b""
        if magic != _MAGIC or not 0 < total_bytes <= DOWNLOAD_LIMITS[kind] or not safe_bytes <= min(kept, total_bytes):
            self._remove(path)
            return None
        return PartFile(path, Offer(kind, digest, total_bytes), safe_bytes)

    def begin_part(self, offer: Offer) -> "PartFile":
        """Begin to fetch a file, in the place of another of its kind. Raises TransferError beyond the limits."""
        check_limits(offer.kind, offer.total_bytes, DOWNLOAD_LIMITS)
        path = self._part_path(offer.kind)
        write_whole(path, _HEAD.pack(_MAGIC, offer.digest, offer.total_bytes, 0))
        return PartFile(path, offer, 0)

    def finish_part(self, part: "PartFile") -> bytes | None:
        """The whole file, kept as such; None, and nothing of it is kept, when its digest is another."""
        part.close()
        data = part.path.read_bytes()[_HEAD.size : _HEAD.size + part.offer.total_bytes]
        is_right = digest_of(data) == part.offer.digest
        if is_right:
            write_whole(self._whole_path(part.offer.kind), data)
        self._remove(part.path)
        return data if is_right else None

    def drop_part(self, part: "PartFile") -> None:
        """Forget what was fetched of a file."""
        part.close()
        self._remove(part.path)

    def whole(self, kind: str) -> bytes | None:
        """The last file of that kind that was fetched whole and not yet taken or refused; None for none."""
        try:
            return self._whole_path(kind).read_bytes()
        except FileNotFoundError:
            return None

    def outcome(self, kind: str) -> Outcome | None:
        """What came of the last file of that kind."""
        try:
            digest_text, result, told = self._outcome_path(kind).read_text(encoding="ascii").split()
            digest = digest_from_text(digest_text)
        except (FileNotFoundError, ValueError, FormatError):
            return None
        return Outcome(digest, result, told == "told") if result in (TAKEN, REFUSED) else None

    def note_outcome(self, kind: str, outcome: Outcome) -> None:
        """Remember what came of a file; the file itself is no longer kept here."""
        told = "told" if outcome.is_told else "untold"
        write_whole(self._outcome_path(kind), f"{outcome.digest.hex()} {outcome.result} {told}\n".encode())
        self._remove(self._whole_path(kind))

    def try_disk(self) -> None:
        """Return when the disk takes and keeps something; raises OSError while it does not."""
        trial = self.path / "trial"
        write_whole(trial, b"trial\n")
        self._remove(trial)

    def _upload_path(self, kind: str, digest: bytes) -> Path:
        return self.path / f"{digest.hex()}.{kind}.out"

    def _part_path(self, kind: str) -> Path:
        return self.path / f"{kind}.part"

    def _whole_path(self, kind: str) -> Path:
        return self.path / f"{kind}.whole"

    def _outcome_path(self, kind: str) -> Path:
        return self.path / f"{kind}.taken"

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        sync_folder(path)


class PartFile:
    """A file that is being fetched. `here_bytes` are here from its beginning; `close` makes all of them safe."""

    def __init__(self, path: Path, offer: Offer, here_bytes: int) -> None:
        self.path = path
        self.offer = offer
        self.here_bytes = here_bytes
        self._safe_bytes = here_bytes
        self._file: int | None = None

    def append(self, data: bytes) -> None:
        """Put the next bytes behind what is here."""
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        write_at(self._file, data, _HEAD.size + self.here_bytes)
        self.here_bytes += len(data)
        if self.here_bytes - self._safe_bytes >= SYNC_BYTES:
            self._make_safe(self._file)

    def close(self) -> None:
        """Make what is here safe and let go of the file; `append` opens it again."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            self._make_safe(file)
        finally:
            os.close(file)

    def let_go(self) -> None:
        """Let go of the file without a word on what of it is safe: the disk has failed."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _make_safe(self, file: int) -> None:
        if self.here_bytes == self._safe_bytes:
            return
        os.fsync(file)
        # The head may lag behind the data, never be ahead of them: it is written after they are on the disk.
        write_at(file, _HEAD.pack(_MAGIC, self.offer.digest, self.offer.total_bytes, self.here_bytes), 0)
        self._safe_bytes = self.here_bytes

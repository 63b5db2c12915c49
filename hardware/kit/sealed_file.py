"""A file that tells at once whether it is whole: one head line in ASCII, then its content. docs/kit.md, "The file".

    gatepost-kit 1 000001234567 <64 hexadecimal digits>

that is the kind, the version of its format, how many bytes follow the line, and the SHA-256 of the head line up to the
length and of what follows. The head line is the same in all versions to come, so that a damaged file and a newer one
are told apart.
"""

import hashlib
import re
from pathlib import Path

from gateway_agent.errors import GatepostError

MAX_BYTES = 512 << 20
_HEAD = re.compile(rb"([a-z-]{1,32}) (\d{1,4}) (\d{12}) ([0-9a-f]{64})\n")
_HEAD_BYTES = 128
"""More than any head line has."""
_ANEW = "copy it anew from where it was made"


class SealedFileError(GatepostError):
    """A file that cannot be used; `what` is wrong with it and the `mend`."""

    def __init__(self, what: str, mend: str) -> None:
        self.what = what
        self.mend = mend
        super().__init__(f"{what}; {mend}")


def seal(kind: str, version: int, content: bytes) -> bytes:
    """The bytes of a file of this kind and version with this content."""
    head = f"{kind} {version} {len(content):012d}".encode("ascii")
    return head + b" " + _digest(head, content).encode("ascii") + b"\n" + content


def unseal(kind: str, newest: int, data: bytes, name: str) -> bytes:
    """The content of a file of this kind whose bytes are `data`; `name` is how messages call it.

    Raises SealedFileError when it is of another kind, cut off, too long, damaged, or newer than version `newest`.
    """
    found = _HEAD.match(data[:_HEAD_BYTES])
    if found is None:
        if len(data) < _HEAD_BYTES and kind.encode("ascii").startswith(data[: len(kind)]):
            raise SealedFileError(f"{name} is cut off after {len(data)} bytes", _ANEW)
        raise SealedFileError(f"{name} is no {kind}, or its first line is damaged", f"name a {kind}, or {_ANEW}")
    head, content, length = data[: found.start(4) - 1], data[found.end() :], int(found[3])
    if len(content) < length:
        raise SealedFileError(f"{name} is cut off: {len(content):,} of {length:,} bytes are there", _ANEW)
    if len(content) > length:
        raise SealedFileError(f"{name} is {len(content) - length:,} bytes too long", _ANEW)
    if _digest(head, content) != found[4].decode("ascii"):
        raise SealedFileError(f"{name} is damaged: its SHA-256 is not the one that it was made with", _ANEW)
    if found[1].decode("ascii") != kind:
        raise SealedFileError(f"{name} is a {found[1].decode('ascii')}, not a {kind}", f"name a {kind}")
    version = int(found[2])
    if not 1 <= version <= newest:
        mend = "install a newer Gatepost, or have the file made with the one that is here"
        raise SealedFileError(f"{name} has format {version} of a newer Gatepost; this one reads up to {newest}", mend)
    return content


def read_bounded(path: Path) -> bytes:
    """The bytes of a file. Raises SealedFileError when it cannot be read, or is larger than any such file."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise SealedFileError(f"there is no file {path}", "check the path") from error
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror})"
        raise SealedFileError(what, "check the path, its permissions and the disk") from error
    if len(data) > MAX_BYTES:
        raise SealedFileError(f"{path} is larger than {MAX_BYTES >> 20} MB", "name a file that gatepost kit has made")
    return data


def _digest(head: bytes, content: bytes) -> str:
    whole = hashlib.sha256(head + b"\n")
    whole.update(content)
    return whole.hexdigest()

"""The manifest of an update bundle, read by offset: what it says and whether it may say so. See spec/update-bundle.md.

Nothing here looks at a signature or a hash: whoever calls `check` has verified the signature before.
"""

from protocols import update_codes

MAGIC = b"GPB1"
LAYOUT = 1
HEAD_BYTES = 24
ENTRY_BYTES = 37
"""An entry without its name."""
SIGNATURE_BYTES = 384
HASH_BYTES = 32
MAX_FILES = 96
MAX_MANIFEST_BYTES = 6144
MAX_CONTENT_BYTES = 262144
FILE_BYTES = 20000
"""Bytes of the bundle in one file of the file records; the first is file 1."""
BLOCK_BYTES = 244
"""The most bytes that one write of a file record holds."""

_COUNT_AT = 5
_LENGTH_AT = 6
_VERSION_AT = 8
_MINIMUM_AT = 12
_BOARD_AT = 16
_BYTECODE_AT = 18
_CONTENT_AT = 20
_HASH_AT = 4
_NAME_LENGTH_AT = 36
_FOLDERS = (b"node/", b"protocols/")
_ENDING = b".mpy"
_MAX_NAME_BYTES = 48


def _u16(buffer: bytes | bytearray, at: int) -> int:
    return buffer[at] << 8 | buffer[at + 1]


def _u32(buffer: bytes | bytearray, at: int) -> int:
    return _u16(buffer, at) << 16 | _u16(buffer, at + 2)


def manifest_bytes(head: bytes | bytearray) -> int:
    """Length of the whole manifest, from its first HEAD_BYTES."""
    return _u16(head, _LENGTH_AT)


def file_count(manifest: bytes | bytearray) -> int:
    """Number of files."""
    return manifest[_COUNT_AT]


def version(manifest: bytes | bytearray) -> int:
    """major << 24 | minor << 16 | patch."""
    return _u32(manifest, _VERSION_AT)


def minimum(manifest: bytes | bytearray) -> int:
    """The lowest version that a node may go back to once it has kept this one."""
    return _u32(manifest, _MINIMUM_AT)


def board(manifest: bytes | bytearray) -> int:
    """The number of the board it was built for."""
    return _u16(manifest, _BOARD_AT)


def content_bytes(manifest: bytes | bytearray) -> int:
    """Length of all files together."""
    return _u32(manifest, _CONTENT_AT)


def total_bytes(manifest: bytes | bytearray) -> int:
    """Length of the whole bundle: manifest, signature, files."""
    return manifest_bytes(manifest) + SIGNATURE_BYTES + content_bytes(manifest)


def check_head(head: bytes | bytearray, total: int) -> int:
    """Whether the first HEAD_BYTES can begin a bundle of `total` bytes; 0 or a reason of update_codes."""
    if head[: len(MAGIC)] != MAGIC or head[4] != LAYOUT:
        return update_codes.BAD_MANIFEST
    if file_count(head) == 0 or file_count(head) > MAX_FILES:
        return update_codes.TOO_MANY_FILES
    if manifest_bytes(head) > MAX_MANIFEST_BYTES or content_bytes(head) > MAX_CONTENT_BYTES:
        return update_codes.TOO_LARGE
    if manifest_bytes(head) < HEAD_BYTES + file_count(head) * ENTRY_BYTES:
        return update_codes.BAD_MANIFEST
    return 0 if total_bytes(head) == total else update_codes.WRONG_LENGTH


def check(manifest: bytes | bytearray, own_board: int, bytecode: int, floor: int) -> int:
    """Whether a signed manifest whose head was checked may be installed; 0 or a reason of update_codes.

    `own_board` and `bytecode` are the node's own numbers, `floor` is the lowest version that it may run.
    """
    if board(manifest) != own_board:
        return update_codes.OTHER_BOARD
    if manifest[_BYTECODE_AT] != bytecode:
        return update_codes.OTHER_BYTECODE
    if version(manifest) < floor or version(manifest) < minimum(manifest):
        return update_codes.TOO_OLD
    return _check_entries(manifest)


def _check_entries(manifest: bytes | bytearray) -> int:
    """Without taking memory, for there may be a hundred of them."""
    end = manifest_bytes(manifest)
    at = HEAD_BYTES
    before = 0
    content = 0
    for _ in range(file_count(manifest)):
        if at + ENTRY_BYTES > end or next_at(manifest, at) > end:
            return update_codes.BAD_MANIFEST
        if not is_path(manifest, at + ENTRY_BYTES, next_at(manifest, at)) or not _is_after(manifest, before, at):
            return update_codes.BAD_PATH
        content += length_at(manifest, at)
        before = at
        at = next_at(manifest, at)
    if at != end:
        return update_codes.BAD_MANIFEST
    return 0 if content == content_bytes(manifest) else update_codes.WRONG_LENGTH


def is_path(buffer: bytes | bytearray, start: int, end: int) -> bool:
    """Whether `buffer[start:end]` is a module of one of the packages: folder, slash, a to z, 0 to 9 and _, `.mpy`."""
    for folder in _FOLDERS:
        first = start + len(folder)
        last = end - len(_ENDING)
        if first < last and end - start <= _MAX_NAME_BYTES and _holds(buffer, start, folder):
            if not _holds(buffer, last, _ENDING):
                return False
            for index in range(first, last):
                byte = buffer[index]
                if not (97 <= byte <= 122 or 48 <= byte <= 57 or byte == 95):
                    return False
            return True
    return False


def _holds(buffer: bytes | bytearray, at: int, wanted: bytes) -> bool:
    for index in range(len(wanted)):  # noqa: SIM110  (a generator would take memory)
        if buffer[at + index] != wanted[index]:
            return False
    return True


def _is_after(manifest: bytes | bytearray, before: int, at: int) -> bool:
    """Whether the name of the entry at `at` comes after that of the entry at `before` (0: there is none)."""
    if before == 0:
        return True
    earlier = manifest[before + _NAME_LENGTH_AT]
    later = manifest[at + _NAME_LENGTH_AT]
    for index in range(min(earlier, later)):
        one = manifest[before + ENTRY_BYTES + index]
        other = manifest[at + ENTRY_BYTES + index]
        if one != other:
            return one < other
    return earlier < later


def length_at(manifest: bytes | bytearray, at: int) -> int:
    """Length of the file whose entry begins at `at`; the first begins at HEAD_BYTES."""
    return _u32(manifest, at)


def hash_at(manifest: bytes | bytearray, at: int) -> bytes:
    """SHA-256 of the file whose entry begins at `at`."""
    return bytes(manifest[at + _HASH_AT : at + _HASH_AT + HASH_BYTES])


def name_at(manifest: bytes | bytearray, at: int) -> bytes:
    """Path, within its slot, of the file whose entry begins at `at`."""
    first = at + ENTRY_BYTES
    return bytes(manifest[first : first + manifest[at + _NAME_LENGTH_AT]])


def next_at(manifest: bytes | bytearray, at: int) -> int:
    """Where the entry after the one at `at` begins."""
    return at + ENTRY_BYTES + manifest[at + _NAME_LENGTH_AT]

"""Damages of an SQLite file and its log, as a worn card does them; each number always gives the same one."""

from collections.abc import Callable
from random import Random

from tests.faults._power import Image

_SECTOR_BYTES, _BLOCK_BYTES = 512, 4096
_PAGE_BYTES_AT = 16
_LOG_HEAD_BYTES, _FRAME_HEAD_BYTES = 32, 24


def damage(image: Image, name: str, number: int) -> tuple[str, Image]:
    """(what was done, the damaged image): damage `number`, to the database `name` or to its log."""
    random = Random(f"damage {number}")
    kind, change = random.choice(_KINDS)
    target = random.choice((name, f"{name}-wal"))
    head, unit = _layout(image[name], target != name)
    content = bytearray(image[target])
    change(content, random, head, unit)
    return f"{kind} in {target}", {**image, target: bytes(content)}


def _layout(database: bytes, is_log: bool) -> tuple[int, int]:
    """(bytes before the first page or frame, bytes of each). "Database File Format" on sqlite.org, 1.3 and 4.1."""
    page_bytes = int.from_bytes(database[_PAGE_BYTES_AT : _PAGE_BYTES_AT + 2], "big")
    return (_LOG_HEAD_BYTES, _FRAME_HEAD_BYTES + page_bytes) if is_log else (0, page_bytes)


def _flip(content: bytearray, random: Random, head: int, unit: int) -> None:
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _zero_sector(content: bytearray, random: Random, head: int, unit: int) -> None:
    _zero(content, random, _SECTOR_BYTES)


def _zero_block(content: bytearray, random: Random, head: int, unit: int) -> None:
    _zero(content, random, _BLOCK_BYTES)


def _zero(content: bytearray, random: Random, length: int) -> None:
    start = random.randrange((len(content) + length - 1) // length) * length
    end = min(start + length, len(content))
    content[start:end] = bytes(end - start)


def _cut(content: bytearray, random: Random, head: int, unit: int) -> None:
    del content[random.randrange(len(content)) :]


def _swap(content: bytearray, random: Random, head: int, unit: int) -> None:
    first, second = random.sample(range((len(content) - head) // unit), 2)
    one, other = (slice(head + place * unit, head + (place + 1) * unit) for place in (first, second))
    content[one], content[other] = content[other], content[one]


_KINDS: tuple[tuple[str, Callable[[bytearray, Random, int, int], None]], ...] = (
    ("a flipped bit", _flip),
    ("a zeroed sector", _zero_sector),
    ("a zeroed block", _zero_block),
    ("a cut", _cut),
    ("swapped pages", _swap),
)

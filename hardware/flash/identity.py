"""Who a node is, in the NVS partition of its flash: written with Espressif's generator, read with a reader of our own.

Namespace `gatepost`, key `factory`: a blob with the bytes of `protocols.factory_record`. On the node
`esp32.NVS("gatepost").get_blob("factory", buffer)` reads it. NVS outlives a file system that is formatted.

A page has 4096 bytes: 32 of head (state u32, sequence number u32, version u8, CRC-32 of bytes 4 to 27 in the last
four), 32 of entry states (two bits each: 3 empty, 2 written, 0 erased), 126 entries of 32 bytes. An entry: namespace,
type, span (entries it takes), chunk, CRC-32 of the rest, key of 16 bytes, 8 bytes of value, or for what is longer its
length (u16) and CRC-32, with the data in the entries that follow. A blob of version 2 is chunks of type 0x42 and one
index of type 0x48 (size u32, chunks u8, first chunk u8). ESP-IDF, "Non-Volatile Storage Library", internals.
"""

import binascii
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from esp_idf_nvs_partition_gen import nvs_partition_gen as generator  # type: ignore[import-untyped]

from hardware.flash.node_file import NodeOrder
from hardware.flash.problem import FlashProblem, Kind
from protocols import factory_record

NAMESPACE, KEY = factory_record.NVS_NAMESPACE, factory_record.NVS_KEY
PAGE_BYTES = 4096
_LEAST_PAGES = 3
_READABLE = frozenset({0xFFFFFFFE, 0xFFFFFFFC, 0xFFFFFFF8})
"""States of a page with entries: active, full, being emptied."""
_VERSION = 0xFE
_ENTRY_BYTES, _FIRST_ENTRY, _ENTRIES = 32, 64, 126
_WRITTEN = 2
_NUMBERS = {0x01: "B", 0x11: "b", 0x02: "H", 0x12: "h", 0x04: "I", 0x14: "i", 0x08: "Q", 0x18: "q"}
_TEXT, _OLD_BLOB, _CHUNK, _INDEX = 0x21, 0x41, 0x42, 0x48

Value = bytes | int | str


def factory_bytes(order: NodeOrder) -> bytes:
    """The factory record of an order."""
    fields = {factory_record.TERMINAL_CODE: order.terminal.encode("ascii")}
    if order.node_key is not None:
        fields[factory_record.NODE_KEY] = order.node_key
    if order.broadcast_key is not None:
        fields[factory_record.BROADCAST_KEY] = order.broadcast_key
    return factory_record.pack(fields)


def nvs_image(order: NodeOrder, size: int) -> bytes:
    """A whole NVS partition of `size` bytes with the identity of `order`; the same order gives the same bytes.

    Raises FlashProblem(FILES) for a partition in which NVS cannot live (three pages are the least).
    """
    if size % PAGE_BYTES or size < _LEAST_PAGES * PAGE_BYTES:
        raise FlashProblem(
            Kind.FILES,
            f"the image's NVS partition has {size} bytes",
            f"take an image with {_LEAST_PAGES} pages of {PAGE_BYTES} bytes or more, as the official ones have",
        )
    target = io.BytesIO()
    store = generator.nvs_open(target, size - PAGE_BYTES, generator.Page.VERSION2)
    generator.write_entry(store, NAMESPACE, "namespace", "", "")
    generator.write_entry(store, KEY, "data", "hex2bin", factory_bytes(order).hex())
    generator.nvs_close(store)
    return target.getvalue()


def read_nvs(image: bytes) -> dict[tuple[str, str], Value]:
    """What an NVS partition holds, by (namespace, key).

    As ESP-IDF does, it passes over pages and entries whose CRC is wrong, and over blobs that lack a chunk.
    """
    names: dict[int, str] = {}
    values: dict[tuple[int, str], Value] = {}
    chunks: dict[tuple[int, str, int], bytes] = {}
    indexes: dict[tuple[int, str], tuple[int, int, int]] = {}
    for entry in _entries(image):
        place = entry.namespace, entry.key
        if entry.kind in _NUMBERS and entry.namespace == 0:
            names[entry.value[0]] = entry.key
        elif entry.kind in _NUMBERS:
            values[place] = struct.unpack_from("<" + _NUMBERS[entry.kind], entry.value)[0]
        elif entry.kind == _TEXT:
            values[place] = entry.data.rstrip(b"\0").decode("utf-8", "replace")
        elif entry.kind == _OLD_BLOB:
            values[place] = entry.data
        elif entry.kind == _CHUNK:
            chunks[*place, entry.chunk] = entry.data
        elif entry.kind == _INDEX:
            indexes[place] = struct.unpack_from("<IBB", entry.value)
    for place, (size, count, first) in indexes.items():
        parts = [chunks.get((*place, number)) for number in range(first, first + count)]
        whole = b"".join(part for part in parts if part is not None)
        if None not in parts and len(whole) == size:
            values[place] = whole
    return {(names[space], key): value for (space, key), value in values.items() if space in names}


@dataclass(frozen=True, slots=True)
class _Entry:
    namespace: int
    kind: int
    chunk: int
    key: str
    value: bytes
    data: bytes


def _entries(image: bytes) -> Iterator[_Entry]:
    """Every whole entry, pages in the order in which they were filled."""
    pages = [image[at : at + PAGE_BYTES] for at in range(0, len(image) - PAGE_BYTES + 1, PAGE_BYTES)]
    for page in sorted((page for page in pages if _is_readable(page)), key=lambda page: page[4:8][::-1]):
        at = 0
        while at < _ENTRIES:
            start = _FIRST_ENTRY + at * _ENTRY_BYTES
            head = page[start : start + _ENTRY_BYTES]
            at += 1
            if _state(page, at - 1) != _WRITTEN or _crc(head[:4] + head[8:]) != _u32(head, 4):
                continue
            at += max(head[2], 1) - 1
            is_long = head[1] in (_TEXT, _OLD_BLOB, _CHUNK)
            length = struct.unpack_from("<H", head, 24)[0] if is_long else 0
            data = page[start + _ENTRY_BYTES : start + _ENTRY_BYTES + length]
            if not is_long or (len(data) == length and _crc(data) == _u32(head, 28)):
                key = head[8:24].split(b"\0")[0].decode("ascii", "replace")
                yield _Entry(head[0], head[1], head[3], key, head[24:32], data)


def _is_readable(page: bytes) -> bool:
    return _u32(page, 0) in _READABLE and page[8] == _VERSION and _crc(page[4:28]) == _u32(page, 28)


def _state(page: bytes, entry: int) -> int:
    return page[32 + entry // 4] >> entry % 4 * 2 & 3


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _crc(data: bytes) -> int:
    return binascii.crc32(data, 0xFFFFFFFF)

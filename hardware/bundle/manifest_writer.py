"""Writes the manifest of a version: what a bundle begins with, and what a slot keeps as `manifest.bin`."""

import hashlib
import struct

from hardware.bundle.firmware_files import BYTECODE, Version
from protocols import bundle


def version_number(version: Version) -> int:
    """A version as the manifest and the node's registers have it."""
    major, minor, patch = version
    return major << 24 | minor << 16 | patch


def make_manifest(files: dict[str, bytes], version: Version, minimum: Version, board: int) -> bytes:
    """The manifest of `files` (path within a slot to content)."""
    entries = b""
    for name, content in sorted(files.items()):
        entries += struct.pack(">I32sB", len(content), hashlib.sha256(content).digest(), len(name)) + name.encode()
    head = struct.pack(
        ">4sBBHIIHBBI",
        bundle.MAGIC,
        bundle.LAYOUT,
        len(files) & 0xFF,
        bundle.HEAD_BYTES + len(entries),
        version_number(version),
        version_number(minimum),
        board,
        BYTECODE,
        0,
        sum(len(content) for content in files.values()),
    )
    return head + entries

"""Writing a file whole: after a power cut it has its old content or its new one, never a part of either."""

import os
from pathlib import Path

from gateway_agent.journal.schema import sync_folder

NEW = ".new"
"""Ending of the name under which a file is written; what is left of it after a power cut may be removed."""


def write_whole(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Put a file with this content in the place of what is there, on the disk when this returns. Raises OSError."""
    new = path.with_name(path.name + NEW)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        write_at(file, data, 0)
        os.fsync(file)
    finally:
        os.close(file)
    os.replace(new, path)
    sync_folder(path)


def write_at(file: int, data: bytes, at: int) -> None:
    """Write all of `data` at byte `at` of an open file. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written

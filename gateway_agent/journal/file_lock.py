"""One process per database: a lock file beside it, which the system lets go of when its owner ends, however it ends.

Not on the database itself: SQLite's own locks on a file are lost as soon as a process closes any descriptor of it.
"""

import fcntl
import os
from pathlib import Path


def lock_path(path: Path) -> Path:
    """The lock file of the database at `path`."""
    return path.with_name(path.name + ".lock")


def take_lock(path: Path) -> int:
    """Lock `<path>.lock` for this process and return its descriptor; closing it gives the lock up.

    Raises BlockingIOError when somebody has it, another OSError when the lock file cannot be made.
    """
    descriptor = os.open(lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor

"""How far the journal has come, told outside its file: what notices a log that was cut off, or an old file put back.

The last committed sequence stands in an extended attribute of the lock file. It changes with every commit and costs no
write of its own, because the file system takes it along with the times of the files. Where there are no extended
attributes it is the content of the lock file. It is set after the commit, so it never promises what is not there.
"""

import errno
import os

_NAME = "user.gatepost.last"
_NOT_HERE = (errno.ENOTSUP, errno.ENODATA, errno.ENOSPC, errno.EPERM, errno.ENOSYS)


def write_mark(lock: int, epoch: int, sequence: int) -> None:
    """Set the mark beside the lock file with the descriptor `lock`. Raises OSError when the disk fails."""
    mark = f"{epoch} {sequence}".encode()
    try:
        os.setxattr(lock, _NAME, mark)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        os.pwrite(lock, mark.ljust(48) + b"\n", 0)


def read_mark(lock: int) -> tuple[int, int] | None:
    """(epoch, sequence) of the mark, None where there is none that can be read."""
    try:
        mark = os.getxattr(lock, _NAME)
    except OSError:
        mark = os.pread(lock, 64, 0)
    try:
        epoch, sequence = map(int, mark.split())
    except ValueError:
        return None
    return epoch, sequence

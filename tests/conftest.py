"""What all tests share: a hypothesis profile that gives the same examples in every run, and a disk that is memory.

Hundreds of tests write journals, which sync each commit, and on a real disk half of a run would be waiting for it. What
a power cut or a failing disk leaves behind is shown on disks that tests make up (`tests/faults/_power.py`,
`_faulty_disk.py`), never on the machine's own. Whoever sets TMPDIR chooses the place.
"""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

settings.register_profile("gatepost", derandomize=True, deadline=None)
settings.load_profile("gatepost")

_MEMORY_DISK = Path("/dev/shm")
_ROOM_BYTES = 2 << 30
"""Several times what a run leaves behind; a container may have only a little."""


def _has_room(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= _ROOM_BYTES


if "TMPDIR" not in os.environ and _has_room(_MEMORY_DISK):
    # In the environment, so that the processes that tests start have it too.
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY_DISK)

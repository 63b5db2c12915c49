"""What a power cut leaves on a node's flash: the folder as it was, and the node's operations up to the cut.

The power takes the memory with it, so the flash is all that a start after a cut begins with. A run that was recorded
once (`NodeMachine.records_flash`) therefore gives what a cut at each of its operations leaves, without doing all of it
again; that the real machine leaves the same when it is killed there, callers show at some of the operations.
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from hardware.rig.machine.lockstep import Operation

_FLASH = "/flash/"


def lay_state(first: Path, operations: Sequence[Operation], target: Path) -> None:
    """Lay out in `target`, which is made, the flash that began as `first` and saw these operations.

    A file that is opened to be made is there at once, empty; what is written is there when the file is closed.
    """
    shutil.copytree(first, target)
    opened: dict[str, bytes] = {}
    for one in operations:
        place = target / one.name.removeprefix(_FLASH)
        match one.kind:
            case "open":
                opened[one.name] = place.read_bytes() if one.other == "ab" and place.exists() else b""
                if not place.exists():
                    place.write_bytes(b"")
            case "write":
                opened[one.name] += one.content
            case "close":
                place.write_bytes(opened.pop(one.name))
            case "unlink":
                place.unlink()
            case "rename":
                place.rename(target / one.other.removeprefix(_FLASH))
            case "mkdir":
                place.mkdir()
            case "rmdir":
                place.rmdir()
            case _:
                raise ValueError(f"an operation of an unknown kind: {one}")


def state_digest(flash: Path) -> str:
    """The same for two folders with the same files and folders."""
    whole = hashlib.sha256()
    for item in sorted(flash.rglob("*")):
        name = item.relative_to(flash).as_posix()
        content = b"" if item.is_dir() else item.read_bytes()
        whole.update(f"{name} {item.is_dir()} {len(content)}\n".encode() + content)
    return whole.hexdigest()

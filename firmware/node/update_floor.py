"""The lowest version that may run here: of the minima of all versions that were kept, the highest; in `floor.a|b`.

Loaded only while an update is received or tried. A slot without a manifest counts as version 0 with minimum 0.
"""

from node import boot_state, two_copies
from protocols import bundle

_FILE = "floor"
_MANIFEST = "/manifest.bin"


def lowest() -> int:
    """The lowest version that may be installed."""
    return max(_kept(), bundle.minimum(_head(boot_state.running_slot())))


def keep() -> None:
    """Write the floor down, for it has to outlive the slot whose version has raised it. Raises OSError."""
    floor = lowest()
    if two_copies.read(_FILE) is None or _kept() < floor:
        two_copies.write(_FILE, floor.to_bytes(4, "big"))


def allows(slot: int) -> bool:
    """Whether the version in `slot` may still run."""
    return bundle.version(_head(slot)) >= lowest()


def _kept() -> int:
    return int.from_bytes(two_copies.read(_FILE) or b"", "big")


def _head(slot: int) -> bytes:
    """What the manifest of a slot begins with, zeros where there is none."""
    try:
        with open(boot_state.FOLDERS[slot] + _MANIFEST, "rb") as file:
            head = bytes(file.read(bundle.HEAD_BYTES))
    except OSError:
        head = b""
    return head if len(head) == bundle.HEAD_BYTES else bytes(bundle.HEAD_BYTES)

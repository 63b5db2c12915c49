"""Two-copy files of a node's flash as tests write and read them (node/two_copies.py), and the boot block."""

import zlib
from dataclasses import dataclass
from pathlib import Path

NO_SLOT = 0xFF


def copy_bytes(sequence: int, body: bytes) -> bytes:
    """One copy as node/two_copies.py writes it."""
    head = sequence.to_bytes(4, "big") + body
    return head + zlib.crc32(head).to_bytes(4, "big")


def newest_body(flash: Path, name: str) -> bytes | None:
    """The body of the newest whole copy of `name`, None if there is none."""
    found: dict[int, bytes] = {}
    for ending in (".a", ".b"):
        place = flash / (name + ending)
        content = place.read_bytes() if place.is_file() else b""
        if len(content) >= 8 and zlib.crc32(content[:-4]) == int.from_bytes(content[-4:], "big"):
            found[int.from_bytes(content[:4], "big")] = content[4:-4]
    return found[max(found)] if found else None


def write_boot(
    flash: Path, *, trial: int = NO_SLOT, tries: int = 0, crashes: int = 0, safe_mode: int = 0, has_spare: bool = False
) -> None:
    """A boot state as an update, or crashes, leave it; slot 0 is the active one."""
    body = bytes([1, 0, trial, tries, NO_SLOT, 0, crashes, safe_mode, int(has_spare)]) + bytes(15)
    (flash / "boot.b").unlink(missing_ok=True)
    (flash / "boot.a").write_bytes(copy_bytes(1, body))


@dataclass(frozen=True)
class BootBlock:
    """The registers of the block `boot`."""

    start_reason: int
    running_slot: int
    previous_slot: int
    left_reason: int
    safe_mode: int
    crashes: int
    boots: int
    settings_sequence: int
    log_newest: int


def boot_block(registers: list[int]) -> BootBlock:
    """The block out of its twelve registers."""
    high = [registers[at] << 16 | registers[at + 1] for at in (6, 8, 10)]
    return BootBlock(*registers[:6], *high)

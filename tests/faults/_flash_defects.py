"""What can be wrong with a board that a technician takes out of the box: drawn by lot, with what has to come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from hardware.flash.problem import Kind
from hardware.rig.esp32.chip import SimulatedChip
from hardware.rig.esp32.efuses import Efuses
from hardware.rig.esp32.faults import ChipFaults

SHARE = 0.3
"""How many of the boards have something wrong with them."""
_SMALL = 2 << 20
_LINE = frozenset({Kind.LINE, Kind.SILENT, Kind.CABLE})


@dataclass(slots=True)
class Board:
    """A board and what is wrong with it.

    `told` is what may be said of it; empty where it has to pass. `is_mended_by_again`: a second try has to pass.
    `comes_twice`: it is plugged in once more after it has passed. `spoil` is called just before its application starts
    for the first time. `dead_device`: one device of its bus gives no answer (`has_bus`: an order without a table has no
    bus); `other_mac`: another board answers in its place; `is_dumb`: its application says nothing.
    """

    chip: SimulatedChip
    mac: bytes
    defect: str = "none"
    told: frozenset[Kind] = frozenset()
    is_mended_by_again: bool = False
    comes_twice: bool = False
    spoil: Callable[[SimulatedChip], None] | None = None
    dead_device: bool = False
    has_bus: bool = True
    other_mac: bool = False
    is_dumb: bool = False
    starts: int = field(default=0)

    @property
    def has_to_fail(self) -> bool:
        """Whether its first try has to fail: not without a bus for the dead device, nor if the cable never came out."""
        has_struck = (self.has_bus or not self.dead_device) and self.chip.faults.unplug_after_bytes is None
        return bool(self.told) and has_struck

    @property
    def is_good(self) -> bool:
        """Whether it has to pass in the end."""
        return not self.has_to_fail or self.is_mended_by_again


def draw_board(random: Random, number: int, image: bytes, share: float = SHARE) -> Board:
    """The board with this number; `image` is what is flashed at 0x1000, for cells that are bad where it matters."""
    mac = bytes.fromhex("240ac4") + number.to_bytes(3, "big")
    if random.random() >= share:
        return Board(SimulatedChip(mac=mac), mac)
    name = random.choice(list(_DEFECTS))
    board = _DEFECTS[name](random, mac, image)
    board.defect = name
    return board


def _with(mac: bytes, told: frozenset[Kind], *, again: bool = False, **faults: object) -> Board:
    chip = SimulatedChip(mac=mac, faults=ChipFaults(**faults))  # type: ignore[arg-type]
    return Board(chip, mac, told=told, is_mended_by_again=again)


def _bad_cells(random: Random, mac: bytes, image: bytes) -> Board:
    written = [at for at in random.sample(range(len(image)), 400) if image[at] != 0xFF][:3]
    return _with(mac, frozenset({Kind.BAD_FLASH}), bad_cells=frozenset(0x1000 + at for at in written))


def _dying_flash(random: Random, mac: bytes, image: bytes) -> Board:
    return _with(mac, frozenset({Kind.BAD_FLASH, Kind.LINE}), flash_dies_after_bytes=random.randrange(1000, 900_000))


def _fake_flash(random: Random, mac: bytes, image: bytes) -> Board:
    told = frozenset({Kind.SMALL_FLASH, Kind.BAD_FLASH})
    return _with(mac, told, real_flash_bytes=random.choice((_SMALL, _SMALL // 2)))


def _small_flash(random: Random, mac: bytes, image: bytes) -> Board:
    chip = SimulatedChip(mac=mac, flash_bytes=random.choice((_SMALL, _SMALL // 2)))
    return Board(chip, mac, told=frozenset({Kind.SMALL_FLASH}))


def _wrong_chip(random: Random, mac: bytes, image: bytes) -> Board:
    chip = SimulatedChip(random.choice(("esp32s2", "esp32s3", "esp32c3", "esp32c6")), mac=mac)
    return Board(chip, mac, told=frozenset({Kind.WRONG_CHIP}))


def _locked(random: Random, mac: bytes, image: bytes) -> Board:
    efuses = random.choice(
        (
            Efuses(mac, flash_crypt_cnt=1),
            Efuses(mac, flash_crypt_cnt=0b111, download_encrypt_disabled=True),
            Efuses(mac, secure_boot_v1=True),
            Efuses(mac, secure_boot_v2=True),
        )
    )
    return Board(SimulatedChip(mac=mac, efuses=efuses), mac, told=frozenset({Kind.LOCKED_CHIP}))


def _noise(random: Random, mac: bytes, image: bytes) -> Board:
    return _with(mac, _LINE, line_error_rate=10 ** random.uniform(-3.5, -2.5))


def _slow_cable(random: Random, mac: bytes, image: bytes) -> Board:
    return _with(mac, frozenset(), max_baud=random.choice((800_000, 400_000, 200_000)))


def _dead_cable(random: Random, mac: bytes, image: bytes) -> Board:
    return _with(mac, frozenset({Kind.SILENT}), serial_receive_dead=True)


def _dead_button(random: Random, mac: bytes, image: bytes) -> Board:
    return _with(mac, frozenset({Kind.SILENT}), boot_dead=True)


def _pulled(random: Random, mac: bytes, image: bytes) -> Board:
    return _with(
        mac, frozenset({Kind.CABLE, Kind.NO_PORT}), again=True, unplug_after_bytes=random.randrange(500, 150_000)
    )


def _pulled_at_question(random: Random, mac: bytes, image: bytes) -> Board:
    return _with(mac, frozenset({Kind.CABLE}), again=True, unplug_at_question=True)


def _dead_device(random: Random, mac: bytes, image: bytes) -> Board:
    return Board(SimulatedChip(mac=mac), mac, told=frozenset({Kind.NODE}), dead_device=True)


def _other_answers(random: Random, mac: bytes, image: bytes) -> Board:
    return Board(SimulatedChip(mac=mac), mac, told=frozenset({Kind.NODE}), other_mac=True)


def _dumb(random: Random, mac: bytes, image: bytes) -> Board:
    return Board(SimulatedChip(mac=mac), mac, told=frozenset({Kind.NOT_STARTED}), is_dumb=True)


def _forgets(random: Random, mac: bytes, image: bytes) -> Board:
    """Cells that lose what they held between the reading back and the start: in the identity, or in the table."""
    told = frozenset({Kind.NODE, Kind.NOT_STARTED})
    return Board(SimulatedChip(mac=mac), mac, told=told, is_mended_by_again=True, spoil=_forget_identity)


def _forget_identity(chip: SimulatedChip) -> None:
    chip.memory.content[0x9000:0xA000] = b"\xff" * 0x1000


def _twice(random: Random, mac: bytes, image: bytes) -> Board:
    return Board(SimulatedChip(mac=mac), mac, comes_twice=True)


_DEFECTS: dict[str, Callable[[Random, bytes, bytes], Board]] = {
    "bad cells": _bad_cells,
    "flash dies": _dying_flash,
    "flash smaller than its id": _fake_flash,
    "small flash": _small_flash,
    "wrong chip": _wrong_chip,
    "encrypted or signed": _locked,
    "line noise": _noise,
    "cable too slow": _slow_cable,
    "cable dead": _dead_cable,
    "button dead": _dead_button,
    "cable pulled": _pulled,
    "cable pulled at the question": _pulled_at_question,
    "bus device dead": _dead_device,
    "another board answers": _other_answers,
    "node does not start": _dumb,
    "identity forgotten": _forgets,
    "plugged in twice": _twice,
}

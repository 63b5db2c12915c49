"""The simulated flash does what cells do."""

import hashlib

from hardware.rig.esp32.faults import ChipFaults
from hardware.rig.esp32.flash_memory import FlashMemory


def test_programming_clears_bits_and_erasing_sets_whole_sectors():
    flash = FlashMemory(1 << 20, ChipFaults())
    flash.program(0x1000, b"\x0f\xf0")
    flash.program(0x1000, b"\xff\x00")
    assert flash.read(0x1000, 3) == b"\x0f\x00\xff"
    flash.erase(0x1FFF, 1)
    assert flash.read(0x1000, 2) == b"\xff\xff"
    assert flash.erased_sectors == 1
    assert flash.md5(0, 4096) == hashlib.md5(b"\xff" * 4096).digest()


def test_a_flash_smaller_than_its_id_states_wraps_round():
    flash = FlashMemory(4 << 20, ChipFaults(real_flash_bytes=2 << 20))
    flash.program(0x1000, b"boot")
    flash.erase(0x201000, 4096)
    flash.program(0x201000, b"late")
    assert flash.jedec_id() >> 16 == 22
    assert flash.read(0x1000, 4) == b"late"
    flash.program((2 << 20) - 2, b"abcd")
    assert flash.read(0, 2) == b"cd"


def test_bad_cells_keep_what_they_have():
    flash = FlashMemory(1 << 20, ChipFaults(bad_cells=frozenset({5})))
    flash.program(4, b"\x01\x02\x03")
    assert flash.read(4, 3) == b"\x01\xff\x03"


def test_a_dying_flash_takes_so_much_and_then_nothing():
    flash = FlashMemory(1 << 20, ChipFaults(flash_dies_after_bytes=6))
    flash.program(0, b"abcd")
    flash.program(4, b"efgh")
    assert bytes(flash.content[:8]) == b"abcdef\xff\xff"
    flash.erase(0, 4096)
    assert bytes(flash.content[:6]) == b"abcdef"
    assert flash.jedec_id() == 0xFFFFFF
    assert flash.read(0, 2) == b"\xff\xff"

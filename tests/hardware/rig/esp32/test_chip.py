"""The loader of a simulated chip, spoken to with frames made by hand."""

import hashlib
import struct
import zlib

import pytest

from hardware.rig.esp32 import numbers as n
from hardware.rig.esp32 import slip
from hardware.rig.esp32.checksum import exclusive_or
from hardware.rig.esp32.chip import Loader, SimulatedChip
from hardware.rig.esp32.efuses import Efuses
from hardware.rig.esp32.faults import ChipFaults

MAC = bytes.fromhex("240ac4010203")


class Host:
    """The other end of a chip's UART0. An answer is (command, value, data with its status)."""

    def __init__(self, chip: SimulatedChip, *, stub: bool = False) -> None:
        self.chip = chip
        self.frames: list[bytes] = []
        reader = slip.SlipReader()
        chip.send = lambda data: self.frames.extend(reader.feed(data))
        chip.enter_loader()
        if stub:
            self.ask(n.MEM_BEGIN, struct.pack("<IIII", 4, 1, 0x1800, 0x4008E000))
            self.ask(n.MEM_DATA, struct.pack("<IIII", 4, 0, 0, 0) + b"stub", checksum_of=b"stub")
            self.send(n.MEM_END, struct.pack("<II", 0, 0x4008E000))
            assert self.frames.pop() == n.STUB_GREETING
            self.frames.clear()

    def send(self, command: int, body: bytes = b"", checksum_of: bytes = b"", damage: int = 0) -> None:
        checksum = exclusive_or(checksum_of) ^ n.CHECKSUM_SEED ^ damage
        self.chip.receive(slip.encode(struct.pack("<BBHI", 0, command, len(body), checksum) + body), 115200)

    def ask(self, command: int, body: bytes = b"", **more: object) -> tuple[int, int, bytes]:
        self.frames.clear()
        self.send(command, body, **more)  # type: ignore[arg-type]
        direction, answered, length, value = struct.unpack_from("<BBHI", self.frames[0])
        assert direction == 1
        assert length == len(self.frames[0]) - 8
        return answered, value, self.frames[0][8:]

    def write(self, command: int, data: bytes, damage: int = 0) -> bytes:
        return self.ask(command, struct.pack("<IIII", len(data), 0, 0, 0) + data, checksum_of=data, damage=damage)[2]


def begin(size: int, address: int) -> bytes:
    return struct.pack("<IIII", size, 1, 0x4000, address)


def test_a_sync_is_answered_eight_times_and_tells_rom_from_stub():
    rom, stub = Host(SimulatedChip()), Host(SimulatedChip(), stub=True)
    for host, value, status in ((rom, n.ROM_SYNC_VALUE, bytes(4)), (stub, 0, bytes(2))):
        assert host.ask(n.SYNC, n.SYNC_BODY) == (n.SYNC, value, status)
        assert len(host.frames) == 8
    assert rom.chip.baud == 115200


def test_registers_tell_who_the_chip_is():
    host = Host(SimulatedChip(efuses=Efuses(MAC, flash_crypt_cnt=1, secure_boot_v2=True)))

    def word(address: int) -> int:
        return host.ask(n.READ_REG, struct.pack("<I", address))[1]

    assert word(0x40001000) == 0x00F01D83
    assert word(0x3FF5A004).to_bytes(4, "big") == MAC[2:]
    assert word(0x3FF5A008) & 0xFFFF == int.from_bytes(MAC[:2], "big")
    assert word(0x3FF5A000) >> 20 & 0x7F == 1
    assert word(0x3FF5A018) >> 5 & 1 == 1
    host.ask(n.WRITE_REG, struct.pack("<IIII", 0x3FF5A000, 0, 0xFFFFFFFF, 0))
    assert word(0x3FF5A000) >> 20 & 0x7F == 1, "a fuse cannot be unburnt"


def test_the_flash_is_asked_for_its_id_through_the_spi_registers():
    host = Host(SimulatedChip(flash_bytes=2 << 20))
    host.ask(n.WRITE_REG, struct.pack("<IIII", 0x3FF42024, 7 << 28 | 0x9F, 0xFFFFFFFF, 0))
    host.ask(n.WRITE_REG, struct.pack("<IIII", 0x3FF42000, 1 << 18, 0xFFFFFFFF, 0))
    assert host.ask(n.READ_REG, struct.pack("<I", 0x3FF42000))[1] == 0
    assert host.ask(n.READ_REG, struct.pack("<I", 0x3FF42080))[1] == 0x1540C8


@pytest.mark.parametrize("stub", [False, True])
@pytest.mark.parametrize("deflated", [False, True])
def test_what_is_written_reads_back_and_has_its_md5(stub, deflated):
    chip = SimulatedChip(flash=bytearray(4 << 20))
    host = Host(chip, stub=stub)
    content = bytes(range(256)) * 600
    data = zlib.compress(content) if deflated else content
    first, more, last = (
        (n.FLASH_DEFL_BEGIN, n.FLASH_DEFL_DATA, n.FLASH_DEFL_END)
        if deflated
        else (n.FLASH_BEGIN, n.FLASH_DATA, n.FLASH_END)
    )
    status = bytes(2) if stub else bytes(4)
    assert host.ask(first, begin(len(content), 0x11000))[2] == status
    for place in range(0, len(data), 5000):
        assert host.write(more, data[place : place + 5000]) == status
    digest = hashlib.md5(content)
    asked = host.ask(n.SPI_FLASH_MD5, struct.pack("<IIII", 0x11000, len(content), 0, 0))[2]
    assert asked == (digest.digest() if stub else digest.hexdigest().encode()) + status
    assert host.ask(last, struct.pack("<I", 1))[2] == status
    assert bytes(chip.memory.content[0x11000 : 0x11000 + len(content)]) == content
    assert chip.memory.content[0x10FFF] == 0, "what is not erased stays"
    assert chip.memory.content[0x11000 + len(content)] == 0xFF, "whole sectors are erased"


def test_the_stub_writes_a_piece_when_the_next_one_comes_and_a_power_cut_tears_it():
    chip = SimulatedChip()
    host = Host(chip, stub=True)
    host.ask(n.FLASH_BEGIN, begin(0x2000, 0))
    host.write(n.FLASH_DATA, bytes(0x1000))
    assert chip.memory.programmed_bytes == 0
    host.write(n.FLASH_DATA, bytes(0x1000))
    assert chip.memory.programmed_bytes == 0x1000
    chip.leave_loader()
    assert chip.memory.programmed_bytes == 0x1800


def test_damaged_pieces_are_refused_and_not_written():
    host = Host(SimulatedChip(), stub=True)
    host.ask(n.FLASH_BEGIN, begin(16, 0))
    assert host.write(n.FLASH_DATA, bytes(16), damage=1) == bytes([1, n.STUB_BAD_CHECKSUM])
    host.ask(n.FLASH_DEFL_BEGIN, begin(16, 0))
    assert host.write(n.FLASH_DEFL_DATA, b"no stream") == bytes([1, n.STUB_INFLATE_ERROR])
    host.ask(n.FLASH_DEFL_BEGIN, begin(16, 0))
    assert host.write(n.FLASH_DEFL_DATA, zlib.compress(bytes(17))) == bytes([1, n.STUB_TOO_MUCH_DATA])
    assert host.chip.memory.programmed_bytes == 0
    assert host.ask(n.FLASH_BEGIN, begin(16, 4 << 20))[2] == bytes([1, n.STUB_FAILED_SPI])


def test_the_rom_answers_what_it_does_not_know_as_real_ones_do():
    host = Host(SimulatedChip())
    assert host.ask(n.GET_SECURITY_INFO) == (0, 0, bytes([1, n.ROM_INVALID_MESSAGE, 0, 0]))
    assert len(host.frames) == 8
    assert host.ask(n.ERASE_FLASH)[2][:2] == bytes([1, n.ROM_INVALID_MESSAGE])
    newer = Host(SimulatedChip("esp32s3"))
    assert newer.ask(n.GET_SECURITY_INFO)[2][12:16] == (9).to_bytes(4, "little")


def test_reading_keeps_to_the_window_and_ends_with_the_digest():
    chip = SimulatedChip()
    chip.memory.content[: 3 * 4096] = bytes(range(256)) * 48
    host = Host(chip, stub=True)
    host.ask(n.READ_FLASH, struct.pack("<IIII", 0, 3 * 4096, 4096, 2))
    assert len(host.frames) == 1 + 2
    chip.receive(slip.encode((4096).to_bytes(4, "little")))
    assert len(host.frames) == 1 + 3
    chip.receive(slip.encode((3 * 4096).to_bytes(4, "little")))
    assert b"".join(host.frames[1:4]) == bytes(range(256)) * 48
    assert host.frames[4] == hashlib.md5(bytes(range(256)) * 48).digest()


def test_a_start_in_what_was_never_uploaded_is_silence():
    host = Host(SimulatedChip())
    host.ask(n.MEM_BEGIN, struct.pack("<IIII", 4, 1, 0x1800, 0x4008E000))
    host.send(n.MEM_END, struct.pack("<II", 0, 0x40080000))
    assert host.chip.loader is Loader.NONE


def test_a_chip_that_hangs_answers_nothing():
    host = Host(SimulatedChip(faults=ChipFaults(chip_hangs_after_bytes=4096)), stub=True)
    host.ask(n.FLASH_BEGIN, begin(0x3000, 0))
    host.write(n.FLASH_DATA, bytes(4096))
    host.write(n.FLASH_DATA, bytes(4096))
    host.frames.clear()
    host.send(n.SYNC, n.SYNC_BODY)
    assert host.frames == []

"""An ESP32 at its serial loader: the boot ROM's, and the stub's once one was uploaded and started.

`SimulatedChip` takes what arrives at UART0 while the chip is in its loader and sends what the chip answers. Nothing
here waits: every command is worked off at once. Power, buttons and the application are the board's (`board`).
The protocol is Espressif's ("Serial Protocol" in the documentation of esptool); where ROM and stub differ, so do they
here: length of the status, form of an MD5, who may erase, what an unknown command gets.
Not simulated: the stub's own code (what is uploaded is kept, and its start is believed), encrypted writes, secure
download mode, flash of more than 16 MiB.
"""

import enum
import struct
import zlib
from collections.abc import Callable
from functools import partial

from hardware.rig.esp32 import numbers as n
from hardware.rig.esp32 import slip
from hardware.rig.esp32.checksum import exclusive_or
from hardware.rig.esp32.efuses import Efuses
from hardware.rig.esp32.faults import ChipFaults
from hardware.rig.esp32.flash_memory import FlashMemory
from hardware.rig.esp32.flash_reading import FlashReading
from hardware.rig.esp32.flash_writing import FlashWriting, TooMuchDataError
from hardware.rig.esp32.kinds import KINDS
from hardware.rig.esp32.registers import Registers

MEBIBYTE = 1 << 20
_ROM_FLASH_BYTES = 4 * MEBIBYTE
_NO_DATA = b""


class Loader(enum.Enum):
    """Who answers at UART0; NONE when the chip has left its loader or has no power."""

    NONE = "none"
    ROM = "ROM"
    STUB = "stub"


class _RefusedError(Exception):
    """A command that is answered with this status."""

    def __init__(self, rom_status: int, stub_status: int) -> None:
        super().__init__(f"status {rom_status:#04x} / {stub_status:#04x}")
        self.rom_status = rom_status
        self.stub_status = stub_status


class SimulatedChip:
    """One chip with its flash.

    `send` takes the bytes that the chip puts on the line; `on_start` is called when the loader gives way to what is in
    flash. `flash` is the content at the beginning (of the real size, see ChipFaults), else erased.
    """

    def __init__(
        self,
        kind: str = "esp32",
        mac: bytes = bytes.fromhex("240ac4010203"),
        flash_bytes: int = 4 * MEBIBYTE,
        flash: bytearray | None = None,
        efuses: Efuses | None = None,
        faults: ChipFaults | None = None,
    ) -> None:
        self.kind = KINDS[kind]
        self.faults = faults if faults is not None else ChipFaults()
        self.efuses = efuses if efuses is not None else Efuses(mac)
        self.memory = FlashMemory(flash_bytes, self.faults, flash)
        self.loader = Loader.NONE
        self.baud: int | None = None
        """The rate of UART0; None while the ROM still listens for it."""
        self.stub_starts = 0
        self.send: Callable[[bytes], None] = _nobody_listens
        self.on_start: Callable[[], None] = _nobody_starts
        self._registers = Registers(self.kind, self.efuses, self.memory)
        self._frames = slip.SlipReader()
        self._uploaded: list[range] = []
        self._upload_next = 0
        self._writing: FlashWriting | None = None
        self._reading: FlashReading | None = None
        self._flash_limit = _ROM_FLASH_BYTES
        self._handlers: dict[int, Callable[[bytes, int], bytes]] = {
            n.SYNC: self._sync,
            n.READ_REG: self._read_register,
            n.WRITE_REG: self._write_register,
            n.MEM_BEGIN: self._begin_upload,
            n.MEM_DATA: self._upload,
            n.MEM_END: self._end_upload,
            n.FLASH_BEGIN: partial(self._begin_write, deflated=False),
            n.FLASH_DATA: self._write,
            n.FLASH_END: self._end_write,
            n.FLASH_DEFL_BEGIN: partial(self._begin_write, deflated=True),
            n.FLASH_DEFL_DATA: self._write,
            n.FLASH_DEFL_END: self._end_write,
            n.SPI_SET_PARAMS: self._set_flash_size,
            n.SPI_ATTACH: self._accept,
            n.CHANGE_BAUDRATE: self._accept,
            n.SPI_FLASH_MD5: self._digest,
        }
        self._rom_only: dict[int, Callable[[bytes, int], bytes]] = {n.READ_FLASH_SLOW: self._read_slowly}
        self._stub_only: dict[int, Callable[[bytes, int], bytes]] = {
            n.ERASE_FLASH: self._erase_all,
            n.ERASE_REGION: self._erase_region,
            n.READ_FLASH: self._begin_read,
        }
        if self.kind.security_info_bytes:
            self._handlers[n.GET_SECURITY_INFO] = self._security_info

    def enter_loader(self) -> None:
        """A reset with IO0 low: the ROM waits for a host, and finds its rate by the first SYNC."""
        self._forget()
        self.loader = Loader.ROM
        self.baud = None

    def leave_loader(self) -> None:
        """A reset with IO0 high, or the power goes: what the stub was about to write is torn."""
        if self._writing is not None:
            self._writing.tear()
        self._forget()
        self.loader = Loader.NONE
        self.baud = None

    def receive(self, data: bytes, host_baud: int | None = None) -> None:
        """Work off what arrives at UART0; `host_baud` is the rate it was sent at, where that is known."""
        for frame in self._frames.feed(data):
            if self.loader is Loader.NONE or self._hangs():
                return
            if self._reading is not None and self._goes_on_reading(frame):
                continue
            if self.baud is None and host_baud is not None and frame[8:] == n.SYNC_BODY:
                self._set_baud(host_baud)
            self._work_off(frame)

    def _forget(self) -> None:
        self._frames.clear()
        self._registers.clear()
        self._uploaded.clear()
        self._writing = None
        self._reading = None
        self._flash_limit = _ROM_FLASH_BYTES

    def _set_baud(self, baud: int) -> None:
        self.baud = baud
        self._registers.set_baud(baud)

    def _hangs(self) -> bool:
        limit = self.faults.chip_hangs_after_bytes
        return limit is not None and self.memory.programmed_bytes >= limit

    def _work_off(self, frame: bytes) -> None:
        if len(frame) < 8 or frame[0] != 0:
            return
        _, command, length, checksum = struct.unpack_from("<BBHI", frame)
        body = frame[8:]
        try:
            if length != len(body):
                raise _RefusedError(n.ROM_INVALID_MESSAGE, n.STUB_BAD_LENGTH)
            handler = self._handler(command)
            if handler is None:
                self._refuse_unknown(command)
                return
            try:
                answer = handler(body, checksum)
            except struct.error as error:
                raise _RefusedError(n.ROM_INVALID_MESSAGE, n.STUB_BAD_LENGTH) from error
        except _RefusedError as refused:
            self._answer(command, status=refused.rom_status if self.loader is Loader.ROM else refused.stub_status)
            return
        self._succeed(command, body, answer)

    def _handler(self, command: int) -> Callable[[bytes, int], bytes] | None:
        special = self._rom_only if self.loader is Loader.ROM else self._stub_only
        return special.get(command) or self._handlers.get(command)

    def _refuse_unknown(self, command: int) -> None:
        if self.loader is Loader.STUB:
            self._answer(command, status=n.STUB_UNKNOWN_COMMAND)
            return
        for _ in range(8):
            self._answer(0, status=n.ROM_INVALID_MESSAGE)

    def _succeed(self, command: int, body: bytes, answer: bytes) -> None:
        """Answer, and then do what comes after the answer."""
        if command == n.READ_REG:
            self._answer(command, value=int.from_bytes(answer, "little"))
            return
        if command == n.SYNC:
            value = n.ROM_SYNC_VALUE if self.loader is Loader.ROM else 0
            for _ in range(8):
                self._answer(command, value=value)
            return
        self._answer(command, answer)
        if command == n.CHANGE_BAUDRATE:
            self._set_baud(max(1, struct.unpack_from("<I", body)[0]))
        elif command == n.READ_FLASH and self._reading is not None:
            self._reading.acknowledge(0)
        elif command == n.MEM_END:
            self._start_upload(body)
        elif command in (n.FLASH_END, n.FLASH_DEFL_END):
            self._leave_flash_mode(stays=struct.unpack_from("<I", body)[0] == 1)

    def _answer(self, command: int, data: bytes = _NO_DATA, *, value: int = 0, status: int = 0) -> None:
        tail = bytes([1, status] if status else [0, 0]) + (b"\0\0" if self.loader is Loader.ROM else _NO_DATA)
        head = struct.pack("<BBHI", 1, command, len(data) + len(tail), value)
        self.send(slip.encode(head + data + tail))

    def _accept(self, _body: bytes, _checksum: int) -> bytes:
        return _NO_DATA

    def _sync(self, body: bytes, _checksum: int) -> bytes:
        if body != n.SYNC_BODY:
            raise _RefusedError(n.ROM_INVALID_MESSAGE, n.STUB_BAD_LENGTH)
        return _NO_DATA

    def _read_register(self, body: bytes, _checksum: int) -> bytes:
        (address,) = struct.unpack_from("<I", body)
        return self._registers.read(address).to_bytes(4, "little")

    def _write_register(self, body: bytes, _checksum: int) -> bytes:
        for address, value, mask, _delay_us in struct.iter_unpack("<IIII", body):
            self._registers.write(address, value, mask)
        return _NO_DATA

    def _begin_upload(self, body: bytes, _checksum: int) -> bytes:
        size, _blocks, _block_bytes, address = struct.unpack_from("<IIII", body)
        self._uploaded.append(range(address, address + size))
        self._upload_next = address
        return _NO_DATA

    def _upload(self, body: bytes, checksum: int) -> bytes:
        data = _checked(body, checksum)
        self._upload_next += len(data)
        if not self._uploaded or self._upload_next > self._uploaded[-1].stop:
            raise _RefusedError(n.ROM_FAILED, n.STUB_TOO_MUCH_DATA)
        return _NO_DATA

    def _end_upload(self, body: bytes, _checksum: int) -> bytes:
        struct.unpack_from("<II", body)
        if not self._uploaded:
            raise _RefusedError(n.ROM_FAILED, n.STUB_NOT_IN_FLASH_MODE)
        return _NO_DATA

    def _start_upload(self, body: bytes) -> None:
        stays, entry = struct.unpack_from("<II", body)
        if stays:
            return
        if not any(entry in piece for piece in self._uploaded):
            self.loader = Loader.NONE  # it runs what is no program, and is heard of no more
            return
        self.loader = Loader.STUB
        self.stub_starts += 1
        self._flash_limit = self.memory.stated_bytes
        self.send(slip.encode(n.STUB_GREETING))

    def _set_flash_size(self, body: bytes, _checksum: int) -> bytes:
        _id, total, _block, _sector, _page, _mask = struct.unpack_from("<IIIIII", body)
        self._flash_limit = total
        return _NO_DATA

    def _begin_write(self, body: bytes, _checksum: int, *, deflated: bool) -> bytes:
        size, _blocks, _block_bytes, address = struct.unpack_from("<IIII", body)
        self._check_stretch(address, size)
        if self._writing is not None:
            self._writing.finish()
        lags = self.loader is Loader.STUB
        self._writing = FlashWriting(self.memory, address, size, deflated=deflated, lags=lags)
        return _NO_DATA

    def _write(self, body: bytes, checksum: int) -> bytes:
        if self._writing is None:
            raise _RefusedError(n.ROM_FAILED, n.STUB_NOT_IN_FLASH_MODE)
        try:
            self._writing.add(_checked(body, checksum))
        except zlib.error as error:
            raise _RefusedError(n.ROM_DEFLATE_ERROR, n.STUB_INFLATE_ERROR) from error
        except TooMuchDataError as error:
            raise _RefusedError(n.ROM_FAILED, n.STUB_TOO_MUCH_DATA) from error
        return _NO_DATA

    def _end_write(self, body: bytes, _checksum: int) -> bytes:
        struct.unpack_from("<I", body)
        if self._writing is None:
            raise _RefusedError(n.ROM_FAILED, n.STUB_NOT_IN_FLASH_MODE)
        self._writing.finish()
        self._writing = None
        return _NO_DATA

    def _leave_flash_mode(self, *, stays: bool) -> None:
        """The stub stays, or gives way to the ROM; the ROM starts what is in flash."""
        if self.loader is Loader.ROM:
            self.leave_loader()
            self.on_start()
        elif not stays:
            self.enter_loader()

    def _digest(self, body: bytes, _checksum: int) -> bytes:
        address, size, _, _ = struct.unpack_from("<IIII", body)
        self._check_stretch(address, size)
        self._finish_writing()
        digest = self.memory.md5(address, size)
        return digest.hex().encode() if self.loader is Loader.ROM else digest

    def _erase_all(self, _body: bytes, _checksum: int) -> bytes:
        self.memory.erase(0, self.memory.size_bytes)
        return _NO_DATA

    def _erase_region(self, body: bytes, _checksum: int) -> bytes:
        address, size = struct.unpack_from("<II", body)
        if address % n.SECTOR_BYTES or size % n.SECTOR_BYTES:
            raise _RefusedError(n.ROM_FAILED, n.STUB_BAD_LENGTH)
        self._check_stretch(address, size)
        self.memory.erase(address, size)
        return _NO_DATA

    def _read_slowly(self, body: bytes, _checksum: int) -> bytes:
        address, count = struct.unpack_from("<II", body)
        if count > 64:
            raise _RefusedError(n.ROM_FAILED, n.STUB_BAD_LENGTH)
        self._check_stretch(address, count)
        return self.memory.read(address, 64)

    def _begin_read(self, body: bytes, _checksum: int) -> bytes:
        address, count, piece_bytes, most_on_way = struct.unpack_from("<IIII", body)
        self._check_stretch(address, count)
        content = self.memory.read(address, count)
        self._reading = FlashReading(content, piece_bytes, most_on_way, lambda piece: self.send(slip.encode(piece)))
        return _NO_DATA

    def _goes_on_reading(self, frame: bytes) -> bool:
        """Whether `frame` was the host's acknowledgement; whatever else comes ends the reading."""
        reading = self._reading
        if reading is None or len(frame) != 4:
            self._reading = None
            return False
        reading.acknowledge(int.from_bytes(frame, "little"))
        if reading.is_done:
            self._reading = None
        return True

    def _security_info(self, _body: bytes, _checksum: int) -> bytes:
        head = struct.pack("<IB7x", self.efuses.secure_boot_v2, self.efuses.flash_crypt_cnt)
        return (head + struct.pack("<II", self.kind.image_chip_id, 0))[: self.kind.security_info_bytes]

    def _finish_writing(self) -> None:
        if self._writing is not None:
            self._writing.finish()

    def _check_stretch(self, address: int, size: int) -> None:
        if address + size > self._flash_limit:
            raise _RefusedError(n.ROM_FAILED, n.STUB_FAILED_SPI)


def _checked(body: bytes, checksum: int) -> bytes:
    """The data of a data command; _RefusedError when it is not as long, or not what, its head says."""
    (length,) = struct.unpack_from("<I", body)
    data = body[16:]
    if length != len(data):
        raise _RefusedError(n.ROM_INVALID_MESSAGE, n.STUB_BAD_LENGTH)
    if exclusive_or(data) ^ n.CHECKSUM_SEED != checksum & 0xFF:
        raise _RefusedError(n.ROM_BAD_CHECKSUM, n.STUB_BAD_CHECKSUM)
    return data


def _nobody_listens(_data: bytes) -> None:
    """What the chip says while nothing is connected to it."""


def _nobody_starts() -> None:
    """What the chip starts while it is on no board."""

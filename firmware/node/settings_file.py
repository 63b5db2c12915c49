"""Takes new settings over the pole bus: file 60001 block by block, then a write to the block `settings`.

What comes lies in `settings.new` until the gateway puts it into force by a new write_sequence. Then it is checked, and
only what passes goes into the older one of the two copies; a power cut at any moment leaves the old settings or the
new. The node starts again with them.
"""

import asyncio
import os

from micropython import const

from node import board, log, register_map, settings, supervisor, two_copies
from node.register_map import put, put_u32
from protocols import log_codes, modbus, node_map, rtu, settings_codes
from protocols.errors import WireError

FIRST_FILE = const(60001)
_NEW_FILE = "settings.new"
_PIECE_BYTES = const(256)
_SETTLE_MS = const(300)
_SIZE = const(6)


class SettingsFile:
    """The receiver of settings; `run` does what takes longer than an answer may."""

    def __init__(self, registers: register_map.RegisterMap) -> None:
        self._sequence = 0
        self._result = settings_codes.NONE
        self._reason = settings_codes.NO_REASON
        self._received = 0
        self._file = None
        self._commanded = asyncio.Event()
        self._kept = two_copies.sequence(settings.FILE)
        registers.add(
            node_map.SETTINGS,
            node_map.SETTINGS_REGISTERS,
            self._fill_command,
            self._take_command,
            register_map.GUARDED,
            self.digest,
        )
        registers.add(node_map.SETTINGS_STATE, node_map.SETTINGS_STATE_REGISTERS, self._fill_state)

    def read(self, _file: int, record: int, count: int, buffer: bytearray, at: int) -> int:
        """The reader of file 60001: the settings in force."""
        whole = two_copies.newest(settings.FILE)
        if whole is None:
            return modbus.ILLEGAL_DATA_ADDRESS
        length = os.stat(whole)[_SIZE] - two_copies.BODY_AT - two_copies.TAIL_BYTES
        if 2 * record >= length or 2 * (record + count) > length + 1:
            return modbus.ILLEGAL_DATA_ADDRESS
        with open(whole, "rb") as file:
            file.seek(two_copies.BODY_AT + 2 * record)
            piece = file.read(min(2 * count, length - 2 * record))
        for index in range(2 * count):
            buffer[at + index] = piece[index] if index < len(piece) else 0
        return 0

    def write(self, _file: int, record: int, count: int, buffer: bytearray, at: int) -> int:
        """The writer of file 60001: blocks in their order, from record 0 on; a repeated one is taken again."""
        if record == 0:
            self._begin()
        if self._file is None or 2 * record > self._received or self._result == settings_codes.CHECKING:
            return modbus.ILLEGAL_DATA_ADDRESS
        end = 2 * (record + count)
        if end > self._received:
            skipped = self._received - 2 * record
            self._file.write(memoryview(buffer)[at + skipped : at + 2 * count])
            self._received = end
        return 0

    def digest(self) -> bytes:
        """The SHA-256 of what has come so far, which the tag of the command covers."""
        import hashlib

        self._close()
        whole = hashlib.sha256()
        if self._received:
            with open(_NEW_FILE, "rb") as file:
                piece = file.read(_PIECE_BYTES)
                while piece:
                    whole.update(piece)
                    piece = file.read(_PIECE_BYTES)
        return bytes(whole.digest())

    def wake(self) -> None:
        """Let the task look round though nothing was commanded."""
        self._commanded.set()

    async def run(self, seat: supervisor.Seat) -> None:
        """Check and keep what is put into force, then reset the board."""
        while True:
            seat.check_in()
            await self._commanded.wait()
            self._commanded.clear()
            if self._result != settings_codes.CHECKING:
                continue
            self._reason = await self._take(seat)
            if self._reason:
                self._result = settings_codes.REFUSED
                log.note(log_codes.SETTINGS_REFUSED, self._reason)
                continue
            self._result = settings_codes.TAKEN
            self._kept = two_copies.sequence(settings.FILE)
            log.note(log_codes.SETTINGS_TAKEN, self._kept)
            log.keep(True)
            await asyncio.sleep_ms(_SETTLE_MS)  # the gateway may still read what became of it
            board.reset()

    def _begin(self) -> None:
        self._close()
        self._received = 0
        self._result = settings_codes.RECEIVING
        self._reason = settings_codes.NO_REASON
        self._file = open(_NEW_FILE, "wb")  # noqa: SIM115  (closed when all has come)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take_command(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        sequence = rtu.get_u16(buffer, at)
        if offset or not count or self._result == settings_codes.CHECKING:
            return modbus.ILLEGAL_DATA_VALUE
        if sequence in (0, self._sequence):
            return 0
        self._sequence = sequence
        self._close()
        if not self._received:
            self._result = settings_codes.REFUSED
            self._reason = settings_codes.NOTHING_SENT
            return 0
        self._result = settings_codes.CHECKING
        self._commanded.set()
        return 0

    async def _take(self, seat: supervisor.Seat) -> int:
        """Check `settings.new` and make it the newest copy; returns a reason of settings_codes."""
        from protocols import node_settings

        try:
            with open(_NEW_FILE, "rb") as file:
                length = node_settings.length_of(file.read(node_settings.HEAD_BYTES))
                reason = self._check(file, length)
                seat.check_in()
                if reason:
                    return reason
                writing = two_copies.Writing(settings.FILE)
                file.seek(0)
                left = length
                while left > 0:
                    piece = file.read(min(left, _PIECE_BYTES))
                    writing.add(piece)
                    left -= len(piece)
                    seat.check_in()
                    await asyncio.sleep_ms(0)
                writing.finish()
            self._received = 0
            os.remove(_NEW_FILE)
        except OSError:
            return settings_codes.FLASH
        except MemoryError:
            return settings_codes.MEMORY
        return settings_codes.NO_REASON

    def _check(self, file, length: int) -> int:  # type: ignore[no-untyped-def]
        from node import factory
        from protocols import node_settings, node_table

        if length < 0:
            return settings_codes.VERSION
        if self._received not in (length, length + 1):
            return settings_codes.NOT_WHOLE
        reason = node_settings.check_form(file, 0, length)
        if reason:
            return reason
        at, size = node_settings.find(file, 0, length, node_settings.TERMINAL_CODE)
        if at:
            file.seek(at)
            if file.read(size) != factory.terminal_code():
                return settings_codes.OTHER_TERMINAL
        at, size = node_settings.find(file, 0, length, node_settings.NODE_TABLE)
        file.seek(at)
        try:
            node_table.check(file.read(size))
        except WireError:
            return settings_codes.TABLE
        return settings_codes.NO_REASON

    def _fill_command(self, image: bytearray) -> None:
        put(image, 0, self._sequence)

    def _fill_state(self, image: bytearray) -> None:
        first = node_map.SETTINGS_STATE
        put(image, node_map.SETTINGS_STATE_RESULT - first, self._result)
        put(image, node_map.SETTINGS_STATE_REASON - first, self._reason)
        put_u32(image, node_map.SETTINGS_STATE_RECEIVED_BYTES - first, self._received)
        put_u32(image, node_map.SETTINGS_STATE_SEQUENCE - first, self._kept)

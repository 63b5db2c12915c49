"""Takes new settings over the pole bus: file 60001 block by block, then a write to the block `settings`.

What comes lies in `settings.new` until the gateway puts it into force by a new write_sequence. Then it is checked, and
only what passes goes into the older one of the two copies (node/settings_take.py); a power cut at any moment leaves the
old settings or the new. The node starts again with them.
"""

import asyncio
import os

from micropython import const

from node import board, log, modules, register_map, supervisor, two_copies
from node.register_map import put, put_u32
from protocols import log_codes, modbus, node_map, rtu, settings_codes

FIRST_FILE = const(60001)
_NEW_FILE = "settings.new"
_PIECE_BYTES = const(256)
_SETTLE_MS = const(2000)
_TO_TAKE = (
    "node.settings_take",
    "node.factory",
    "protocols.factory_record",
    "protocols.node_settings",
    "protocols.node_table_check",
)
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
        self._kept = two_copies.sequence(two_copies.SETTINGS)
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
        whole = two_copies.newest(two_copies.SETTINGS)
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
        """The writer of file 60001: blocks in their order, from record 0 on; a repeated one is taken again.

        None while what has come is being checked and kept: its tag was right, and it must stay what it was.
        """
        if self._result == settings_codes.CHECKING:
            return modbus.SERVER_DEVICE_BUSY
        if record == 0:
            self._begin()
        if self._file is None or 2 * record > self._received:
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
            self._received = 0
            self._result = settings_codes.TAKEN
            self._kept = two_copies.sequence(two_copies.SETTINGS)
            log.note(log_codes.SETTINGS_TAKEN, self._kept)
            log.keep(True)
            await asyncio.sleep_ms(_SETTLE_MS)  # the gateway learns it still under the unit id from before
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
        try:
            from node import settings_take

            return await settings_take.take(_NEW_FILE, self._received, seat)
        except MemoryError:
            return settings_codes.MEMORY
        finally:
            modules.forget(_TO_TAKE)

    def _fill_command(self, image: bytearray) -> None:
        put(image, 0, self._sequence)

    def _fill_state(self, image: bytearray) -> None:
        first = node_map.SETTINGS_STATE
        put(image, node_map.SETTINGS_STATE_RESULT - first, self._result)
        put(image, node_map.SETTINGS_STATE_REASON - first, self._reason)
        put_u32(image, node_map.SETTINGS_STATE_RECEIVED_BYTES - first, self._received)
        put_u32(image, node_map.SETTINGS_STATE_SEQUENCE - first, self._kept)

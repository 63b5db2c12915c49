"""Receives one bundle into the slot that does not run, and checks it; loaded for that only. See spec/update-bundle.md.

Blocks of the file records go into a buffer at once; a loop of steps takes them out again: head, signature, then file by
file onto the flash. Nothing of a bundle is believed, and nothing of the slot is touched, before its manifest has
proved to be signed, for this board, and not too old.
"""

import asyncio
import hashlib
import sys

from micropython import const

from node import board, boot_state, files, supervisor, update_floor, update_signature, update_slot
from protocols import bundle, modbus, update_codes

_PIECE_BYTES = const(2048)
_BUFFER_BYTES = const(2048 + 2 * 244)
_LOOK_MS = const(10)
_PAUSE_MS = const(1)
_FIRST_FILE = const(1)
_LAST_FILE = const(1000)
_PATIENCE_LOOKS = const(12000)
_KEY_FILE = "update.key"


class RefusedError(Exception):
    """The bundle is not taken; the argument is the reason."""


class StoppedError(Exception):
    """No more blocks come for now; the argument is the reason."""


async def receive(gate, seat: supervisor.Seat) -> None:  # type: ignore[no-untyped-def]
    """Receive one bundle; afterwards `gate.state` is READY, REFUSED or IDLE and `gate.reason` says why."""
    try:
        job = Update(gate, seat)
        files.add(_FIRST_FILE, _LAST_FILE, None, job.take)
        await job.run()
        gate.state = update_codes.READY
    except RefusedError as refused:
        gate.state = update_codes.REFUSED
        gate.reason = refused.args[0]
    except StoppedError as stopped:
        gate.state = update_codes.IDLE
        gate.reason = stopped.args[0]
    except (OSError, MemoryError) as error:
        gate.state = update_codes.REFUSED
        gate.reason = update_codes.FLASH_FAILED if isinstance(error, OSError) else update_codes.NO_MEMORY
    files.remove(_FIRST_FILE)


class Update:
    """One transfer. `gate` has the bundle's `total` and `digest`, and shows `state` and `received`."""

    def __init__(self, gate, seat: supervisor.Seat) -> None:  # type: ignore[no-untyped-def]
        self._gate = gate
        self._seat = seat
        self._slot_number = 1 - boot_state.running_slot()
        self._slot = update_slot.UpdateSlot(boot_state.FOLDERS[self._slot_number], seat)
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._have = 0
        self._head = bytearray()
        self._head_have = 0
        self._at = 0
        self._file_have = 0
        self._running_hash = hashlib.sha256()

    def take(self, file: int, record: int, count: int, buffer: bytearray, at: int) -> int:
        """Take a block as files.add has it: what is already there is skipped, a gap refused, no room is "busy"."""
        gate = self._gate
        if gate.state != update_codes.RECEIVING:
            return modbus.SERVER_DEVICE_BUSY
        offset = (file - 1) * bundle.FILE_BYTES + 2 * record
        end = min(offset + 2 * count, gate.total)
        if offset > gate.received or offset + 2 * count > gate.total + 1:
            return modbus.ILLEGAL_DATA_ADDRESS
        if end <= gate.received:
            return 0
        length = end - gate.received
        if self._have + length > _BUFFER_BYTES:
            return modbus.SERVER_DEVICE_BUSY
        first = at + gate.received - offset
        for index in range(length):
            self._buffer[self._have + index] = buffer[first + index]
        self._have += length
        gate.received = end
        return 0

    async def run(self) -> None:
        """Receive and check until the slot can be tried. Raises RefusedError, StoppedError, OSError or MemoryError."""
        gate = self._gate
        if gate.total < bundle.HEAD_BYTES:
            raise RefusedError(update_codes.WRONG_LENGTH)
        await self._go_on_with_what_is_there()
        gate.state = update_codes.RECEIVING
        patience = _PATIENCE_LOOKS
        while not self._is_whole():
            before = gate.received
            is_over = gate.is_abandoned or patience == 0
            await self._consume(is_over)
            if is_over:
                raise StoppedError(update_codes.ABANDONED if gate.is_abandoned else update_codes.INTERRUPTED)
            patience = patience - 1 if gate.received == before else _PATIENCE_LOOKS
            self._seat.check_in()
            await asyncio.sleep_ms(_LOOK_MS)
        gate.state = update_codes.VERIFYING
        await self._verify()
        self._slot.complete()

    def _is_whole(self) -> bool:
        return self._at > 0 and self._at == bundle.manifest_bytes(self._head)

    async def _go_on_with_what_is_there(self) -> None:
        """Find out how much of this very bundle the slot holds already, from an earlier transfer."""
        self._gate.received = 0
        head = self._slot.head()
        if head is None or len(head) < bundle.HEAD_BYTES + bundle.SIGNATURE_BYTES:
            return
        if len(head) != bundle.manifest_bytes(head) + bundle.SIGNATURE_BYTES:
            return
        if bundle.check_head(head, self._gate.total) or await self._reason_against(head):
            return
        received = len(head)
        at = bundle.HEAD_BYTES
        while at < bundle.manifest_bytes(head):
            length = bundle.length_at(head, at)
            name = bundle.name_at(head, at).decode()
            if not self._slot.has(name, length):
                self._file_have = min(self._slot.part_bytes(name), length)
                self._running_hash = await self._slot.hash_part(name)
                received += self._file_have
                break
            received += length
            at = bundle.next_at(head, at)
        self._head = head
        self._head_have = len(head)
        self._at = at
        self._gate.received = received

    async def _consume(self, is_over: bool) -> None:
        """Work off what is in the buffer; of an unfinished file only whole pieces, unless it `is_over`."""
        if self._at == 0:
            await self._take_head()
        while self._at and not self._is_whole():
            left = bundle.length_at(self._head, self._at) - self._file_have
            count = min(self._have, left, _PIECE_BYTES)
            if count < left and count < _PIECE_BYTES and not (is_over and count):
                return
            self._slot.append(bundle.name_at(self._head, self._at).decode(), self._view[:count])
            self._running_hash.update(self._view[:count])
            self._remove(count)
            self._file_have += count
            if count == left:
                self._finish_file()
            self._seat.check_in()
            await asyncio.sleep_ms(_PAUSE_MS)

    def _remove(self, count: int) -> None:
        """Take `count` bytes from the front of the buffer."""
        left = self._have - count
        self._view[:left] = self._view[count : self._have]
        self._have = left

    async def _take_head(self) -> None:
        """Move manifest and signature out of the buffer; when they are whole, decide about them."""
        if not self._head:
            if self._have < bundle.HEAD_BYTES:
                return
            reason = bundle.check_head(self._buffer, self._gate.total)
            if reason:
                raise RefusedError(reason)
            self._head = bytearray(bundle.manifest_bytes(self._buffer) + bundle.SIGNATURE_BYTES)
        count = min(self._have, len(self._head) - self._head_have)
        self._head[self._head_have : self._head_have + count] = self._view[:count]
        self._head_have += count
        self._remove(count)
        if self._head_have < len(self._head):
            return
        reason = await self._reason_against(self._head)
        if reason:
            raise RefusedError(reason)
        update_floor.keep()
        self._gate.boot.begin_writing(self._slot_number)
        await self._slot.begin()
        if not self._slot.has_room(self._head):
            raise RefusedError(update_codes.FLASH_FULL)
        self._slot.keep_head(self._head)
        self._at = bundle.HEAD_BYTES

    async def _reason_against(self, head: "bytes | bytearray") -> int:
        """Why the bundle with this manifest and signature is not to be installed, 0 if it may be."""
        end = bundle.manifest_bytes(head)
        digest = hashlib.sha256(memoryview(head)[:end]).digest()
        if int.from_bytes(digest[:4], "big") != self._gate.digest:
            return update_codes.BAD_MANIFEST
        key = _read(_KEY_FILE)
        if not key:
            return update_codes.NO_KEY
        signature = bytes(head[end:])
        for first in range(0, len(key), bundle.SIGNATURE_BYTES):
            modulus = key[first : first + bundle.SIGNATURE_BYTES]
            if await update_signature.is_signed(digest, signature, modulus, self._seat):
                return bundle.check(head, board.BOARD_NUMBER, sys.implementation._mpy & 0xFF, update_floor.lowest())
        return update_codes.BAD_SIGNATURE

    def _finish_file(self) -> None:
        name = bundle.name_at(self._head, self._at).decode()
        if self._running_hash.digest() != bundle.hash_at(self._head, self._at):
            self._slot.forget()
            raise RefusedError(update_codes.BAD_FILE)
        self._slot.finish(name)
        self._running_hash = hashlib.sha256()
        self._file_have = 0
        self._at = bundle.next_at(self._head, self._at)

    async def _verify(self) -> None:
        """Read every file back from the flash; RefusedError unless all are as the manifest says."""
        at = bundle.HEAD_BYTES
        while at < bundle.manifest_bytes(self._head):
            digest = await self._slot.digest(bundle.name_at(self._head, at).decode())
            if digest != bundle.hash_at(self._head, at):
                self._slot.forget()
                raise RefusedError(update_codes.BAD_FILE)
            at = bundle.next_at(self._head, at)
        if self._slot.file_count() != bundle.file_count(self._head):
            self._slot.forget()
            raise RefusedError(update_codes.BAD_FILE)


def _read(name: str) -> bytes:
    """The content of a file, empty if there is none."""
    try:
        with open(name, "rb") as file:
            return bytes(file.read())
    except OSError:
        return b""

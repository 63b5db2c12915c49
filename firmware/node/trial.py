"""A new version's trial: it is kept once the gateway has read the node and every device answers that answered before.

    await trial.restart(gate)           in the old version: note who answers now, let the other slot run next
    await trial.judge(gate, seat)       in the new version: keep it, or go back to the old one when the time is up

A restart of any kind ends the trial (docs/decisions/0302). Loaded for a trial only.
"""

import asyncio
import errno

from micropython import const

from node import board, boot_state, log, slots, supervisor, two_copies, update_floor
from protocols import event_codes, log_codes, node_table, quality, update_codes

_FILE = "trial"
_MASK_BYTES = const(16)
_BASE_S = const(300)
_LONGEST_S = const(3600)
_STEP_MS = const(1000)
_ANSWER_MS = const(500)
_SILENT = (quality.NEVER, quality.NO_ANSWER, quality.BAD_ANSWER, quality.STALE)


async def restart(gate) -> None:  # type: ignore[no-untyped-def]
    """Start the other slot on trial, once the answer to the command has gone out."""
    await asyncio.sleep_ms(_ANSWER_MS)
    try:
        two_copies.write(_FILE, _answering(gate.slots))
        gate.boot.stage_trial(1 - boot_state.running_slot())
    except OSError:
        gate.state = update_codes.REFUSED
        gate.reason = update_codes.FLASH_FAILED
        return
    board.reset()


async def judge(gate, seat: supervisor.Seat) -> None:  # type: ignore[no-untyped-def]
    """Watch until the version can be kept; restart into the old one if that is not within the deadline.

    In safe mode there are no devices: then the gateway alone decides.
    """
    expected = two_copies.read(_FILE) or bytes(_MASK_BYTES)
    left_s = _deadline_s(gate.table)
    while left_s > 0:
        gate.trial_left_s = left_s
        if gate.registers.was_read and _all_answer(expected, gate.slots):
            gate.boot.mark_good(update_floor.allows(gate.boot.active))
            _keep_floor()
            gate.state = update_codes.KEPT
            gate.trial_left_s = 0
            gate.events.add(event_codes.UPDATE_KEPT)
            return
        seat.check_in()
        await asyncio.sleep_ms(_STEP_MS)
        left_s -= 1
    reason = update_codes.DEVICES_SILENT if gate.registers.was_read else update_codes.GATEWAY_SILENT
    gate.boot.go_back(reason)
    board.reset()


def _keep_floor() -> None:
    """A floor that cannot be written now is written before the slot that holds it is overwritten."""
    try:
        update_floor.keep()
    except OSError as error:
        log.note(log_codes.FLASH_FAILED, error.errno or errno.EIO)


def _answering(node_slots: "slots.Slots | None") -> bytearray:
    """One bit for each slot, lowest bit first: its device answers."""
    mask = bytearray(_MASK_BYTES)
    if node_slots is not None:
        for slot in range(node_slots.count):
            if node_slots.qualities[slot] not in _SILENT:
                mask[slot >> 3] |= 1 << (slot & 7)
    return mask


def _all_answer(expected: bytes, node_slots: "slots.Slots | None") -> bool:
    mask = _answering(node_slots)
    return all(not expected[index] & ~mask[index] for index in range(_MASK_BYTES))


def _deadline_s(table: "bytes | None") -> int:
    """Five minutes and two periods of the slowest device."""
    longest_ms = 0
    if table is not None:
        for device in range(node_table.device_count(table)):
            longest_ms = max(longest_ms, node_table.device_period_ms(table, device))
    return min(_BASE_S + 2 * longest_ms // 1000, _LONGEST_S)

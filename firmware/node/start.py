"""The first thing a slot does: find out why the board has started, count crashes, give this start its epoch.

Only a watchdog, a panic and an error that nobody caught are crashes; the power may come and go as often as it likes.
All of it is one write to the flash.
"""

import random

from micropython import const

from node import board, boot_state, clock, log
from protocols import log_codes, start_codes
from protocols.errors import WireError

_CRASHES_TO_SAFE_MODE = const(3)
_CRASHES_TO_OTHER_SLOT = const(6)
_GOOD_S = const(3600)
_UNKNOWN_ERROR = const(-1)


class Start:
    """This start: `reason` (protocols/start_codes.py), `epoch`, `mode`; `left_slot`, why a slot was left at it, or 0.

    `flash_error` is the number of the error when the flash could not be written, else 0; the epoch is then one by
    chance, with its top bit set, which no other start has.
    """

    def __init__(self, state: boot_state.BootState, reason: int) -> None:
        self.state = state
        self.reason = reason
        self.flash_error = 0
        self.left_slot = state.left_reason if state.has_changed else start_codes.NOT_LEFT
        self._count_crash()
        # A new version is tried with all it has, also where the one before it crashed itself into safe mode.
        self.mode = start_codes.FULL_MODE if state.is_on_trial else state.safe_mode
        state.has_changed = False
        state.boots += 1
        state.epoch = (_last_epoch(state) + 1) & 0x7FFFFFFF
        try:
            state.save()
        except OSError as error:
            self.flash_error = error.errno or _UNKNOWN_ERROR
            state.epoch = random.getrandbits(15) << 16 | random.getrandbits(16) | 1 << 31
        self.epoch = state.epoch

    def _count_crash(self) -> None:
        state = self.state
        if self.left_slot:
            state.crashes = 0  # they were those of the version that was left
            state.safe_mode = start_codes.FULL_MODE
            return
        if start_codes.IS_CRASH[self.reason]:
            state.crashes += 1
        if state.crashes >= _CRASHES_TO_SAFE_MODE:
            state.safe_mode = start_codes.SAFE_AFTER_CRASHES

    @property
    def is_full(self) -> bool:
        """Whether all is to be served, and not the core alone."""
        return self.mode == start_codes.FULL_MODE

    def swap(self) -> bool:
        """Turn to the spare version if even safe mode goes on crashing; True if so: reset the board."""
        if self.state.crashes < _CRASHES_TO_OTHER_SLOT or not self.state.has_spare:
            return False
        try:
            self.state.swap(start_codes.CRASHED)
        except OSError:
            return False
        return True

    def read_table(self) -> "bytes | None":
        """The node table, or None and safe mode when there is no whole one."""
        from node import settings

        try:
            return settings.read_table()
        except WireError as error:
            log.note(log_codes.TABLE_BROKEN, error.reason)
            self.mode = start_codes.SAFE_WITHOUT_TABLE
            return None

    def note_good_time(self, seconds: int) -> bool:
        """After an hour without a crash nothing of them is remembered; True if that ends safe mode: reset the board."""
        state = self.state
        was_safe = state.safe_mode == start_codes.SAFE_AFTER_CRASHES
        if seconds < _GOOD_S or state.is_on_trial or not (state.crashes or was_safe):
            return False
        state.crashes = 0
        state.safe_mode = start_codes.FULL_MODE
        try:
            state.save()
        except OSError as error:
            log.note(log_codes.FLASH_FAILED, error.errno or _UNKNOWN_ERROR)
            return False
        if was_safe:
            log.note(log_codes.SAFE_MODE_ENDED)
        return was_safe


def begin(node_clock: clock.Clock) -> Start:
    """Note this start on the flash and in the log."""
    stamp, detail = board.take_stamp()
    state = boot_state.load()
    reason = _reason(board.reset_cause(), stamp)
    log.load(state.boots + 1, node_clock)
    if stamp == board.STAMP_MISSING_TASK and reason == start_codes.WATCHDOG:
        log.note(log_codes.TASK_MISSING, detail)
    this = Start(state, reason)
    log.note(log_codes.STARTED, reason)
    if this.left_slot:
        log.note(log_codes.SLOT_LEFT, this.left_slot)
    if this.flash_error:
        log.note(log_codes.FLASH_FAILED, this.flash_error)
    return this


def _reason(cause: int, stamp: int) -> int:
    """The reason for a start, from the reset cause of the chip and what was stamped before it.

    The cause alone is not to be believed: where the flash chip is slower to wake than the ESP32, each switching on ends
    in a reset by the watchdog of the chip's own loader, and that one is reported (ESP32 errata 3.8). No power leaves no
    stamp, a crash of ours always does.
    """
    if cause == board.POWER_ON:
        return start_codes.POWER
    if cause == board.DEEP_SLEEP_RESET:
        return start_codes.DEEP_SLEEP
    if stamp == board.STAMP_EXCEPTION:
        return start_codes.EXCEPTION
    if stamp == board.STAMP_CONSOLE:
        return start_codes.OWN_RESET
    if cause == board.WATCHDOG_RESET:
        # With the stamp of an own reset: what was started then hung before it had stamped anything itself.
        return start_codes.POWER if stamp == board.STAMP_NONE else start_codes.WATCHDOG
    if cause == board.HARD_RESET and stamp != board.STAMP_OWN_RESET:
        return start_codes.POWER if stamp == board.STAMP_NONE else start_codes.PANIC
    return start_codes.OWN_RESET


def _last_epoch(state: boot_state.BootState) -> int:
    """The epoch of the last start; without a boot state that of the newest event, and then one by chance."""
    if not state.is_fresh:
        return state.epoch
    from node import event_keeper

    return event_keeper.last_epoch() or random.getrandbits(15) << 16

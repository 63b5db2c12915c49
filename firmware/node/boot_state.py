"""What a node knows before anything else runs: which slot, whether on trial, how often it crashed; in `boot.a|b`.

A slot is 0 (`slot_a/`) or 1 (`slot_b/`). This is how an update uses it:

    state = boot_state.load()
    state.begin_writing(other)          # before the first byte goes into the other slot
    ...
    state.stage_trial(other)            # all is there and verified: reset, and it runs once
    state.mark_good(may_go_back)        # in the new version: it stays
    state.go_back(reason)               # or: reset, and the old version runs again

A trial that comes to any restart before `mark_good` is over; `boot_choice` sees to that. Every function that changes
something has saved it when it returns, and raises OSError when the flash cannot be written. This module is also on the
flash outside the slots, as it was when the node was provisioned: the layout of the body may be added to, not changed.
"""

import sys

from micropython import const

from node import two_copies

_FILE = "boot"
_BODY_BYTES = const(24)
_VERSION = const(1)

NO_SLOT = const(0xFF)
FOLDERS = ("slot_a", "slot_b")

_UPDATED = const(1)
_FULL_MODE = const(0)


class BootState:
    """The fields of the file; `is_fresh` says that there was none.

    `active` is the slot that runs when there is no trial, `trial` the one that is tried or NO_SLOT, `tries` how often
    it may still be started. `previous` is the slot that was left last, for `left_reason` (protocols/start_codes.py).
    `has_spare`: the other slot holds a version that ran well. `has_changed`: a slot was left at this start.
    """

    def __init__(self, body: "bytes | None") -> None:
        self.is_fresh = body is None or len(body) < _BODY_BYTES
        if body is None or self.is_fresh:
            body = bytes([_VERSION, 0, NO_SLOT, 0, NO_SLOT]) + bytes(_BODY_BYTES - 5)
        self.active = body[1] & 1
        self.trial = body[2]
        self.tries = body[3]
        self.previous = body[4]
        self.left_reason = body[5]
        self.crashes = body[6]
        self.safe_mode = body[7]
        self.has_spare = body[8] == 1
        self.has_changed = body[9] == 1
        self.boots = int.from_bytes(body[12:16], "big")
        self.epoch = int.from_bytes(body[16:20], "big")

    def save(self) -> None:
        """Write all of it. Raises OSError."""
        body = bytearray(_BODY_BYTES)
        body[0] = _VERSION
        body[1] = self.active
        body[2] = self.trial
        body[3] = self.tries
        body[4] = self.previous
        body[5] = self.left_reason
        body[6] = min(self.crashes, 255)
        body[7] = self.safe_mode
        body[8] = 1 if self.has_spare else 0
        body[9] = 1 if self.has_changed else 0
        body[12:16] = self.boots.to_bytes(4, "big")
        body[16:20] = self.epoch.to_bytes(4, "big")
        two_copies.write(_FILE, body)

    @property
    def is_on_trial(self) -> bool:
        """Whether the version that runs now is the one that is tried."""
        return self.trial != NO_SLOT and self.trial == running_slot()

    def begin_writing(self, slot: int) -> None:
        """What is in `slot` is about to be overwritten: nothing goes back to it any more. Not for the active slot."""
        if slot == self.active:
            raise ValueError(slot)
        if self.has_spare or self.trial != NO_SLOT:
            self.has_spare = False
            self.trial = NO_SLOT
            self.tries = 0
            self.save()

    def stage_trial(self, slot: int) -> None:
        """Let `slot`, which is not the active one, run at the next start, once."""
        if slot == self.active:
            raise ValueError(slot)
        self.trial = slot
        self.tries = 1
        self.save()

    def mark_good(self, may_go_back: bool) -> None:
        """The version on trial stays; the one before it is its spare if it `may_go_back` to that. Only in a trial."""
        self.previous = self.active
        self.left_reason = _UPDATED
        self.active = self.trial
        self.trial = NO_SLOT
        self.tries = 0
        self.crashes = 0
        self.safe_mode = _FULL_MODE
        self.has_spare = may_go_back
        self.save()

    def go_back(self, reason: int) -> None:
        """The trial has failed for `reason`: from the next start on the active slot runs again."""
        self.previous = self.trial
        self.left_reason = reason
        self.trial = NO_SLOT
        self.tries = 0
        self.has_changed = True
        self.save()

    def swap(self, reason: int) -> None:
        """The active version is of no use: from the next start on the spare one runs. Only if `has_spare`."""
        self.previous = self.active
        self.left_reason = reason
        self.active = 1 - self.active
        self.has_spare = False
        self.has_changed = True
        self.crashes = 0
        self.save()


def load() -> BootState:
    """The state as it was saved last, or a fresh one."""
    return BootState(two_copies.read(_FILE))


def running_slot() -> int:
    """The slot whose code runs; 0 where there are no slots, as under a MicroPython without a flash of ours."""
    return 1 if sys.path and sys.path[0] == FOLDERS[1] else 0

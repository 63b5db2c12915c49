"""What the last update has led to, for the update's registers; loaded once at the start and dropped."""

from node import start
from protocols import event_codes, start_codes, update_codes


def look_back(gate, this_start: start.Start) -> None:  # type: ignore[no-untyped-def]
    """Set `gate.state` and `gate.reason`; a version that was left at this start is an event."""
    past = this_start.state
    left_reason = past.left_reason
    if past.is_on_trial:
        gate.state = update_codes.TRIAL
    elif left_reason == start_codes.UPDATED:
        gate.state = update_codes.KEPT
    elif left_reason:
        gate.state = update_codes.WENT_BACK
        gate.reason = _reason(left_reason, this_start)
        if this_start.left_slot:
            gate.events.add(event_codes.UPDATE_WENT_BACK, event_codes.NO_SLOT, gate.reason)


def _reason(left_reason: int, this_start: start.Start) -> int:
    """The number of update_codes for a reason of start_codes, which the files outside the slots use."""
    if left_reason == start_codes.NOT_STARTING:
        return update_codes.CANNOT_START
    if left_reason == start_codes.CRASHED:
        return update_codes.CRASHED
    if left_reason == start_codes.TRIAL_ENDED:
        is_crash = this_start.left_slot and start_codes.IS_CRASH[this_start.reason]
        return update_codes.CRASHED if is_crash else update_codes.RESTARTED
    return left_reason

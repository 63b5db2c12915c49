"""Chooses the slot to run, before anything of a slot is loaded; main.py runs it from `start/`, never updated."""

from micropython import const

from node import boot_state
from node.boot_state import FOLDERS, NO_SLOT

_TRIAL_ENDED = const(2)
_NOT_STARTING = const(3)
_SWAP_AFTER_CRASHES = const(6)


def choose() -> str:
    """The folder of the slot to run. A trial is counted before it begins; one that was begun before is over."""
    state = boot_state.load()
    active = FOLDERS[state.active]
    try:
        if state.trial == NO_SLOT:
            return active
        if state.tries == 0:
            state.go_back(_TRIAL_ENDED)
            return active
        state.tries -= 1
        state.save()
        return FOLDERS[state.trial]
    except OSError:
        return active  # a flash that cannot be written cannot count tries either


def give_up(folder: str) -> None:
    """The version in `folder` cannot be loaded: leave it if it is on trial, or after the sixth time for a spare one."""
    state = boot_state.load()
    if state.trial != NO_SLOT and FOLDERS[state.trial] == folder:
        state.go_back(_NOT_STARTING)
        return
    state.crashes += 1
    if state.crashes >= _SWAP_AFTER_CRASHES and state.has_spare:
        state.swap(_NOT_STARTING)
    else:
        state.save()

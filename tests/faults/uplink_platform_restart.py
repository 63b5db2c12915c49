"""A platform that is ended at every step of the exchanges and comes back with its state, without it, or an old one.

Forty minutes of a pole, a batch every two, alarms in between. In each run the platform is ended once, in the instant
in which a datagram comes to the relay, which gets through or is lost, and is back five seconds later: with its database
as it was, with readings but without the states of chains and the channel tables, without the numbers of its OSCORE
contexts, so that new keys must be agreed, or with the database of half the time. What it lost by itself then is
counted apart, but for what the gateway still holds; everything else must be there in the end, once and right. The
control takes a chained batch for one that refers to whatever state it has.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from gateway_agent.compact import State
from hardware.rig.platform_desk import Desk
from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._progress import OnProgress
from tests.faults._uplink_breaks import PLATFORM, PLATFORM_OLDER, PLATFORM_WITHOUT_KEYS, PLATFORM_WITHOUT_STATE, Break
from tests.faults._uplink_steps import Outcome, row_of, run_broken


def restart(on_progress: OnProgress, minutes: int = 40, stride: int = 1) -> Row:
    """The case: every step, or one in `stride`."""
    breaks = _breaks(minutes, stride)
    outcomes = on_all_cores(run_broken, [(each, minutes) for each in breaks], on_progress)
    return row_of("uplink/platform-restart", outcomes)


def credulous(on_progress: OnProgress, minutes: int = 20, stride: int = 4) -> Row:
    """The control."""
    steps = range(0, run_broken(None, minutes).steps, stride)
    breaks = [Break(PLATFORM_OLDER, step, is_delivered) for step in steps for is_delivered in (False, True)]
    outcomes = on_all_cores(_run_credulous, [(each, minutes) for each in breaks], on_progress)
    return row_of("uplink/platform-restart-control", outcomes)


def _run_credulous(broken: Break, minutes: int) -> Outcome:
    with _any_state():
        return run_broken(broken, minutes)


@contextmanager
def _any_state() -> Iterator[None]:
    """A platform that does not look which state a batch refers to, and takes the newest that it has."""
    find = Desk._find_state

    def find_any(desk: Desk, gateway: str, state_id: bytes) -> State | None:
        query = "SELECT id FROM states WHERE gateway = ? ORDER BY number DESC LIMIT 1"
        newest = desk._store._connection.execute(query, (gateway,)).get
        return None if newest is None else find(desk, gateway, newest)

    with patch.object(Desk, "_find_state", find_any):
        yield


def _breaks(minutes: int, stride: int) -> list[Break]:
    steps = range(0, run_broken(None, minutes).steps, stride)
    kinds = (PLATFORM, PLATFORM_WITHOUT_STATE, PLATFORM_WITHOUT_KEYS, PLATFORM_OLDER)
    return [Break(kind, step, is_delivered) for kind in kinds for step in steps for is_delivered in (False, True)]


CASES = {"uplink/platform-restart": restart, "uplink/platform-restart-control": credulous}

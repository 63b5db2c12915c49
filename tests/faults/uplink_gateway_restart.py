"""A gateway that is ended at every step of its exchanges and after every commit of its journal, and started again.

Forty minutes of a pole, a batch every two, alarms in between. It is ended once in each run: in the instant in which a
datagram comes to the relay, which then gets through or is lost, or right after a commit: of readings, of what is about
to be sent, of what was acknowledged, of sender numbers. What the journal had accepted must be at the platform in the
end, once. The control lets records go from the journal when they are sent instead of when they are acknowledged.
"""

from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._progress import OnProgress
from tests.faults._uplink_breaks import GATEWAY, GATEWAY_AT_COMMIT, Break
from tests.faults._uplink_steps import Outcome, letting_go_at_once, row_of, run_broken


def restart(on_progress: OnProgress, minutes: int = 40, stride: int = 1) -> Row:
    """The case: every step and commit, or one in `stride`."""
    breaks = _breaks(minutes, stride)
    return row_of("uplink/gateway-restart", on_all_cores(run_broken, [(each, minutes) for each in breaks], on_progress))


def forgetful(on_progress: OnProgress, minutes: int = 20, stride: int = 5) -> Row:
    """The control."""
    breaks = _breaks(minutes, stride)
    outcomes = on_all_cores(_run_forgetful, [(each, minutes) for each in breaks], on_progress)
    return row_of("uplink/gateway-restart-control", outcomes)


def _breaks(minutes: int, stride: int) -> list[Break]:
    whole = run_broken(None, minutes)
    steps = range(0, whole.steps, stride)
    return [
        *(Break(GATEWAY, step, is_delivered) for step in steps for is_delivered in (False, True)),
        *(Break(GATEWAY_AT_COMMIT, commit) for commit in range(0, whole.commits, stride)),
    ]


def _run_forgetful(broken: Break, minutes: int) -> Outcome:
    with letting_go_at_once():
        return run_broken(broken, minutes)


CASES = {"uplink/gateway-restart": restart, "uplink/gateway-restart-control": forgetful}

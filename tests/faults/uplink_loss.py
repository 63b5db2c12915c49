"""A link that loses, doubles and reorders datagrams: everything arrives once, and what that costs.

Hours of a pole with alarms in between, a batch each minute, through a link that loses none to three in ten datagrams,
doubles half as many, and delays each by up to three seconds, so that they overtake each other; with two seeds each. The
bytes on the air are told for each loss. The control takes what was sent for acknowledged.
"""

from typing import Any

from hardware.rig.relay import RadioFaults
from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._progress import OnProgress
from tests.faults._uplink_steps import Outcome, letting_go_at_once, run_broken

LOSSES_PCT = (0, 5, 10, 15, 20, 25, 30)
SEEDS = (1, 2)
_SETTINGS: dict[str, Any] = {"batch_s": 60.0, "link": {"ack_timeout_s": 5.0}, "retry_longest_s": 60.0}
"""The first repetition comes after the slowest answer, as on a radio that is slow (RFC 7252, 4.8.1)."""


def loss(on_progress: OnProgress, hours: float = 6, losses_pct: tuple[int, ...] = LOSSES_PCT) -> Row:
    """The case."""
    jobs = [(loss_pct, seed, round(60 * hours)) for loss_pct in losses_pct for seed in SEEDS]
    outcomes = on_all_cores(_run, jobs, on_progress)
    return _row("uplink/loss", jobs, outcomes)


def hopeful(on_progress: OnProgress, hours: float = 1, losses_pct: tuple[int, ...] = (10, 30)) -> Row:
    """The control."""
    jobs = [(loss_pct, seed, round(60 * hours)) for loss_pct in losses_pct for seed in SEEDS]
    outcomes = on_all_cores(_run_hopeful, jobs, on_progress)
    return _row("uplink/loss-control", jobs, outcomes)


def _run(loss_pct: int, seed: int, minutes: int) -> Outcome:
    share = loss_pct / 100
    faults = RadioFaults(share, share / 2, 0.2, 2.8)
    return run_broken(None, minutes, _SETTINGS, faults, seed)


def _run_hopeful(loss_pct: int, seed: int, minutes: int) -> Outcome:
    with letting_go_at_once():
        return _run(loss_pct, seed, minutes)


def _row(case: str, jobs: list[tuple[int, int, int]], outcomes: list[Outcome]) -> Row:
    sent = sum(outcome.verdict.sent for outcome in outcomes)
    by_loss: dict[int, list[Outcome]] = {}
    for (loss_pct, _, _), outcome in zip(jobs, outcomes, strict=True):
        by_loss.setdefault(loss_pct, []).append(outcome)
    return {
        "case": case,
        "tried": sent,
        "survived": sum(outcome.verdict.right for outcome in outcomes),
        "lost": sum(outcome.verdict.lost for outcome in outcomes),
        "duplicated": sum(outcome.verdict.duplicated for outcome in outcomes),
        "wrong": sum(outcome.verdict.wrong for outcome in outcomes),
        "readings": sent,
        "not_drained": sum(not outcome.is_drained for outcome in outcomes),
        "datagrams": sum(outcome.steps for outcome in outcomes),
        "on_air_bytes": sum(outcome.air_bytes for outcome in outcomes),
        **{f"on_air_bytes_per_reading_{loss_pct}_pct": _per_reading(each) for loss_pct, each in by_loss.items()},
    }


def _per_reading(outcomes: list[Outcome]) -> float:
    return round(sum(each.air_bytes for each in outcomes) / sum(each.verdict.sent for each in outcomes), 3)


CASES = {"uplink/loss": loss, "uplink/loss-control": hopeful}

"""Everything at once: a bad link, and gateway and platform ended again and again at random, in all modes.

An hour and a half of a pole in each run, from a seed: a link that loses up to three datagrams in ten, doubles and
reorders them, one of the batch intervals and modes, with or without an observed mailbox, and so many restarts of
gateway and platform, the latter without its state or with an old one too. The control lets records go from the journal
when they are sent.
"""

from random import Random

from gateway_agent.uplink import forms
from hardware.rig.relay import RadioFaults
from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._progress import OnProgress
from tests.faults._uplink_breaks import Storm
from tests.faults._uplink_steps import Outcome, letting_go_at_once, row_of, run_broken


def storm(on_progress: OnProgress, runs: int = 120, minutes: int = 90) -> Row:
    """The case."""
    jobs = [(seed, minutes) for seed in range(runs)]
    return row_of("uplink/storm", on_all_cores(_run, jobs, on_progress))


def forgetful(on_progress: OnProgress, runs: int = 10, minutes: int = 30) -> Row:
    """The control."""
    jobs = [(seed, minutes) for seed in range(runs)]
    return row_of("uplink/storm-control", on_all_cores(_run_forgetful, jobs, on_progress))


def _run(seed: int, minutes: int) -> Outcome:
    random = Random(f"storm/{seed}")
    loss = random.choice((0.0, 0.05, 0.2, 0.3))
    faults = RadioFaults(loss, loss / 2, 0.2, random.choice((0.0, 3.0)))
    settings = {
        "batch_s": random.choice((60.0, 120.0, 300.0)),
        "form": random.choice((forms.AUTO, forms.AUTO, forms.SELF_CONTAINED, forms.SENML_ONLY)),
        "link": {"command_delay_s": random.choice((3600.0, 3600.0, 5.0)), "ack_timeout_s": 5.0},
        "retry_longest_s": 30.0,
    }
    return run_broken(Storm(seed), minutes, settings, faults, seed)


def _run_forgetful(seed: int, minutes: int) -> Outcome:
    with letting_go_at_once():
        return _run(seed, minutes)


CASES = {"uplink/storm": storm, "uplink/storm-control": forgetful}

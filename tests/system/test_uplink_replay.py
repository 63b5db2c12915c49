"""A small dose of `make faults ARGS="uplink replay"`."""

import pytest

from tests.faults._cases import is_clean
from tests.faults.uplink_replay import Dose, attack, row

_SMALL = Dose(honest=20, changed=2, answers=8)


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_that_is_sent_again_changed_or_forged_is_taken(seed: int) -> None:
    figures = attack(without_window=False, seed=seed, dose=_SMALL)
    seen = row("uplink/replay", figures)
    assert is_clean(seen), seen
    assert seen["uncounted"] == 0
    assert figures.at_gateway > 300
    assert set(figures.refused) >= {"replayed", "not-genuine", "unknown-key", "clear", "long", "options", "challenged"}


def test_a_platform_without_a_replay_window_takes_things_twice() -> None:
    assert attack(without_window=True, dose=_SMALL).duplicated > 10

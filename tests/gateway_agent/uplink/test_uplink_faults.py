"""Smaller doses of what `make faults ARGS=uplink` does wholly: losses, and restarts of gateway and platform."""

import logging
from collections.abc import Iterator
from functools import partial

import pytest

from tests.faults._cases import Case, is_clean
from tests.faults._progress import silent
from tests.faults.uplink_fuzz import fuzz, fuzz_control
from tests.faults.uplink_gateway_restart import forgetful
from tests.faults.uplink_gateway_restart import restart as restart_gateway
from tests.faults.uplink_loss import hopeful, loss
from tests.faults.uplink_platform_restart import credulous
from tests.faults.uplink_platform_restart import restart as restart_platform
from tests.faults.uplink_storm import forgetful as forgetful_storm
from tests.faults.uplink_storm import storm

DOSES = {
    "loss": partial(loss, hours=0.5, losses_pct=(0, 20)),
    "gateway-restart": partial(restart_gateway, minutes=10, stride=7),
    "platform-restart": partial(restart_platform, minutes=10, stride=5),
    "storm": partial(storm, runs=6, minutes=40),
    "fuzz": partial(fuzz, payloads=3000),
}
CONTROLS = {
    "loss": partial(hopeful, hours=0.5, losses_pct=(30,)),
    "gateway-restart": partial(forgetful, minutes=10, stride=9),
    "platform-restart": partial(credulous, minutes=20, stride=12),
    "storm": partial(forgetful_storm, runs=3, minutes=20),
    "fuzz": partial(fuzz_control, payloads=40),
}


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """The faults silence the agent's log; other tests read it."""
    logger = logging.getLogger("gatepost")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.mark.parametrize("dose", DOSES.values(), ids=DOSES)
def test_nothing_is_lost_doubled_or_wrong(dose: Case) -> None:
    row = dose(silent)
    print(row)
    assert row["tried"]
    assert is_clean(row), row


@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS)
def test_a_control_fails(control: Case) -> None:
    row = control(silent)
    print(row)
    assert row["tried"]
    assert not is_clean(row), row

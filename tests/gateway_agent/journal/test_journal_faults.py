"""Smaller doses of what `make faults ARGS=journal` does wholly."""

from functools import partial

import pytest

from tests.faults._cases import Case, is_clean
from tests.faults._journal_hour import Script
from tests.faults._progress import silent
from tests.faults.journal_damage import damaged, damaged_control
from tests.faults.journal_disk_full import disk_full, disk_full_control
from tests.faults.journal_power_cut import numbers_control, power_cut, power_cut_control

MINUTES = Script(seconds=720, alarm_every_s=90, event_every_s=50)

DOSES = [
    partial(power_cut, script=MINUTES, every=23, second_every=90),
    partial(damaged, damages=40, records=300),
    partial(disk_full, most=2),
]
CONTROLS = [
    partial(power_cut_control, script=MINUTES, every=90),
    numbers_control,
    partial(damaged_control, damages=60),
    partial(disk_full_control, groups=20),
]


@pytest.mark.parametrize("dose", DOSES, ids=["power-cut", "damage", "disk-full"])
def test_nothing_is_lost_doubled_or_wrong(dose: Case) -> None:
    row = dose(silent)
    print(row)
    assert row["tried"]
    assert is_clean(row), row


@pytest.mark.parametrize("control", CONTROLS, ids=["power-cut", "numbers", "damage", "disk-full"])
def test_a_control_fails(control: Case) -> None:
    row = control(silent)
    print(row)
    assert not is_clean(row), row

"""A small dose of `make faults ARGS=scan`."""

from tests.faults._cases import is_clean
from tests.faults._progress import silent
from tests.faults.scan_buses import buses, only_defaults


def test_a_random_bus_is_found_whole_in_a_fraction_of_the_time_of_asking_everything():
    row = buses(silent, count=1)
    assert is_clean(row), row
    assert row["tried"] >= 3
    assert row["bus_s"] < row["brute_force_s"] / 3


def test_asking_factory_settings_alone_misses_some():
    assert not is_clean(only_defaults(silent, count=3))

"""Small doses of what `make faults ARGS=journal` does wholly: a long outage in a small budget, and clocks that step."""

from tests.faults import journal_clock, journal_thinning
from tests.faults._cases import is_clean
from tests.faults._progress import silent


def test_what_was_thinned_in_a_long_outage_adds_up_hour_by_hour() -> None:
    row = journal_thinning.year(silent, days=6, budget_bytes=600_000)
    assert is_clean(row)
    assert row["windows_60_min"]
    assert float(row["most_disk_mib"]) * (1 << 20) < 2_000_000


def test_a_journal_that_deletes_instead_is_noticed() -> None:
    row = journal_thinning.cut_off(silent, days=3, budget_bytes=400_000)
    assert row["lost"]
    assert not is_clean(row)


def test_times_are_right_in_the_end_whatever_the_clock_did() -> None:
    row = journal_clock.stepping(silent, stories=4)
    assert is_clean(row)
    assert int(row["eras"]) > 4


def test_a_gateway_that_believes_its_clock_is_noticed() -> None:
    assert journal_clock.believing(silent, stories=4)["wrong"]

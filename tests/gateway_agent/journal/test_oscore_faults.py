"""A small dose of `make faults ARGS="journal oscore oscore-control"`."""

from tests.faults.journal_oscore import oscore_cut, oscore_cut_control


def test_after_power_cuts_no_number_is_used_twice_and_no_request_is_done_twice() -> None:
    row = oscore_cut(every=12, second_every=0)
    assert int(row["tried"]) >= 30
    assert row["survived"] == row["tried"]
    assert (row["lost"], row["duplicated"], row["wrong"]) == (0, 0, 0)


def test_the_same_run_with_aiocoaps_own_store_reuses_numbers_and_accepts_replays() -> None:
    row = oscore_cut_control(every=8)
    assert int(row["numbers_reused"]) > 0
    assert int(row["replays_accepted"]) > 0
    assert int(row["survived"]) < int(row["tried"])

"""A small dose of each fault of an update; `make faults ARGS=node` runs them wholly."""

from tests.faults import node_littlefs, node_update_cut
from tests.faults.node_bad_bundle import bad_bundle, bad_bundle_control


def test_a_cut_anywhere_in_an_update_leaves_one_whole_version() -> None:
    row = node_update_cut.update_cut(step=97, kills=1)
    print(row)
    assert row["survived"] == row["tried"], row
    assert row["wrong"] == 0, row


def test_a_node_that_receives_into_the_slot_it_runs_from_is_caught() -> None:
    assert int(node_update_cut.update_cut_control(step=200)["wrong"]) > 0


def test_bad_bundles_are_refused() -> None:
    row = bad_bundle(flips=4, every=9)
    assert row["survived"] == row["tried"], row


def test_a_node_that_does_not_verify_is_caught() -> None:
    assert int(bad_bundle_control(every=30)["wrong"]) > 0


def test_an_update_on_a_real_littlefs_stays_whole() -> None:
    row = node_littlefs.update_cut(every=45)
    assert row["survived"] == row["tried"], row


def test_files_that_are_written_through_are_caught() -> None:
    assert int(node_littlefs.update_cut_control(every=90)["wrong"]) > 0

"""A small dose of each fault of an update; `make faults ARGS=node` runs them wholly."""

from pathlib import Path

from tests.faults.node_bad_bundle import bad_bundle, bad_bundle_control
from tests.faults.node_littlefs import update_on_littlefs, update_on_littlefs_control
from tests.faults.node_update_cut import kill_at, make_scene, record, start_after


def test_a_cut_anywhere_in_an_update_leaves_one_whole_version(tmp_path: Path) -> None:
    scene = make_scene(tmp_path)
    made = record(scene, tmp_path)
    last = made.operations
    for number in (1, last // 2, last - 12, last):
        cut = start_after(scene, made, number, False)
        assert cut.is_good, cut
    cut = kill_at(scene, made, 10, True)
    assert cut.is_good, cut


def test_bad_bundles_are_refused() -> None:
    row = bad_bundle(flips=4, every=31)
    assert row["survived"] == row["tried"], row


def test_a_node_that_does_not_verify_is_caught() -> None:
    assert int(bad_bundle_control(every=30)["wrong"]) > 0


def test_an_update_on_a_real_littlefs_stays_whole() -> None:
    row = update_on_littlefs(every=60)
    assert row["survived"] == row["tried"], row


def test_files_that_are_written_through_are_caught() -> None:
    assert int(update_on_littlefs_control(every=90)["wrong"]) > 0

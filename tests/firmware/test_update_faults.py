"""A small dose of each fault of an update; `make faults ARGS=node` runs them wholly."""

from pathlib import Path

from tests.faults import node_littlefs
from tests.faults.node_bad_bundle import bad_bundle, bad_bundle_control
from tests.faults.node_update_cut import cut_at, make_scene


def test_a_cut_anywhere_in_an_update_leaves_one_whole_version(tmp_path: Path) -> None:
    scene = make_scene(tmp_path)
    operations = cut_at(scene, 0, False).operations
    for number in (1, operations // 2, operations - 40, operations - 12, operations):
        cut = cut_at(scene, number, False)
        assert cut.is_good, cut


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

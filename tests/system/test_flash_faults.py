"""A small dose of the group `flash` of `make faults`: its whole takes minutes."""

from tests.faults._cases import is_clean
from tests.faults._progress import silent
from tests.faults.flash_cable import cable
from tests.faults.flash_wrong_target import WRONGS, Wrong, believing, wrong_target


def only(*names: str) -> tuple[Wrong, ...]:
    return tuple(wrong for wrong in WRONGS if wrong.name in names)


def test_a_cable_pulled_between_writing_and_asking_is_told_and_mended():
    row = cable(silent, tenths=(), ways=1)
    assert is_clean(row), row
    assert (row["tried"], row["told_rightly"], row["mended"]) == (1, 1, 1)


def test_boards_that_must_not_pass_are_told_for_what_they_are():
    row = wrong_target(silent, only("2 MB flash that states 4", "secure boot v2"))
    assert is_clean(row), row
    assert row["tried"] == 2


def test_a_script_that_believes_esptool_passes_a_false_flash():
    row = believing(silent, only("2 MB flash that states 4"))
    assert row["wrong"] == 1, row

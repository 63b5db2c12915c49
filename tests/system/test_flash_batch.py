"""A small dose of `make faults ARGS="flash flash/batch"`: one order each, with the real esptool and firmware."""

from tests.faults._flash_desk import Count
from tests.faults.flash_batch import flash_lot, flash_lot_carelessly

PULLED_AT_THE_QUESTION, ANOTHER_BOARD_ANSWERS = 154, 105
"""Lots of one order whose first board has that."""


def test_a_board_whose_cable_came_out_passes_the_second_time_as_itself() -> None:
    count = Count(**flash_lot(PULLED_AT_THE_QUESTION, 1))
    assert (count.boards, count.orders, count.done, count.doubled) == (1, 1, 1, 0)
    assert (count.failures_found, count.mended, count.wrongly_passed, count.amiss) == (1, 1, 0, [])


def test_whoever_does_not_ask_the_node_passes_another_one() -> None:
    count = Count(**flash_lot_carelessly(ANOTHER_BOARD_ANSWERS, 1))
    assert (count.wrongly_passed, count.failures_missed) == (1, 1)

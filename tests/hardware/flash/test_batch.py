"""Which order a board gets: each order on one board, each board one order, whatever failed before."""

from functools import partial
from pathlib import Path

import pytest

from hardware.flash.application import Application
from hardware.flash.batch import Dealer, admission
from hardware.flash.images import image_of
from hardware.flash.node_file import NodeOrder
from hardware.flash.orders import OrderBook
from hardware.flash.problem import FlashProblem, Kind
from hardware.flash.results import Past
from hardware.kit.results_lines import DONE, FAILED, Record
from hardware.rig.esp32.stand_in_image import stand_in_image

A, B, C = "aa:aa:aa:aa:aa:aa", "bb:bb:bb:bb:bb:bb", "cc:cc:cc:cc:cc:cc"


def book(*terminals: str) -> OrderBook:
    image = image_of(Path("x.bin"), stand_in_image(app_bytes=1000), trust=True)
    orders = {name: partial(NodeOrder, name, "esp32-devkitc") for name in terminals}
    return OrderBook(image, lambda board: Application((0, 1, 0), board, {"boot.py": b""}), orders)


def done(terminal: str, mac: str) -> Record:
    return Record(terminal, DONE, mac=mac, more={"is_written": True})


def failed(terminal: str, mac: str | None, *, written: bool) -> Record:
    return Record(terminal, FAILED, mac=mac, kind="cable", more={"is_written": written})


def given(dealer: Dealer, mac: str) -> str:
    job = dealer.next_job()
    assert job is not None
    return dealer.choose(mac, job).order.terminal


def test_orders_are_given_in_their_sequence_each_once() -> None:
    past = Past([])
    dealer = Dealer(book("1", "2"), past)
    assert given(dealer, A) == "1"
    past.add(done("1", A))
    assert given(dealer, B) == "2"
    past.add(done("2", B))
    assert dealer.next_job() is None


def test_a_board_that_failed_in_the_middle_gets_its_own_order_again_and_no_other_does() -> None:
    dealer = Dealer(book("1", "2"), Past([failed("1", A, written=True)]))
    assert given(dealer, B) == "2"
    assert given(dealer, A) == "1"


def test_a_board_that_failed_before_writing_frees_its_order() -> None:
    dealer = Dealer(book("1", "2"), Past([failed("1", A, written=False), failed("1", None, written=False)]))
    assert given(dealer, B) == "1"


def test_a_board_that_is_done_is_turned_away() -> None:
    dealer = Dealer(book("1", "2"), Past([done("1", A)]))
    with pytest.raises(FlashProblem, match="is 1 already, and it works") as told:
        given(dealer, A)
    assert told.value.kind is Kind.TWICE


def test_a_try_that_ended_before_writing_does_not_make_a_done_board_another_node() -> None:
    dealer = Dealer(book("1", "2"), Past([done("1", A), failed("1", A, written=False)]))
    with pytest.raises(FlashProblem, match="is 1 already"):
        given(dealer, A)


def test_the_last_order_on_a_failed_board_goes_to_another_only_when_told() -> None:
    records = [done("1", A), failed("2", B, written=True)]
    with pytest.raises(FlashProblem, match="stands on another board"):
        given(Dealer(book("1", "2"), Past(records)), C)
    assert given(Dealer(book("1", "2"), Past(records), may_repeat=True), C) == "2"


def test_a_board_that_was_made_another_node_frees_its_first_order() -> None:
    past = Past([done("1", A), done("2", A)])
    assert (past.done_on("1"), past.done_on("2"), past.carried_by(A)) == (None, A, "2")


def test_making_a_node_twice_has_to_be_confirmed() -> None:
    asked: list[str] = []

    def refuse(sentence: str) -> bool:
        asked.append(sentence)
        return False

    job = book("1").job("1")
    past = Past([done("1", A), done("9", B)])
    choose = admission(past, refuse)
    assert choose(A, job) is job
    for mac in (B, C):
        with pytest.raises(FlashProblem, match="nothing was written"):
            choose(mac, job)
    assert [sentence.split("(")[0] for sentence in asked] == ["This board ", "1 stands on another board already "]
    assert admission(past, lambda sentence: True)(C, job) is job

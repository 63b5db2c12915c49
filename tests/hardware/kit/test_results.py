"""Results files: what power cuts, copies and clumsy hands do to them, and what several of them together say."""

import hashlib
from dataclasses import replace

import pytest

from hardware.kit.results import State, merge
from hardware.kit.results_lines import DONE, FAILED, Record, append_record, line_of, read_results
from hardware.kit.sealed_file import SealedFileError
from tests.hardware.kit.desk import order

KIT = "00000000000000aa"
ORDERS = [order(f"A-{number}", number) for number in range(1, 6)]


def done(terminal: str, mac: str, at: str, kit: str | None = KIT) -> Record:
    return Record(terminal, DONE, kit, mac, "esp32-devkitc", at=f"2026-11-28T{at}:00Z", more={"seconds": 41.2})


def failed(terminal: str, mac: str | None, at: str, *, is_written: bool) -> Record:
    problem = {"kind": "cable", "what": "the cable was pulled", "mend": "plug it in again"}
    when = f"2026-11-28T{at}:00Z"
    return Record(terminal, FAILED, KIT, mac, at=when, **problem, more={"is_written": is_written})


def write(path, *records):
    for record in records:
        append_record(path, record)
    return path


def merged(tmp_path, *files):
    paths = [write(tmp_path / f"{number}.gpresults", *records) for number, records in enumerate(files)]
    return merge([KIT], ORDERS, [read_results(path) for path in paths])


def states(result) -> dict[str, str]:
    return {one.order.terminal: str(one.state) for one in result.orders}


def test_what_is_appended_is_read_back_with_all_that_it_told(tmp_path):
    records = [done("A-1", "m1", "08:00"), failed("路-2", None, "08:05", is_written=False)]
    read = read_results(write(tmp_path / "it", *records))
    assert list(read.records.items()) == [(1, records[0]), (2, records[1])]
    assert (read.damage, read.is_torn) == ((), False)


def test_power_that_fails_while_a_line_is_written_takes_that_line_alone(tmp_path):
    path = write(tmp_path / "it", done("A-1", "m1", "08:00"), done("A-2", "m2", "08:10"))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first + 1, len(whole)):
        path.write_bytes(whole[:length])
        read = read_results(path)
        assert (list(read.records), read.is_torn, read.damage) == ([1], True, ())
        append_record(path, done("A-3", "m3", "08:20"))
        assert [one.terminal for one in read_results(path).records.values()] == ["A-1", "A-3"]


def test_power_that_fails_while_the_first_line_is_written_leaves_a_file_that_is_gone_on_with(tmp_path):
    whole = write(tmp_path / "whole", done("A-1", "m1", "08:00")).read_bytes()
    path = tmp_path / "it"
    for left in (*(whole[:length] for length in range(len(whole))), bytes(100)):
        path.write_bytes(left)
        read = read_results(path)
        assert (dict(read.records), read.is_torn, read.damage) == ({}, bool(left), ())
        append_record(path, done("A-3", "m3", "08:20"))
        assert [one.terminal for one in read_results(path).records.values()] == ["A-3"]


def test_any_bit_that_turns_over_is_told_with_its_line_and_the_other_lines_count(tmp_path):
    path = write(tmp_path / "it", done("A-1", "m1", "08:00"), done("A-2", "m2", "08:10"), done("A-3", "m3", "08:20"))
    whole = path.read_bytes()
    first = whole.index(b"\n")
    second = whole.index(b"\n", first + 1)
    for place in range(first + 1, second):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        read = read_results(path)
        assert read.damage
        assert f"{path}:2: the line is damaged" in read.damage[0]
        assert {"A-1", "A-3"} == {one.terminal for one in read.records.values()}


def test_lines_that_are_missing_from_the_middle_are_told(tmp_path):
    path = write(tmp_path / "it", done("A-1", "m1", "08:00"), done("A-2", "m2", "08:10"), done("A-3", "m3", "08:20"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    assert read_results(path).damage == (f"{path}:2: line 3 of the file stands here: lines are missing or twice",)


def test_a_file_that_is_no_results_file_or_a_newer_one_is_refused(tmp_path):
    path = tmp_path / "it"
    path.write_text("hello\n")
    with pytest.raises(SealedFileError, match="no whole line of a results file"):
        read_results(path)
    newer = '{"format": 2, "number": 1, "all_else": "unknown"'
    digest = hashlib.sha256(f"{newer}}}".encode()).hexdigest()[:16]
    path.write_text(f'{newer}, "check": "{digest}"}}\n')
    with pytest.raises(SealedFileError, match="format 2; this Gatepost reads up to 1; install a newer"):
        read_results(path)


def test_a_record_cannot_tell_what_the_line_tells_itself():
    with pytest.raises(ValueError, match="number"):
        line_of(Record("A-1", DONE, more={"number": 7}), 1)


def test_done_failed_and_open_orders_are_told_apart(tmp_path):
    result = merged(
        tmp_path,
        [done("A-1", "m1", "08:00"), failed("A-2", "m2", "08:10", is_written=True)],
        [failed("A-3", "m3", "08:00", is_written=False), done("A-3", "m3", "08:20")],
    )
    assert states(result) == {"A-1": "done", "A-2": "failed", "A-3": "done", "A-4": "open", "A-5": "open"}
    assert result.orders[1].reason == "the cable was pulled; plug it in again"
    assert not result.is_finished


def test_an_order_that_was_done_on_two_boards_is_told_with_both(tmp_path):
    result = merged(tmp_path, [done("A-1", "m1", "08:00")], [done("A-1", "m2", "09:00")])
    assert states(result)["A-1"] == "twice"
    assert "two boards are this terminal: m1 (0.gpresults:1) and m2 (1.gpresults:1)" in result.orders[0].reason


def test_the_same_board_done_again_is_done_once(tmp_path):
    result = merged(tmp_path, [done("A-1", "m1", "08:00"), done("A-1", "m1", "08:30")])
    assert states(result)["A-1"] == "done"
    assert result.orders[0].reason == ""


def test_a_board_that_was_made_another_terminal_later_leaves_the_first_one_open(tmp_path):
    result = merged(tmp_path, [done("A-2", "m1", "09:00")], [done("A-1", "m1", "08:00")])
    assert states(result) == {"A-1": "open", "A-2": "done", "A-3": "open", "A-4": "open", "A-5": "open"}
    assert result.orders[0].reason == "board m1 was made A-2 later (0.gpresults:1)"


def test_a_board_that_failed_after_it_was_done_is_failed_if_it_was_written_and_done_if_not(tmp_path):
    first = [done("A-1", "m1", "08:00"), failed("A-1", "m1", "09:00", is_written=True)]
    second = [done("A-2", "m2", "08:00"), failed("A-2", "m2", "09:00", is_written=False)]
    assert states(merged(tmp_path, first, second)) == {
        "A-1": "failed",
        "A-2": "done",
        "A-3": "open",
        "A-4": "open",
        "A-5": "open",
    }


def test_a_failed_board_that_may_have_the_identity_is_named_beside_the_good_one(tmp_path):
    result = merged(tmp_path, [failed("A-1", "m1", "08:00", is_written=True), done("A-1", "m2", "08:30")])
    assert states(result)["A-1"] == "done"
    assert result.orders[0].reason == "board m1 was written too, and failed (0.gpresults:1): do not mount it"


def test_a_file_that_came_twice_counts_once(tmp_path):
    records = [done("A-1", "m1", "08:00")]
    assert len(merged(tmp_path, records, records).orders[0].tries) == 1


def test_within_a_file_the_sequence_of_its_lines_holds_though_the_clock_was_set_back(tmp_path):
    result = merged(tmp_path, [done("A-1", "m1", "08:00"), done("A-2", "m1", "03:00")])
    assert states(result)["A-1"] == "open"
    assert states(result)["A-2"] == "done"


def test_results_of_another_kit_and_of_unknown_terminals_do_not_count_and_are_told(tmp_path):
    records = [done("A-1", "m1", "08:00", kit="bb"), done("A-2", "m2", "08:00", kit=None), done("B-9", "m3", "08:00")]
    result = merged(tmp_path, records)
    assert {one.state for one in result.orders} == {State.OPEN}
    assert [why for _, why in result.strangers] == [
        "from kit bb (an earlier one of the same orders? --also bb counts it)",
        "flashed without a kit",
        "the kit has no such terminal",
    ]


def test_everything_done_and_nothing_amiss_is_finished(tmp_path):
    records = [done(f"A-{number}", f"m{number}", "08:00") for number in range(1, 6)]
    result = merged(tmp_path, records)
    assert result.is_finished
    torn = replace(read_results(tmp_path / "0.gpresults"), is_torn=True)
    assert not merge([KIT], ORDERS, [torn]).is_finished

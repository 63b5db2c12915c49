import json
from pathlib import Path
from random import Random

import pytest

from gateway_agent.modem.kept_state import KeptState, KeptStateError, load_state
from gateway_agent.modem.ladder import RUNGS, Ladder, Rung

DAY_MS = 86_400_000
NO_TABLE = b'{"answered_ms": null, "level": 0, "climbs": [], "pins": [], "awaits_answer": false, "is_damaged": false}'


class Watch:
    """A clock that stands where a test puts it."""

    is_trusted = True

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic_ms(self) -> int:
        return self.now_ms

    def boot_id(self) -> str:
        return "watch"


def ladder_of(kept: KeptState, watch: Watch, *, cap: int = 24, rungs: tuple[Rung, ...] = RUNGS) -> Ladder:
    return Ladder(rungs, kept, watch, daily_cap=cap, chance=Random(1))


def test_each_failure_climbs_a_rung_and_the_last_is_repeated() -> None:
    ladder = ladder_of(KeptState(None), Watch())
    steps = [ladder.next("no-data", "no data") for _ in range(7)]
    assert [step.rung for step in steps] == ["wait", "radio", "reset", "power-key", "supply", "supply", "supply"]
    assert ladder.climbed == {"wait": 1, "radio": 1, "reset": 1, "power-key": 1, "supply": 3}


def test_waits_double_with_jitter_up_to_an_hour() -> None:
    ladder = ladder_of(KeptState(None), Watch(), cap=100)
    waits = [ladder.next("no-data", "no data").wait_s for _ in range(16)]
    for number, wait_s in enumerate(waits):
        middle_s = min(5 * 2**number, 3600)
        assert 0.75 * middle_s <= wait_s <= 1.25 * middle_s
    assert len({round(wait_s / min(5 * 2**number, 3600), 3) for number, wait_s in enumerate(waits)}) > 8


def test_what_is_not_wired_is_left_out() -> None:
    ladder = ladder_of(KeptState(None), Watch(), rungs=("wait", "radio", "reset"))
    assert [ladder.next("silent", "silent").rung for _ in range(3)] == ["wait", "wait", "wait"]
    ladder = ladder_of(KeptState(None), Watch(), rungs=("wait", "radio", "reset"))
    assert [ladder.next("no-data", "no data").rung for _ in range(4)] == ["wait", "radio", "reset", "reset"]


def test_a_day_has_only_so_many_disturbances() -> None:
    watch, kept = Watch(), KeptState(None)
    ladder = ladder_of(kept, watch, cap=3)
    rungs = [ladder.next("searching", "no network").rung for _ in range(6)]
    assert rungs == ["radio", "reset", "power-key", "wait", "wait", "wait"]
    assert "the 3 attempts of a day to mend it are used up" in kept.climbs[-1].reason
    watch.now_ms += DAY_MS
    assert ladder.next("searching", "no network").rung == "supply"


def test_many_waits_do_not_hide_the_disturbances_of_the_day() -> None:
    watch, kept = Watch(), KeptState(None)
    ladder = ladder_of(kept, watch, cap=3)
    for _ in range(500):
        ladder.next("searching", "no network")
        watch.now_ms += 100_000
    assert ladder.disturbances() == 3
    assert len(kept.climbs) == 23
    watch.now_ms += 2 * DAY_MS
    ladder.next("pin", "locked")
    assert len(kept.climbs) == 20


def test_a_clock_that_was_set_back_does_not_use_up_the_day() -> None:
    watch, kept = Watch(), KeptState(None)
    ladder = ladder_of(kept, watch, cap=2)
    for _ in range(2):
        ladder.next("searching", "no network")
    watch.now_ms -= 400 * DAY_MS
    assert ladder.disturbances() == 0


def test_a_locked_sim_and_a_refusal_are_left_to_people() -> None:
    ladder = ladder_of(KeptState(None), Watch(), cap=1000)
    assert {ladder.next("pin", "locked").rung for _ in range(50)} == {"wait"}
    ladder = ladder_of(KeptState(None), Watch(), cap=1000)
    assert {ladder.next("denied", "denied").rung for _ in range(50)} == {"wait", "radio", "reset"}


def test_how_far_it_was_climbed_and_why_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "modem.json"
    watch = Watch()
    ladder = ladder_of(load_state(file), watch, cap=3)
    for _ in range(2):
        ladder.next("searching", "no cell")
    again = load_state(file)
    assert [climb.reason for climb in again.climbs] == ["no cell", "no cell"]
    ladder = ladder_of(again, watch, cap=3)
    assert [ladder.next("searching", "no cell").rung for _ in range(2)] == ["power-key", "wait"]
    ladder.settled()
    assert load_state(file).level == 0


def test_a_connection_is_no_service_when_nothing_was_answered(tmp_path: Path) -> None:
    file = tmp_path / "modem.json"
    ladder = ladder_of(load_state(file), Watch())
    ladder.next("unanswered", "nothing comes")
    ladder.settled()
    assert load_state(file).level == 1
    ladder.answered()
    ladder.settled()
    kept = load_state(file)
    assert kept.level == 0
    assert kept.answered_ms == Watch().now_ms


def test_answers_are_written_down_once_an_hour(tmp_path: Path) -> None:
    file = tmp_path / "modem.json"
    watch = Watch()
    ladder = ladder_of(load_state(file), watch)
    times = set()
    for _ in range(120):
        ladder.answered()
        times.add(json.loads(file.read_text())["answered_ms"])
        watch.now_ms += 60_000
    assert len(times) <= 3


def test_a_disk_that_takes_nothing_does_not_stop_the_ladder(tmp_path: Path) -> None:
    ladder = ladder_of(KeptState(tmp_path / "none" / "modem.json"), Watch())
    assert ladder.next("no-data", "no data").rung == "wait"
    assert ladder.next("no-data", "no data").rung == "radio"


def test_a_damaged_record_is_put_aside_and_pins_are_not_tried_after_it(tmp_path: Path) -> None:
    file = tmp_path / "modem.json"
    for content in (b"", b"{", b"[]", b'{"level": "x"}', b"\xff\xfe", NO_TABLE):
        file.write_bytes(content)
        kept = load_state(file)
        assert kept.is_damaged
        # Whoever is started next finds a sound file, and must not try a PIN either.
        assert load_state(file).is_damaged
        assert file.with_name("modem.json.damaged").read_bytes() == content


def test_a_record_that_cannot_be_read_is_told_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(KeptStateError, match=r"cannot be used \(Is a directory\); run as root or as the agent's user"):
        load_state(tmp_path)

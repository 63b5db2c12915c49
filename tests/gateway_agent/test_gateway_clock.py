"""Time that can be trusted: whatever happens to the system's clock, a stamp is right once the time is known."""

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent import kernel_clock
from gateway_agent.clock import SystemClock, unix_at
from gateway_agent.gateway_clock import STEP_MS, GatewayClock, Trust
from gateway_agent.platform_time import EARLIEST_MS, MAX_ROUND_TRIP_MS, PlatformTime
from gateway_agent.records import Era
from tests.gateway_agent.kept_eras import KeptEras, Machine

NOW_MS = 1_781_740_800_000
DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS


def started(machine: Machine, eras: KeptEras, trust: Trust = "auto") -> GatewayClock:
    clock = GatewayClock(machine, trust)
    clock.keep_eras(eras)
    return clock


def look(clock: GatewayClock) -> None:
    asyncio.run(clock.look())


def answered(machine: Machine, clock: GatewayClock, there_ms: int, back_ms: int, platform_off_ms: int = 0) -> None:
    """The platform answers, `there_ms` after the request and `back_ms` before the answer comes."""
    machine.true_ms += there_ms
    platform_ms = machine.true_ms + platform_off_ms
    machine.true_ms += back_ms
    clock.heard_platform(platform_ms, there_ms + back_ms)


def test_a_pi_that_starts_in_1970_is_a_guess_until_the_platform_answers() -> None:
    machine, eras = Machine(NOW_MS), KeptEras()
    clock = started(machine, eras)
    look(clock)
    machine.true_ms += 5_000
    stamp_ms = clock.unix_ms()
    assert (clock.is_trusted, clock.source, stamp_ms) == (False, "none", EARLIEST_MS + 5_000)
    answered(machine, clock, 100, 300)
    look(clock)
    guess, right = eras.eras()
    assert (guess.trusted, right.trusted, right.shift_ms, clock.source) == (False, True, 0, "platform")
    assert guess.shift_ms is not None
    assert abs(stamp_ms + guess.shift_ms - (NOW_MS + 5_000)) <= 200
    assert abs(clock.unix_ms() - machine.true_ms) <= 200


def test_a_system_clock_that_the_kernel_calls_right_is_trusted_at_once_and_without_a_step() -> None:
    machine, eras = Machine(NOW_MS), KeptEras()
    machine.system_off_ms, machine.is_trusted = 0, True
    clock = started(machine, eras)
    assert clock.is_trusted
    look(clock)
    answered(machine, clock, 10, 10, platform_off_ms=5_000)
    look(clock)
    assert [(era.trusted, era.shift_ms) for era in eras.eras()] == [(True, 0)]
    assert clock.unix_ms() == machine.true_ms


@pytest.mark.parametrize("off_ms", [-DAY_MS, YEAR_MS, -NOW_MS])
def test_a_system_clock_that_steps_without_being_trusted_moves_nothing(off_ms: int) -> None:
    machine, eras = Machine(NOW_MS), KeptEras()
    clock = started(machine, eras)
    answered(machine, clock, 20, 20)
    look(clock)
    begun = len(eras.known)
    before_ms = clock.unix_ms()
    machine.system_off_ms = off_ms
    machine.true_ms += 1_000
    look(clock)
    assert clock.unix_ms() == before_ms + 1_000
    assert len(eras.known) == begun
    assert clock.system_off_ms == clock.unix_ms() - machine.unix_ms()


@pytest.mark.parametrize("off_ms", [-DAY_MS, YEAR_MS])
def test_the_step_of_a_trusted_clock_begins_an_era_and_is_told_before_and_after(off_ms: int) -> None:
    machine, eras = Machine(NOW_MS), KeptEras()
    machine.system_off_ms = 0
    clock = started(machine, eras, "system")
    look(clock)
    told: list[int] = []
    clock.before_step.append(lambda: told.append(clock.unix_ms()))
    clock.after_step.append(told.append)
    machine.system_off_ms = off_ms
    look(clock)
    assert told == [NOW_MS, off_ms]
    assert clock.unix_ms() == NOW_MS + off_ms
    assert [era.shift_ms for era in eras.eras()] == [0, 0]


def test_a_source_that_moves_by_a_second_is_followed_in_small_steps_and_never_backwards() -> None:
    for moved_ms in (-STEP_MS, STEP_MS):
        machine, eras = Machine(NOW_MS), KeptEras()
        machine.system_off_ms, machine.is_trusted = 0, True
        clock = started(machine, eras)
        look(clock)
        machine.system_off_ms = moved_ms
        stamps = [clock.unix_ms()]
        for _ in range(220):
            look(clock)
            for _ in range(5):
                machine.true_ms += 200
                stamps.append(clock.unix_ms())
        assert {later - earlier for earlier, later in itertools.pairwise(stamps)} == {200, 200 + moved_ms // STEP_MS}
        assert clock.unix_ms() == machine.unix_ms()
        assert len(eras.known) == 1


def test_what_an_earlier_run_of_this_boot_guessed_is_corrected_and_what_it_knew_goes_on() -> None:
    machine, eras = Machine(NOW_MS), KeptEras()
    look(started(machine, eras))
    machine.true_ms += 60_000
    machine.system_off_ms += DAY_MS
    second = started(machine, eras)
    look(second)
    assert second.unix_ms() == EARLIEST_MS + 60_000
    answered(machine, second, 0, 0)
    look(second)
    assert [era.shift_ms for era in eras.eras()] == [NOW_MS - EARLIEST_MS, NOW_MS - EARLIEST_MS, 0]
    third = started(machine, eras)
    assert (third.is_trusted, third.unix_ms()) == (False, machine.true_ms)
    machine.reboot(0)
    answered(machine, fourth := started(machine, eras), 0, 0)
    look(fourth)
    assert [era.shift_ms for era in eras.eras()][-2:] == [machine.true_ms - EARLIEST_MS, 0]


def test_a_guess_that_was_corrected_is_the_next_guess_of_the_boot() -> None:
    machine, eras = Machine(NOW_MS), KeptEras()
    eras.known[4] = Era(4, machine.boot_id(), EARLIEST_MS, False, NOW_MS - EARLIEST_MS + 7)
    eras.known[3] = Era(3, machine.boot_id(), EARLIEST_MS - 1, False, None)
    assert started(machine, eras).unix_ms() == NOW_MS + 7


def test_while_the_journal_cannot_be_written_the_clock_stays_as_it_is() -> None:
    machine, eras = Machine(NOW_MS), KeptEras()
    eras.is_away = True
    clock = started(machine, eras)
    moves: list[int] = []
    clock.after_step.append(moves.append)
    answered(machine, clock, 10, 10)
    look(clock)
    assert (clock.era, clock.is_trusted, clock.unix_ms()) == (None, False, EARLIEST_MS + 20)
    eras.is_away = False
    look(clock)
    assert [era.trusted for era in eras.eras()] == [False, True]
    assert clock.is_trusted
    eras.is_away = True
    answered(machine, clock, 10, 10, platform_off_ms=DAY_MS)
    look(clock)
    assert abs(clock.unix_ms() - machine.true_ms) <= 10
    eras.is_away = False
    look(clock)
    assert abs(clock.unix_ms() - machine.true_ms - DAY_MS) <= 10
    assert [move == 0 for move in moves] == [False, True, False]


def test_the_time_of_an_answer_is_believed_to_half_its_round_trip_and_short_ones_decide() -> None:
    heard = PlatformTime()
    assert heard.offset_ms(0, None) is None
    assert heard.hear(NOW_MS, 4_000, 10_000)
    assert heard.offset_ms(10_000, None) == NOW_MS - 10_000 + 2_000
    assert heard.offset_ms(10_000, NOW_MS - 10_000) == NOW_MS - 10_000
    assert heard.hear(NOW_MS + 90, 100, 10_000)
    assert heard.hear(NOW_MS, 4_000, 10_000)
    assert heard.offset_ms(10_000, None) == NOW_MS - 10_000 + 140
    assert not heard.hear(NOW_MS, MAX_ROUND_TRIP_MS + 1, 10_000)
    assert not heard.hear(0, 10, 10_000)
    assert heard.hear(NOW_MS + DAY_MS, 0, 10_000)
    assert heard.offset_ms(10_000, NOW_MS - 10_000) == NOW_MS - 10_000 + DAY_MS


@pytest.mark.parametrize(
    ("state", "status", "is_right"),
    [(0, 0, True), (0, 0x2001, True), (0, 0x40, False), (5, 0, False), (-1, 0, False)],
)
def test_the_kernel_is_believed_when_its_clock_is_kept_right(
    monkeypatch: pytest.MonkeyPatch, state: int, status: int, is_right: bool
) -> None:
    class Libc:
        @staticmethod
        def adjtimex(timex: Any) -> int:
            assert timex._obj.modes == 0, "it is read only"
            timex._obj.status = status
            return state

    monkeypatch.setattr(kernel_clock, "_LIBC", Libc)
    assert kernel_clock.is_synchronised() is is_right


def test_the_systems_clock_has_a_boot_id_and_tells_moments_by_both_clocks() -> None:
    clock = SystemClock()
    assert len(clock.boot_id()) == 36
    assert clock.is_trusted in (True, False)
    assert abs(unix_at(clock, clock.monotonic_ms() - 5_000) - (clock.unix_ms() - 5_000)) <= 5


@dataclass
class Field:
    """A gateway in the field: what was stamped, in which era, and when it really was."""

    trust: Trust
    machine: Machine = field(default_factory=lambda: Machine(NOW_MS))
    eras: KeptEras = field(default_factory=KeptEras)
    stamps: list[tuple[int, int, int]] = field(default_factory=list)
    without_era: list[tuple[int, int]] = field(default_factory=list)
    worst_ms: int = 0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.without_era.clear()
        self.first_era = len(self.eras.known) + 1
        self.clock = started(self.machine, self.eras, self.trust)

    def reboot(self, system_ms: int) -> None:
        self.machine.reboot(system_ms)
        self.restart()

    def synchronise(self) -> None:
        self.machine.system_off_ms, self.machine.is_trusted = 0, True

    def step(self, off_ms: int) -> None:
        """By hand: the kernel then says that nothing keeps the clock right."""
        self.machine.system_off_ms, self.machine.is_trusted = off_ms, False

    def answer(self, there_ms: int, back_ms: int) -> None:
        answered(self.machine, self.clock, there_ms, back_ms)
        if there_ms + back_ms <= MAX_ROUND_TRIP_MS:
            self.worst_ms = max(self.worst_ms, (there_ms + back_ms + 1) // 2)

    def disk(self, is_away: bool) -> None:
        self.eras.is_away = is_away

    def stamp(self, after_ms: int) -> None:
        self.machine.true_ms += after_ms
        look(self.clock)
        stamped = self.clock.unix_ms(), self.machine.true_ms
        if self.clock.era is None:
            self.without_era.append(stamped)
            return
        # What was taken before the first era could begin waits in memory, and goes to the disk with it.
        self.stamps += [(self.first_era, *waiting) for waiting in self.without_era]
        self.without_era.clear()
        self.stamps.append((self.clock.era.number, *stamped))


happenings = st.one_of(
    st.tuples(st.just("stamp"), st.integers(2, 20_000)),
    st.tuples(st.just("stamp"), st.integers(2, DAY_MS)),
    st.tuples(st.just("step"), st.sampled_from([-DAY_MS, YEAR_MS, -NOW_MS, 0, 700])),
    st.tuples(st.just("reboot"), st.sampled_from([0, NOW_MS - 3_600_000])),
    st.tuples(st.just("answer"), st.integers(0, 6_000), st.integers(0, 6_000)),
    st.tuples(st.sampled_from(["restart", "synchronise"])),
    st.tuples(st.just("disk"), st.booleans()),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["auto", "platform"]), st.lists(happenings, max_size=40))
def test_any_history_gives_times_that_never_go_back_in_an_era_and_are_right_when_corrected(
    trust: Trust, history: list[tuple[str, *tuple[int, ...]]]
) -> None:
    field = Field(trust)
    for what, *how in history:
        getattr(field, what)(*how)
        field.stamp(2)
    field.disk(False)
    field.stamp(2)
    field.answer(40, 60)
    field.stamp(2)
    field.stamp(2)
    assert not field.without_era
    for _, group in itertools.groupby(sorted(field.stamps, key=lambda stamp: (stamp[0], stamp[2])), lambda one: one[0]):
        times = [unix_ms for _, unix_ms, _ in group]
        assert all(earlier < later for earlier, later in itertools.pairwise(times))
    eras = field.eras.known
    assert [number for number, *_ in field.stamps] == sorted(number for number, *_ in field.stamps)
    assert all(era.shift_ms is not None for era in eras.values() if era.boot_id == field.machine.boot_id())
    for number, unix_ms, true_ms in field.stamps:
        shift_ms = eras[number].shift_ms
        assert unix_ms >= 0
        if shift_ms is not None:
            assert abs(unix_ms + shift_ms - true_ms) <= field.worst_ms + 3

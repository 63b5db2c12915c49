"""Which batch asks for an answer."""

from gateway_agent.uplink.confirmation import LONGEST, Confirmation


class Hours:
    """A clock that a test moves, in seconds."""

    def __init__(self) -> None:
        self.now_s = 0.0

    is_trusted = True

    def unix_ms(self) -> int:
        return round(1000 * self.now_s)

    monotonic_ms = unix_ms

    def boot_id(self) -> str:
        return "boot"


def confirmed(confirmation: Confirmation, clock: Hours, interval_s: float, batches: int) -> list[int]:
    """Which of so many batches are confirmed, all of them answered."""
    found, unconfirmed = [], 0
    for number in range(batches):
        if confirmation.must_confirm(unconfirmed, interval_s):
            found.append(number)
            confirmation.answered()
            confirmation.counted(unconfirmed, 0)
            unconfirmed = 0
        else:
            unconfirmed += 1
        clock.now_s += interval_s
    return found


def test_the_first_batch_and_then_one_in_sixteen_is_confirmed_where_nothing_is_lost() -> None:
    clock = Hours()
    assert confirmed(Confirmation(lambda: 86_400, clock), clock, 60, 50) == [0, 16, 32, 48]
    assert LONGEST == 16


def test_answers_are_never_further_apart_than_a_command_may_take() -> None:
    clock = Hours()
    assert confirmed(Confirmation(lambda: 3600, clock), clock, 900, 9) == [0, 4, 8]
    assert confirmed(Confirmation(lambda: 3600, clock), clock, 3600, 3) == [0, 1, 2]
    assert confirmed(Confirmation(lambda: 5, clock), clock, 60, 3) == [0, 1, 2]


def test_a_schedule_that_comes_a_little_late_confirms_no_more_often() -> None:
    clock = Hours()
    assert confirmed(Confirmation(lambda: 3600, clock), clock, 901.5, 9) == [0, 4, 8]


def test_the_more_is_lost_the_more_is_confirmed() -> None:
    clock = Hours()
    confirmation = Confirmation(lambda: 86_400, clock)
    every = [confirmation.every]
    for lost in (0, 1, 2, 4, 8):
        for _ in range(20):
            confirmation.counted(16, lost)
        every.append(confirmation.every)
    assert every == [16, 16, 4, 2, 1, 1]
    assert confirmation.is_lossy
    for _ in range(60):
        confirmation.counted(16, 0)
    assert confirmation.every == 16
    assert not confirmation.is_lossy


def test_one_batch_that_is_lost_among_many_does_not_change_the_rule() -> None:
    confirmation = Confirmation(86_400, Hours())
    for lost in (0, 0, 0, 1, 0, 0, 0, 0):
        confirmation.counted(15, lost)
    assert confirmation.every == 16
    assert not confirmation.is_lossy

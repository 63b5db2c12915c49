"""Feeds the hardware watchdog, but only while every task shows that it gets round.

    seat = supervisor.seat(number, longest_s, wake)     # number: protocols/task_codes.py
    ...
    while True:
        seat.check_in()             # once each time round
        await something.wait()

Once a second the supervisor wakes the tasks that sleep until something happens, so that being asleep is no excuse.
A task that has not checked in for its `longest_s` is not forgiven: the watchdog is fed no more, and the board resets
`board.WATCHDOG_MS` later at the latest. A tick takes no heap. Work on the flash that takes long is cut into steps that
check in.
"""

import asyncio

from micropython import const

from node import board

_TICK_MS = const(1000)


class Seat:
    """One task's place: it checks in here."""

    def __init__(self, number: int, longest_s: int, wake) -> None:  # type: ignore[no-untyped-def]
        self.number = number
        self.longest_s = longest_s
        self.wake = wake
        self.silent_s = 0

    def check_in(self) -> None:
        """The task gets round. Allocates nothing."""
        self.silent_s = 0


class Supervisor:
    """Watches the tasks that have a seat; `missing` is the number of the one that is gone, 0 while all is well."""

    def __init__(self) -> None:
        self.missing = 0
        self._seats: "list[Seat]" = []
        board.start_watchdog()

    def seat(self, number: int, longest_s: int, wake=None) -> Seat:  # type: ignore[no-untyped-def]
        """A seat for task `number`, which checks in at least every `longest_s` seconds.

        `wake`, a function without arguments, is called every second; it sets what the task waits for.
        """
        seat = Seat(number, longest_s, wake)
        self._seats.append(seat)
        return seat

    async def run(self) -> None:
        """Watch and feed for ever."""
        while True:
            if self._all_are_there():
                board.feed_watchdog()
            await asyncio.sleep_ms(_TICK_MS)

    def _all_are_there(self) -> bool:
        if self.missing:
            return False
        for seat in self._seats:
            seat.silent_s += 1
            if seat.silent_s > seat.longest_s:
                self.missing = seat.number
                board.stamp(board.STAMP_MISSING_TASK, seat.number)
                return False
            if seat.wake is not None:
                seat.wake()
        return True

"""A gateway that sets the time, sends the lamp schedule and is never heard again: thirty days by the node's own clock.

The whole firmware runs in the machine; its clock alone runs sixty times as fast, so that it looks at the lamp once a
minute. What the lamp did is compared with what an independent reckoning says. The control is a node that was given no
schedule and is only commanded, evening by evening, until the gateway is gone. A second case starts a node that knows no
time: it must light.
"""

import asyncio
import tempfile
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway_agent.lighting.sun import SunDay, day_number, sun_day
from protocols import lamp_names, node_map
from protocols.lamp_schedule import CLOCK, SUNRISE, SUNSET
from protocols.lamp_schedule_writer import LampScheduleWriter
from tests.faults._progress import OnProgress, silent
from tests.firmware.lamp_bench import FAST_MAIN, SPEED, Driver, hasten, keep_schedule, lamp_table, send_schedule, told
from tests.firmware.workbench import START_UNIX_S, Workbench, on_bench

DAYS = 30
_AHEAD = 14
_LIT_WITHIN_S = 30
_NOON_UTC_S = 4 * 3600  # by China's clock
_LATE_S = 120
_FIRST = date(2026, 6, 18)
_ZONE = ZoneInfo("Asia/Shanghai")
_LEVEL, _LATER_LEVEL, _NIGHT_LEVEL = 100, 70, 50

Change = tuple[int, int]


def expected_changes(days: int = DAYS) -> list[Change]:
    """When (unix seconds) the lamp goes to which level, from the first evening on; after 14 days as on the last day."""
    found = []
    for number in range(days):
        evening = _sun(min(number, _AHEAD))
        morning = _sun(min(number + 1, _AHEAD))
        midnight = (day_number(_FIRST) + number) * 86400 - 8 * 3600
        found.append((midnight + 60 * (evening.sunset + 10), _LEVEL))
        found.append((midnight + 22 * 3600, _LATER_LEVEL))
        found.append((midnight + 24 * 3600, _NIGHT_LEVEL))
        found.append((midnight + 86400 + 60 * (morning.sunrise - 15), 0))
    return found


def gateway_gone(
    on_progress: OnProgress = silent, *, has_schedule: bool = True, days: int = DAYS
) -> dict[str, str | int]:
    """One row: each change that was due is tried; it survives when the lamp made it within two minutes."""
    history: list[Change] = []
    sources: list[int] = []
    table = lamp_table(60000)

    async def body(bench: Workbench) -> None:
        driver = Driver(bench, speed=SPEED)
        hasten(Path(folder))
        await bench.power_on()
        driver.start_at(bench.clock.unix_ms() / 1000)
        await bench.master.set_time(START_UNIX_S * 1000 + 500)
        if has_schedule:
            await send_schedule(bench.master, _schedule())
        else:
            await bench.master.write(node_map.LAMP_COMMAND, 1, 0, 0, 0, 0, 0, 0, 1)
        for day in range(days):
            on_progress(day, days)
            await asyncio.sleep(86400 / SPEED)
        history.extend(driver.history)
        sources.append((await told(bench.master)).source)

    with tempfile.TemporaryDirectory() as folder:
        on_bench(Path(folder), table, body, programs=[FAST_MAIN])
    due = [change for change in expected_changes(days) if change[0] < START_UNIX_S + days * 86400]
    return {**_compare(history, due), "days": days, "source": lamp_names.SOURCE_NAMES[sources[0]]}


def no_clock(levels: tuple[int, ...] = (0, 30, 100), *, has_time: bool = False) -> dict[str, str | int]:
    """One row: starts without gateway and clock, with and without a schedule, the driver at one of `levels` before.

    A start survives when the lamp is at full light half a minute later. `has_time` sets the clock to noon first.
    """
    lit = []
    for level in levels:
        for has_schedule in (True, False):

            async def body(bench: Workbench, level: int = level) -> None:
                driver = Driver(bench, level)
                await bench.power_on()
                if has_time:
                    await bench.master.set_time((START_UNIX_S // 86400 * 86400 + _NOON_UTC_S) * 1000)
                await asyncio.sleep(_LIT_WITHIN_S)
                lit.append(driver.level_pct == 100)

            with tempfile.TemporaryDirectory() as folder:
                if has_schedule:
                    keep_schedule(Path(folder), _schedule())
                on_bench(Path(folder), lamp_table(), body)
    return {"tried": len(lit), "survived": sum(lit), "lost": lit.count(False), "duplicated": 0, "wrong": 0}


def _compare(history: list[Change], expected: list[Change]) -> dict[str, str | int]:
    changes = [change for last, change in zip([(0, -1), *history], history, strict=False) if change[1] != last[1]]
    changes = changes[1:]  # the first is where the lamp was brought to at the start
    met = [any(0 <= at - due <= _LATE_S and level == wanted for at, level in changes) for due, wanted in expected]
    strange = [
        (at, level)
        for at, level in changes
        if not any(0 <= at - due <= _LATE_S and level == wanted for due, wanted in expected)
    ]
    return {
        "tried": len(expected),
        "survived": sum(met),
        "lost": met.count(False),
        "duplicated": max(0, len(changes) - len(strange) - sum(met)),
        "wrong": len(strange),
    }


def _sun(number: int) -> SunDay:
    return sun_day(_FIRST + timedelta(days=number), 39.9042, 116.4074, _ZONE)


def _schedule() -> bytes:
    writer = LampScheduleWriter()
    steps = ((CLOCK, 22 * 60, _LATER_LEVEL), (CLOCK, 0, _NIGHT_LEVEL))
    writer.set_default(writer.add_programme((SUNSET, 10), (SUNRISE, -15), _LEVEL, steps))
    writer.set_first_day(day_number(_FIRST) - 1)
    for number in range(-1, _AHEAD + 1):
        day = _sun(number)
        writer.add_day(day.offset_minutes, day.sunrise, day.sunset)
    return writer.schedule()


def _case(on_progress: OnProgress = silent) -> dict[str, str | int]:
    return {"case": "node/gateway-gone", **gateway_gone(on_progress)}


def _control(on_progress: OnProgress = silent) -> dict[str, str | int]:
    return {"case": "node/gateway-gone-control", **gateway_gone(on_progress, has_schedule=False, days=3)}


def _no_clock(_on_progress: OnProgress = silent) -> dict[str, str | int]:
    return {"case": "node/no-clock-at-night", **no_clock()}


def _no_clock_control(_on_progress: OnProgress = silent) -> dict[str, str | int]:
    """The same by day and with a clock: whoever has a schedule goes dark."""
    return {"case": "node/no-clock-at-night-control", **no_clock((100,), has_time=True)}


CASES = {
    "node/gateway-gone": _case,
    "node/gateway-gone-control": _control,
    "node/no-clock-at-night": _no_clock,
    "node/no-clock-at-night-control": _no_clock_control,
}

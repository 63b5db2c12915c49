"""Two ways to one platform: everything over the better one while it works, and nothing lost when it does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from gateway_agent.bearers.bearer import PAUSE_FIRST_S, PAUSE_LONGEST_S, Bearer, BearerSettings
from gateway_agent.bearers.build import build_bearers
from gateway_agent.bearers.choice import Bearers
from gateway_agent.bearers.openings import OPENINGS
from gateway_agent.bearers.round_trip import Bounds
from gateway_agent.config import PoleConfig, check_source
from gateway_agent.toml_source import parse_toml
from gateway_agent.uplink.budget import ByteBudget, Plan
from gateway_agent.uplink.way import IpWay, Link, Lost, NoWay, Received
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.relay import Relay
from tests.gateway_agent.uplink.pole import Pole, pole


class Over:
    """A way through one relay, whatever the address; `is_cut`: told at once that it cannot be opened."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.is_cut = False
        self.opened = 0

    async def open(self, host: str, port: int, on_datagram: Received, on_lost: Lost) -> Link:
        """See Way."""
        if self.is_cut:
            raise NoWay("the cable is out")
        self.opened += 1
        return await IpWay().open(*self.relay.address, on_datagram, on_lost)


@dataclass
class TwoWays:
    """A pole with a wired and a radio bearer."""

    pole: Pole
    wired: Over
    radio: Over
    bearers: Bearers

    async def measure(self, seconds: int) -> None:
        """One poll each ten seconds."""
        for second in range(0, seconds, 10):
            self.pole.measure(second)
            await asyncio.sleep(10)

    @property
    def current(self) -> str:
        """Which one is used."""
        return self.bearers.current.name


@asynccontextmanager
async def two_ways(
    clock: RigClock, folder: Path, *, delays_s: tuple[float, float] = (3600, 3600), batch_s: float = 30
) -> AsyncIterator[TwoWays]:
    async with pole(clock, folder, batch_s=batch_s) as this:
        relay = await Relay.start(("127.0.0.1", this.platform.port), seed=6)
        wired, radio = Over(this.relay), Over(relay)
        bounds = Bounds(2, 2, 8)
        bearers = Bearers(
            [
                Bearer(BearerSettings("wired", bounds, delays_s[0]), wired, clock, random=Random(1)),
                Bearer(BearerSettings("radio", bounds, delays_s[1]), radio, clock, random=Random(2)),
            ]
        )
        await this.use(bearers)
        try:
            yield TwoWays(this, wired, radio, bearers)
        finally:
            await relay.close()


def test_the_first_way_carries_everything_while_it_works(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with two_ways(clock, tmp_path) as ways:
            await ways.measure(120)
            await ways.pole.settle()
            assert ways.pole.check() == (0, 0, 0)
            assert (ways.current, ways.radio.opened) == ("wired", 0)

    run_virtual(main)


@pytest.mark.parametrize("is_told", [True, False], ids=["told at once", "silence"])
def test_the_second_takes_over_and_gives_back_and_nothing_is_lost(tmp_path: Path, is_told: bool) -> None:
    async def main(clock: RigClock) -> None:
        async with two_ways(clock, tmp_path) as ways:
            await ways.measure(100)
            ways.wired.is_cut = is_told
            ways.wired.relay.down = True
            await ways.measure(100)
            await ways.pole.alarm()
            await asyncio.sleep(4)
            assert ways.current == "radio"
            assert ways.pole.platform.count("alarms") == 1
            await ways.measure(600)
            assert ways.current == "radio"
            assert ways.pole.uplink.counters.problem is None
            ways.wired.is_cut = ways.wired.relay.down = False
            await ways.measure(900)
            assert ways.current == "wired"
            before = ways.radio.relay.bytes_on_air
            await ways.measure(100)
            await ways.pole.settle()
            assert ways.radio.relay.bytes_on_air == before
            assert ways.pole.check() == (0, 0, 0)

    run_virtual(main)


def test_a_trial_of_the_better_way_never_holds_up_an_alarm(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with two_ways(clock, tmp_path, batch_s=3600) as ways:
            ways.wired.relay.down = True
            await ways.measure(30)
            waited_s = []
            for number in range(40):
                begun_s, before = clock.monotonic_ms(), ways.pole.platform.count("alarms")
                await ways.pole.alarm(state=number % 2 == 0)
                while ways.pole.platform.count("alarms") == before:
                    await asyncio.sleep(0.1)
                waited_s.append((clock.monotonic_ms() - begun_s) / 1000)
                await asyncio.sleep(7 + number)
            # The first question may be under way; what is under way may take an answer's time.
            assert max(waited_s[1:]) < 4
            assert ways.wired.opened > 3

    run_virtual(main)


def test_trials_grow_rare_while_the_better_way_stays_away(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with two_ways(clock, tmp_path, batch_s=600) as ways:
            ways.wired.relay.down = True
            await asyncio.sleep(24 * 3600)
            assert 20 < ways.wired.opened < 24 * 3600 / (0.4 * PAUSE_LONGEST_S)
            assert ways.current == "radio"

    run_virtual(main)


def test_a_plan_that_is_used_up_hands_over_to_a_way_that_has_some(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with two_ways(clock, tmp_path) as ways:
            budget = ByteBudget(tmp_path / "wired", clock, Plan(8_000), 30)
            ways.bearers.current.budget = budget
            await ways.measure(1500)
            assert budget.is_used_up
            assert ways.current == "radio"
            assert budget.month.total < 9_000
            await ways.pole.settle()
            assert ways.pole.check() == (0, 0, 0)
            # The better way works, so nobody tries it; it waits for its month.
            before = ways.wired.relay.bytes_on_air
            await asyncio.sleep(3600)
            assert ways.wired.relay.bytes_on_air == before

    run_virtual(main)


def test_when_none_works_they_take_turns(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with two_ways(clock, tmp_path) as ways:
            await ways.measure(10)
            ways.wired.relay.down = ways.radio.relay.down = True
            await ways.measure(1200)
            sent = [way.relay.up.datagrams for way in (ways.wired, ways.radio)]
            assert min(sent) > 10
            ways.radio.relay.down = False
            await ways.measure(300)
            assert ways.current == "radio"
            await ways.pole.settle()
            assert ways.pole.check() == (0, 0, 0)

    run_virtual(main)


def test_the_mailbox_is_observed_over_the_way_that_asks_for_it(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with two_ways(clock, tmp_path, delays_s=(5, 3600)) as ways:
            await ways.measure(60)
            assert ways.pole.uplink.mailbox.is_open
            ways.wired.relay.down = True
            await ways.measure(200)
            assert ways.current == "radio"
            assert not ways.pole.uplink.mailbox.is_open
            ways.wired.relay.down = False
            await ways.measure(600)
            assert ways.pole.uplink.mailbox.is_open

    run_virtual(main)


def pole_with_two_bearers(folder: Path) -> PoleConfig:
    text = f'''
[pole]
gateway = "gp-1"
[[buses]]
name = "a"
port = "/dev/bus"
[journal]
path = "{folder}/journal.sqlite"
[uplink]
url = "coap://127.0.0.1:9"
security = "clear"
[[uplink.bearers]]
name = "wired"
kind = "wired"
[[uplink.bearers]]
name = "radio"
kind = "nb-iot"
modem = "bc660k"
port = "/dev/modem"
'''
    return check_source(parse_toml(text, folder / "pole.toml"))


def test_links_are_opened_thirty_times_a_minute_at_most(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        # Over all bearers together: it is one platform that counts them.
        bearers = list(build_bearers(pole_with_two_bearers(tmp_path), clock))
        opened_s = []
        for number in range(100):
            await bearers[number % 2].wait_to_open()
            opened_s.append(clock.monotonic_ms() / 1000)
        assert all(after - before >= 60 for before, after in zip(opened_s, opened_s[OPENINGS:], strict=False))
        assert opened_s[-1] - opened_s[0] < 240

    run_virtual(main)


def test_pauses_double_from_a_minute_to_an_hour() -> None:
    async def main(clock: RigClock) -> None:
        bearer = Bearer(BearerSettings("radio", Bounds(2, 2, 2)), IpWay(), clock, random=Random(4))
        rests = []
        for _ in range(9):
            bearer.broken("the cable is out")
            rests.append(bearer.rests_s)
        expected = [min(PAUSE_FIRST_S * 2**number, PAUSE_LONGEST_S) for number in range(9)]
        assert all(most / 2 <= rest <= most for rest, most in zip(rests, expected, strict=True))
        bearer.answered(1.0, 1)
        bearer.broken("the cable is out")
        assert bearer.rests_s <= PAUSE_FIRST_S

    run_virtual(main)

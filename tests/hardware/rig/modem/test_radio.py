"""The radio between a modem's sockets and a platform on 127.0.0.1."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from hardware.rig.clock import RigClock, run_real, run_virtual
from hardware.rig.modem.radio import RELEASE_AFTER_ANSWER, RELEASE_NOW, Radio, RadioSocket
from hardware.rig.modem.radio_profiles import PROFILES, RadioProfile
from hardware.rig.modem.radio_way import Way
from hardware.rig.relay import HEADER_BYTES
from tests.hardware.rig.modem.desk import Platform, open_platform

profiles = pytest.mark.parametrize("name", list(PROFILES))


class Air:
    """A radio, one socket on it, a platform that sends back what it gets, and what came back when."""

    def __init__(self, radio: Radio, platform: Platform) -> None:
        self.radio = radio
        self.platform = platform
        self.loop = asyncio.get_running_loop()
        self.came: list[tuple[float, bytes]] = []
        self.socket: RadioSocket = radio.open(lambda data, _: self.came.append((self.loop.time(), data)))

    def send(self, data: bytes, release: int = 0) -> None:
        self.socket.send(data, self.platform.address, release)

    async def round_trip_s(self, data: bytes, within_s: float = 30.0) -> float | None:
        """Send and wait for the same bytes to come back; None when they do not."""
        start_s, before = self.loop.time(), len(self.came)
        self.send(data)
        while len(self.came) == before:
            if self.loop.time() - start_s > within_s:
                return None
            await asyncio.sleep(0.02)
        return self.came[-1][0] - start_s


def in_the_air(
    profile: str | RadioProfile,
    play: Callable[[Air], Awaitable[None]],
    *,
    seed: int = 1,
    answers: bool = True,
    run: Callable[..., Air] = run_virtual,
) -> Air:
    async def main(_clock: RigClock) -> Air:
        radio = Radio(profile, seed)
        platform = await open_platform(answers)
        air = Air(radio, platform)
        try:
            await play(air)
        finally:
            radio.close()
            platform.transport.close()
            await asyncio.sleep(0)
        return air

    return run(main)


def lossless(name: str) -> RadioProfile:
    profile = PROFILES[name]
    return replace(
        profile, fair=replace(profile.fair, loss=0.0), foul=replace(profile.foul, loss=0.0), connect_s=(0.0, 0.0)
    )


def losses(name: str, count: int, every_s: float) -> list[bool]:
    """Whether each of `count` datagrams of one direction was lost, with no socket behind it."""
    lost: list[bool] = []

    async def main(clock: RigClock) -> None:
        way = Way(clock.loop, Random(1), PROFILES[name])
        for _ in range(count):
            way.carry(b"datagram", clock.loop.time(), lost.append, lambda: None)
            await asyncio.sleep(every_s)
        await asyncio.sleep(30)

    run_virtual(main)
    return lost


@pytest.mark.parametrize(
    ("name", "least", "greatest"), [("nbiot-good", 0.006, 0.014), ("nbiot-bad", 0.085, 0.115), ("cat1", 0.002, 0.008)]
)
def test_as_many_datagrams_are_lost_as_the_profile_says(name: str, least: float, greatest: float) -> None:
    lost = losses(name, 4000, 30)
    assert len(lost) == 4000
    assert least <= sum(lost) / len(lost) <= greatest


def test_bad_weather_comes_in_bursts() -> None:
    lost = losses("nbiot-bad", 4000, 2)
    after_a_loss = [second for first, second in pairwise(lost) if first]
    assert sum(after_a_loss) / len(after_a_loss) > 2 * sum(lost) / len(lost)


def test_each_way_loses_its_own_and_the_counts_agree_with_the_ends() -> None:
    seen: list[tuple[str, bool]] = []

    async def play(air: Air) -> None:
        air.radio.observe(
            lambda _, delivered: seen.append(("up", delivered)), lambda _, delivered: seen.append(("down", delivered))
        )
        for number in range(300):
            air.send(number.to_bytes(4, "big"))
            await asyncio.sleep(5)
        await asyncio.sleep(30)

    air = in_the_air("nbiot-bad", play)
    up, down = air.radio.up, air.radio.down
    assert up.datagrams == 300
    assert up.lost > 0
    assert down.lost > 0
    assert len(air.platform.received) == 300 - up.lost == down.datagrams
    assert len(air.came) == down.datagrams - down.lost
    assert seen.count(("up", False)) == up.lost
    assert seen.count(("down", True)) == len(air.came)


@pytest.mark.parametrize(
    ("name", "least_s", "greatest_s"), [("nbiot-good", 1.6, 3), ("nbiot-bad", 2, 10), ("cat1", 0.06, 0.2)]
)
def test_a_round_trip_takes_as_long_as_the_profile_says(name: str, least_s: float, greatest_s: float) -> None:
    times: list[float] = []

    async def play(air: Air) -> None:
        for _ in range(40):
            taken_s = await air.round_trip_s(b"?")
            assert taken_s is not None
            times.append(taken_s)

    in_the_air(lossless(name), play)
    on_the_line_s = 2 * (1 + HEADER_BYTES) * 8 / PROFILES[name].bit_per_s
    assert least_s <= min(times)
    assert max(times) <= greatest_s + on_the_line_s + 0.05
    assert max(times) - min(times) > 0.6 * (greatest_s - least_s)


@profiles
def test_datagrams_wait_for_each_other_at_the_bit_rate(name: str) -> None:
    count, size = 40, 972
    took_s = 0.0

    async def play(air: Air) -> None:
        nonlocal took_s
        start_s = air.loop.time()
        for number in range(count):
            air.send(number.to_bytes(4, "big") + bytes(size - 4))
        while len(air.platform.received) < count:
            await asyncio.sleep(0.005)
        took_s = air.loop.time() - start_s
        assert air.platform.times == sorted(air.platform.times)

    in_the_air(lossless(name), play, answers=False)
    profile = PROFILES[name]
    on_the_line_s = count * (size + HEADER_BYTES) * 8 / profile.bit_per_s
    assert on_the_line_s <= took_s <= on_the_line_s + profile.foul.one_way_s[1] + 0.05


@profiles
def test_order_is_kept_each_way(name: str) -> None:
    sent = [number.to_bytes(2, "big") for number in range(80)]

    async def play(air: Air) -> None:
        for data in sent:
            air.send(data)
            await asyncio.sleep(0.15)
        await asyncio.sleep(60)

    air = in_the_air(lossless(name), play)
    assert air.platform.received == sent
    assert [data for _, data in air.came] == sent


def test_a_profile_may_let_datagrams_overtake_each_other() -> None:
    async def play(air: Air) -> None:
        for number in range(100):
            air.send(number.to_bytes(2, "big"))
            await asyncio.sleep(0.1)
        await asyncio.sleep(30)

    air = in_the_air(replace(lossless("nbiot-bad"), keeps_order=False), play, answers=False)
    assert len(air.platform.received) == 100
    assert air.platform.received != sorted(air.platform.received)


@profiles
def test_the_first_datagram_waits_for_the_connection_which_is_released_after_a_rest(name: str) -> None:
    profile = replace(PROFILES[name], connect_s=(7.0, 7.0), fair=replace(PROFILES[name].fair, loss=0.0), foul_share=0.0)

    async def play(air: Air) -> None:
        first_s = await air.round_trip_s(b"one")
        second_s = await air.round_trip_s(b"two")
        assert first_s is not None
        assert second_s is not None
        assert first_s >= 7 + 2 * profile.fair.one_way_s[0]
        assert second_s < 7
        await asyncio.sleep(profile.inactivity_s - 2 * profile.fair.one_way_s[1])
        assert air.radio.is_connected
        await asyncio.sleep(2 * profile.fair.one_way_s[1])
        assert not air.radio.is_connected
        third_s = await air.round_trip_s(b"three")
        assert third_s is not None
        assert third_s >= 7
        assert air.radio.connections == 2

    in_the_air(profile, play)


def test_release_assistance_ends_the_connection_at_once_or_after_the_answer() -> None:
    async def play(air: Air) -> None:
        air.send(b"warm up")
        await asyncio.sleep(5)
        assert air.radio.is_connected
        air.send(b"nothing follows", RELEASE_NOW)
        await asyncio.sleep(0.2)
        assert not air.radio.is_connected
        await asyncio.sleep(60)
        air.send(b"one answer follows", RELEASE_AFTER_ANSWER)
        await asyncio.sleep(1.0)
        assert air.radio.is_connected
        seen = len(air.came)
        while len(air.came) == seen:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)
        assert not air.radio.is_connected

    in_the_air(lossless("nbiot-good"), play)


def test_the_nat_forgets_after_a_minute_without_traffic_up() -> None:
    async def play(air: Air) -> None:
        air.send(b"one")
        await asyncio.sleep(55)
        air.platform.answer(b"in time")
        await asyncio.sleep(10)
        assert [data for _, data in air.came] == [b"in time"]
        air.platform.answer(b"too late")
        await asyncio.sleep(30)
        assert [data for _, data in air.came] == [b"in time"]
        assert air.radio.forgotten_bindings == 1
        air.send(b"two")
        await asyncio.sleep(5)
        air.platform.answer(b"again")
        await asyncio.sleep(5)
        assert [data for _, data in air.came] == [b"in time", b"again"]
        first, second = air.platform.peers
        assert first[1] != second[1]

    in_the_air(lossless("nbiot-good"), play, answers=False)


def test_what_the_platform_sends_keeps_no_binding_alive() -> None:
    async def play(air: Air) -> None:
        air.send(b"one")
        for _ in range(4):
            await asyncio.sleep(20)
            air.platform.answer(b"still there?")
        await asyncio.sleep(20)
        # The fourth came more than a minute after the datagram up.
        assert len(air.came) == 3

    in_the_air(lossless("nbiot-good"), play, answers=False)


def test_silence_lets_datagrams_be_sent_and_nothing_come_back() -> None:
    delivered: list[bool] = []

    async def play(air: Air) -> None:
        air.radio.observe(on_up=lambda _, it_was: delivered.append(it_was))
        air.radio.silent = True
        assert await air.round_trip_s(b"hello?") is None
        air.radio.silent = False
        assert await air.round_trip_s(b"hello?") is not None

    in_the_air(lossless("nbiot-good"), play)
    assert delivered == [False, True]


def test_a_module_that_cannot_be_paged_gets_nothing() -> None:
    async def play(air: Air) -> None:
        assert await air.round_trip_s(b"one") is not None
        air.radio.is_reachable = False
        assert await air.round_trip_s(b"two") is None
        assert air.radio.unreachable == 1

    in_the_air(lossless("cat1"), play)


def test_each_socket_has_its_own_port_and_gets_its_own_answers() -> None:
    async def play(air: Air) -> None:
        others: list[bytes] = []
        other = air.radio.open(lambda data, _: others.append(data))
        air.send(b"first")
        other.send(b"second", air.platform.address)
        await asyncio.sleep(5)
        assert [data for _, data in air.came] == [b"first"]
        assert others == [b"second"]
        assert len(set(air.platform.peers)) == 2
        other.close()
        other.send(b"third", air.platform.address)
        await asyncio.sleep(5)
        assert len(air.platform.received) == 2

    in_the_air(lossless("cat1"), play)


def test_a_module_that_restarts_loses_what_it_holds_and_not_what_has_left() -> None:
    async def play(air: Air) -> None:
        for number in range(10):
            air.send(bytes([number]) * 1000)
        await asyncio.sleep(1.0)
        air.radio.disconnect()
        await asyncio.sleep(20)
        assert 0 < len(air.platform.received) < 10
        assert air.radio.up.lost == 10 - len(air.platform.received)

    in_the_air(lossless("nbiot-bad"), play, answers=False)


def test_bytes_are_counted_with_their_headers_each_way() -> None:
    async def play(air: Air) -> None:
        assert await air.round_trip_s(bytes(100)) is not None

    air = in_the_air(lossless("cat1"), play)
    assert (air.radio.up.air_bytes, air.radio.down.air_bytes) == (128, 128)


def test_the_same_seed_gives_the_same_weather() -> None:
    async def play(air: Air) -> None:
        for _ in range(100):
            air.send(b"datagram")
            await asyncio.sleep(3)
        await asyncio.sleep(30)

    one, two, other = (in_the_air("nbiot-bad", play, seed=seed) for seed in (4, 4, 5))
    assert one.platform.times == two.platform.times
    assert one.platform.times != other.platform.times


def test_it_works_in_real_time_as_well() -> None:
    async def play(air: Air) -> None:
        taken_s = await air.round_trip_s(b"hello")
        assert taken_s is not None
        assert taken_s >= 2 * PROFILES["cat1"].fair.one_way_s[0]

    in_the_air(lossless("cat1"), play, run=run_real)


def test_names_are_resolved_by_the_network_and_addresses_are_themselves() -> None:
    async def main(_clock: RigClock) -> None:
        radio = Radio("cat1", names={"platform.example": "127.0.0.9"})
        assert radio.resolve("platform.example") == "127.0.0.9"
        assert radio.resolve("localhost") == "127.0.0.1"
        assert radio.resolve("10.1.2.3") == "10.1.2.3"
        assert radio.resolve("10.1") is None
        assert radio.resolve("nowhere.example") is None

    run_virtual(main)


def test_an_unknown_radio_is_refused_by_name() -> None:
    async def main(_clock: RigClock) -> None:
        with pytest.raises(ValueError, match="nbiot-good, nbiot-bad, cat1"):
            Radio("5g")

    run_virtual(main)

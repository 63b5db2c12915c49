import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.bus import Bus, Drop, WireFrame
from hardware.rig.clock import RigClock, run_virtual

MILLISECOND = 0.001


class Ear:
    """Notes what a drop hears and when."""

    def __init__(self) -> None:
        self.chunks: list[tuple[float, bytes]] = []

    def __call__(self, data: bytes) -> None:
        self.chunks.append((asyncio.get_running_loop().time(), data))

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.chunks)


def on_a_bus(play: Callable[[Bus, Drop, Ear], object], chunk_bytes: int = 16, **settings: int | str) -> Bus:
    """Let `play(bus, talker, ear)` begin at time 0 and wait until the line is quiet again."""

    async def main(_clock: RigClock) -> Bus:
        bus = Bus("pole", chunk_bytes=chunk_bytes, **settings)  # type: ignore[arg-type]
        ear = Ear()
        bus.attach("ear", ear)
        talker = bus.attach("talker")
        play(bus, talker, ear)
        await asyncio.sleep(5)
        return bus

    return run_virtual(main)


@pytest.mark.parametrize(
    ("settings", "bits"),
    [({"baud": 9600}, 10), ({"baud": 2400, "parity": "E"}, 11), ({"baud": 115200, "stop_bits": 2}, 11)],
)
def test_a_frame_takes_as_long_as_its_bits(settings: dict[str, int | str], bits: int) -> None:
    ends, ears = [], []

    def play(_bus: Bus, talker: Drop, ear: Ear) -> None:
        ends.append(talker.send(bytes(range(37))))
        ears.append(ear)

    on_a_bus(play, **settings)
    expected = 37 * bits / int(settings["baud"])
    assert ends[0] == pytest.approx(expected)
    assert ears[0].data == bytes(range(37))
    assert [len(data) for _, data in ears[0].chunks] == [16, 16, 5]
    assert ears[0].chunks[-1][0] == pytest.approx(expected, abs=1e-6)
    assert ears[0].chunks[0][0] == pytest.approx(16 * bits / int(settings["baud"]), abs=1e-6)


def test_what_a_drop_sends_while_it_talks_comes_after() -> None:
    ears = []

    def play(_bus: Bus, talker: Drop, ear: Ear) -> None:
        first = talker.send(b"abc")
        assert talker.send(b"de") == pytest.approx(first + 2 * 10 / 9600)
        ears.append(ear)

    bus = on_a_bus(play)
    assert ears[0].data == b"abcde"
    assert bus.collisions == 0
    assert (bus.frames, bus.bytes) == (2, 5)


def test_a_drop_does_not_hear_itself() -> None:
    own = Ear()

    def play(bus: Bus, _talker: Drop, _ear: Ear) -> None:
        bus.attach("self", own).send(b"hello")

    on_a_bus(play)
    assert own.data == b""


def test_frames_end_with_a_silence_of_three_and_a_half_characters() -> None:
    frames = Ear()

    def play(bus: Bus, talker: Drop, _ear: Ear) -> None:
        loop = asyncio.get_running_loop()
        bus.attach("device", frame=frames)
        talker.send(b"one ")
        loop.call_at(4 * 10 / 9600 + 3 * 10 / 9600, talker.send, b"frame")
        loop.call_at(1, talker.send, b"another")

    on_a_bus(play)
    assert [data for _, data in frames.chunks] == [b"one frame", b"another"]
    assert frames.chunks[1][0] == pytest.approx(1 + (7 + 3.5) * 10 / 9600, abs=1e-6)


@given(st.integers(0, 19), st.binary(min_size=1, max_size=20), st.binary(min_size=1, max_size=20))
def test_two_that_talk_at_once_damage_both(offset: int, first: bytes, second: bytes) -> None:
    ears, frames = [], []

    def play(bus: Bus, talker: Drop, ear: Ear) -> None:
        ears.append(ear)
        bus.tap(frames.append)
        other = bus.attach("other")
        talker.send(first)
        asyncio.get_running_loop().call_at(offset * 10 / 9600, other.send, second)

    bus = on_a_bus(play, chunk_bytes=4)
    by_drop = {frame.drop: frame for frame in frames}
    if offset >= len(first):
        assert ears[0].data == first + second
        assert bus.collisions == 0
    else:
        assert bus.collisions == 1
        assert by_drop["talker"].damaged
        assert by_drop["talker"].data != first
        assert by_drop["other"].damaged
        assert by_drop["other"].data != second
        assert ears[0].data != first + second


def test_a_collision_gives_the_same_damage_each_time() -> None:
    def once() -> bytes:
        ears = []

        def play(bus: Bus, talker: Drop, ear: Ear) -> None:
            ears.append(ear)
            talker.send(bytes(range(20)))
            asyncio.get_running_loop().call_later(0.0061, bus.attach("other").send, bytes(range(100, 120)))

        on_a_bus(play)
        return bytes(ears[0].data)

    assert once() == once()


def test_who_talks_hears_nothing_meanwhile() -> None:
    own = Ear()

    def play(bus: Bus, talker: Drop, _ear: Ear) -> None:
        both = bus.attach("both", own)
        talker.send(b"0123456789")
        both.send(b"abcd")

    on_a_bus(play, chunk_bytes=1)
    assert own.data == b"456789"


def test_another_baud_rate_hears_garbage_until_it_is_set_right() -> None:
    other = Ear()
    frames = Ear()

    def play(bus: Bus, talker: Drop, _ear: Ear) -> None:
        listener = bus.attach("other", other, baud=4800)
        bus.attach("device", frame=frames, parity="E")
        loop = asyncio.get_running_loop()
        talker.send(b"\x01\x03\x00\x00\x00\x02\xc4\x0b")
        loop.call_at(1, listener.configure, 9600)
        loop.call_at(2, talker.send, b"now")

    on_a_bus(play)
    assert b"\x01\x03" not in other.data
    assert other.chunks[0][1]
    assert other.chunks[-1][1] == b"now"
    assert b"\x01\x03" not in frames.data


def test_the_load_is_the_share_of_time_in_which_somebody_talks() -> None:
    async def main(_clock: RigClock) -> list[float]:
        bus = Bus("pole", baud=9600)
        talker = bus.attach("talker")
        loads = [bus.load()]
        for second in range(20):
            await asyncio.sleep(second - asyncio.get_running_loop().time())
            talker.send(bytes(96))
        await asyncio.sleep(1)
        loads.append(bus.load(10))
        await asyncio.sleep(5)
        loads.append(bus.load(10))
        await asyncio.sleep(20)
        loads.append(bus.load(10))
        return loads

    empty, busy, half, quiet = run_virtual(main)
    assert empty == 0
    assert busy == pytest.approx(0.1, abs=1e-6)
    assert half == pytest.approx(0.05, abs=1e-6)
    assert quiet == 0


def test_load_counts_what_is_being_said() -> None:
    async def main(_clock: RigClock) -> float:
        bus = Bus("pole", baud=9600)
        await asyncio.sleep(1)
        bus.attach("talker").send(bytes(960))
        await asyncio.sleep(0.5)
        return bus.load(1)

    assert run_virtual(main) == pytest.approx(0.5, abs=1e-6)


def test_a_drop_that_leaves_in_the_middle_is_cut_off() -> None:
    ears, frames = [], []

    def play(bus: Bus, talker: Drop, ear: Ear) -> None:
        ears.append(ear)
        bus.tap(frames.append)
        talker.send(bytes(range(60)))
        talker.send(b"never")
        asyncio.get_running_loop().call_at(20.5 * 10 / 9600, talker.detach)

    bus = on_a_bus(play)
    assert ears[0].data == bytes(range(20))
    assert bus.frames == 1
    assert frames[0].data == bytes(range(20))


def test_a_drop_that_has_left_reaches_nobody() -> None:
    ears = []

    def play(_bus: Bus, talker: Drop, ear: Ear) -> None:
        ears.append(ear)
        talker.detach()
        talker.detach()
        talker.send(b"hello?")

    on_a_bus(play)
    assert ears[0].data == b""


def test_a_tap_hears_times_and_ends_when_told() -> None:
    frames: list[WireFrame] = []

    def play(bus: Bus, talker: Drop, _ear: Ear) -> None:
        loop = asyncio.get_running_loop()
        end = bus.tap(frames.append)
        loop.call_at(1, talker.send, b"12345678")
        loop.call_at(2, end)
        loop.call_at(3, talker.send, b"unheard")

    on_a_bus(play)
    (frame,) = frames
    assert (frame.drop, frame.data, frame.damaged) == ("talker", b"12345678", False)
    assert frame.start_s == pytest.approx(1)
    assert frame.end_s == pytest.approx(1 + 80 / 9600)


def test_an_answer_sent_from_inside_a_listener_follows_on_the_line() -> None:
    heard = Ear()

    async def main(_clock: RigClock) -> None:
        bus = Bus("pole")
        echo = bus.attach("echo", frame=lambda data: echo.send(data[::-1]) and None)
        talker = bus.attach("talker", heard)
        for index in range(3):
            talker.send(bytes([index, 7, 9]))
            await asyncio.sleep(0.1)

    run_virtual(main)
    assert [data for _, data in heard.chunks] == [b"\x09\x07\x00", b"\x09\x07\x01", b"\x09\x07\x02"]
    assert heard.chunks[0][0] == pytest.approx((3 + 3.5 + 3) * 10 / 9600, abs=1e-6)


def test_bytes_stay_in_order_when_the_loop_is_late() -> None:
    async def main(clock: RigClock) -> list[bytes]:
        bus = Bus("pole", baud=115200)
        frames: list[bytes] = []
        bus.attach("device", frame=frames.append)
        talker = bus.attach("talker")
        talker.send(b"first")
        # The loop sleeps through delivery and silence, as a busy computer does.
        clock.loop._jumping.now += 0.5  # type: ignore[attr-defined]
        talker.send(b"second")
        await asyncio.sleep(1)
        return frames

    assert run_virtual(main) == [b"first", b"second"]

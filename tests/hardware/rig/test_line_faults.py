import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.line_faults import (
    Babbling,
    BitFlips,
    Fault,
    Late,
    LineFaults,
    LostBytes,
    Mute,
    NoiseBefore,
    Truncated,
)

FRAME = bytes.fromhex("0104 0200 EBF9 7F")

some_faults = st.lists(
    st.one_of(
        st.builds(NoiseBefore, st.sampled_from([None, 0, 255]), st.integers(1, 5), st.floats(0, 1)),
        st.builds(BitFlips, st.floats(0, 0.2)),
        st.builds(LostBytes, st.floats(0, 0.5)),
        st.builds(Truncated, st.floats(0, 1), st.none() | st.integers(0, 5)),
        st.builds(Late, st.floats(0, 1000), st.floats(0, 1)),
        st.builds(Mute, st.floats(0, 1)),
    ),
    max_size=4,
)


def heard(*faults: Fault, frames: int = 1) -> tuple[list[tuple[float, bytes]], LineFaults]:
    """What a listener hears, and when, of `frames` frames that are sent one second apart."""

    async def main(clock: RigClock) -> tuple[list[tuple[float, bytes]], LineFaults]:
        bus = Bus("sensors", chunk_bytes=255)
        chunks: list[tuple[float, bytes]] = []
        bus.attach("ear", lambda data: chunks.append((clock.loop.time(), data)))
        drop = bus.attach("device")
        drop.faults = LineFaults(7, *faults)
        for second in range(frames):
            await asyncio.sleep(second - clock.loop.time())
            drop.send(FRAME)
        await asyncio.sleep(2)
        return chunks, drop.faults

    return run_virtual(main)


@given(some_faults, st.integers(0, 2**32), st.lists(st.binary(max_size=30), max_size=10))
def test_the_same_seed_does_the_same_damage(faults: list[Fault], seed: int, frames: list[bytes]) -> None:
    first, second = LineFaults(seed, *faults), LineFaults(seed, *faults)
    for frame in frames:
        assert first.disturb(frame) == second.disturb(frame)
    assert first.hits == second.hits


def test_noise_stands_directly_before_the_frame() -> None:
    chunks, faults = heard(NoiseBefore())
    assert chunks == [(pytest.approx(8 * 10 / 9600), b"\x00" + FRAME)]
    assert faults.hits == {"NoiseBefore": 1}
    (_, data), _ = heard(NoiseBefore(value=None, count=3))[0][0], None
    assert data[3:] == FRAME


def test_bits_flip_at_the_rate_that_was_asked_for() -> None:
    chunks, faults = heard(BitFlips(rate=0.01), frames=500)
    flipped = sum((a ^ b).bit_count() for _, data in chunks for a, b in zip(data, FRAME, strict=True))
    assert 500 * 56 * 0.01 * 0.8 < flipped < 500 * 56 * 0.01 * 1.2
    assert faults.hits["BitFlips"] == sum(data != FRAME for _, data in chunks)


def test_lost_bytes_are_missing_and_the_rest_is_in_order() -> None:
    chunks, _ = heard(LostBytes(rate=0.3), frames=50)
    for _, data in chunks:
        rest = iter(FRAME)
        assert all(value in rest for value in data)
    assert sum(len(data) for _, data in chunks) < 50 * len(FRAME)


def test_a_cut_frame_is_the_beginning_of_the_whole_one() -> None:
    assert heard(Truncated(keep=3))[0][0][1] == FRAME[:3]
    for _, data in heard(Truncated(), frames=20)[0]:
        assert data != FRAME
        assert FRAME.startswith(data)


def test_a_late_frame_is_whole_and_late() -> None:
    chunks, _ = heard(Late(delay_ms=250))
    assert chunks == [(pytest.approx(0.25 + 7 * 10 / 9600), FRAME)]


def test_a_mute_drop_says_nothing_and_a_share_says_something() -> None:
    assert heard(Mute())[0] == []
    chunks, faults = heard(Mute(share=0.5), frames=100)
    assert 30 < len(chunks) < 70
    assert faults.hits["Mute"] == 100 - len(chunks)
    assert faults.frames == 100


def test_a_babbling_drop_talks_until_it_is_stopped() -> None:
    async def main(clock: RigClock) -> tuple[int, int, int]:
        bus = Bus("sensors")
        said: list[bytes] = []
        bus.attach("ear", said.append)
        babbling = Babbling(bus.attach("broken"), 3, pause_s=0.1)
        await asyncio.sleep(10)
        babbling.stop()
        await asyncio.sleep(0.1)
        bursts = babbling.bursts
        await asyncio.sleep(10)
        return bursts, babbling.bursts, sum(map(len, said))

    bursts, later, said = run_virtual(main)
    assert bursts == later
    assert 50 < bursts < 150
    assert said >= bursts

"""What can go wrong with the frames of one drop: noise, flipped bits, lost bytes, cut frames, late or missing ones.

A drop carries at most one `LineFaults`, which hands each frame through its faults in their order. All chance comes
from one seeded generator, so the same seed and the same frames give the same damage. `hits` counts what was done.

To try it: `drop.faults = LineFaults(7, NoiseBefore(), BitFlips(rate=1e-4))`.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Protocol


class Sends(Protocol):
    """The part of a drop that a babbling one needs."""

    def send(self, data: bytes) -> float:
        """Put bytes on the line; the loop time at which the last bit is out."""
        ...


@dataclass(frozen=True)
class Outgoing:
    """A frame on its way to the line: its bytes (empty: nothing is sent) and how many seconds it waits."""

    data: bytes
    delay_s: float = 0.0


class Fault(Protocol):
    """One kind of damage; returns the same object when it did nothing."""

    def damage(self, frame: Outgoing, random: Random) -> Outgoing:
        """The frame after this fault."""
        ...


@dataclass(frozen=True)
class NoiseBefore:
    """Noise directly before a frame, as a line makes that turns round: `count` bytes of `value` (None: any value)."""

    value: int | None = 0x00
    count: int = 1
    share: float = 1.0

    def damage(self, frame: Outgoing, random: Random) -> Outgoing:
        """Put the noise in front of `share` of the frames."""
        if not frame.data or random.random() >= self.share:
            return frame
        noise = random.randbytes(self.count) if self.value is None else bytes([self.value]) * self.count
        return Outgoing(noise + frame.data, frame.delay_s)


@dataclass(frozen=True)
class BitFlips:
    """Each bit is turned over with the probability `rate`."""

    rate: float

    def damage(self, frame: Outgoing, random: Random) -> Outgoing:
        """Turn bits of the frame over."""
        data = bytearray(frame.data)
        for bit in range(len(data) * 8):
            if random.random() < self.rate:
                data[bit // 8] ^= 1 << bit % 8
        return frame if data == frame.data else Outgoing(bytes(data), frame.delay_s)


@dataclass(frozen=True)
class LostBytes:
    """Each byte is lost with the probability `rate`."""

    rate: float

    def damage(self, frame: Outgoing, random: Random) -> Outgoing:
        """Leave bytes of the frame out."""
        data = bytes(value for value in frame.data if random.random() >= self.rate)
        return frame if len(data) == len(frame.data) else Outgoing(data, frame.delay_s)


@dataclass(frozen=True)
class Truncated:
    """`share` of the frames end early: after `keep` bytes, or anywhere when `keep` is None."""

    share: float = 1.0
    keep: int | None = None

    def damage(self, frame: Outgoing, random: Random) -> Outgoing:
        """Cut the frame."""
        if not frame.data or random.random() >= self.share:
            return frame
        kept = random.randrange(len(frame.data)) if self.keep is None else self.keep
        return Outgoing(frame.data[:kept], frame.delay_s)


@dataclass(frozen=True)
class Late:
    """`share` of the frames are sent `delay_ms` milliseconds later."""

    delay_ms: float
    share: float = 1.0

    def damage(self, frame: Outgoing, random: Random) -> Outgoing:
        """Hold the frame back."""
        if random.random() >= self.share:
            return frame
        return Outgoing(frame.data, frame.delay_s + self.delay_ms / 1000)


@dataclass(frozen=True)
class Mute:
    """`share` of the frames are never sent."""

    share: float = 1.0

    def damage(self, frame: Outgoing, random: Random) -> Outgoing:
        """Swallow the frame."""
        if not frame.data or random.random() >= self.share:
            return frame
        return Outgoing(b"", frame.delay_s)


class LineFaults:
    """A seeded chain of faults for one drop. `hits` counts frames by the name of the fault that changed them."""

    def __init__(self, seed: int, *faults: Fault) -> None:
        self._random = Random(seed)
        self._faults = faults
        self.hits: Counter[str] = Counter()
        self.frames = 0

    def disturb(self, data: bytes) -> Outgoing:
        """What becomes of one frame."""
        self.frames += 1
        frame = Outgoing(data)
        for fault in self._faults:
            after = fault.damage(frame, self._random)
            if after is not frame:
                self.hits[type(fault).__name__] += 1
                frame = after
        return frame


class Babbling:
    """A drop that talks without being asked: bursts of seeded random bytes with random pauses between them.

    `pause_s` is the mean of the pauses in seconds, `burst` the greatest number of bytes. Runs until `stop()`.
    """

    def __init__(self, drop: Sends, seed: int, *, pause_s: float = 0.5, burst: int = 16) -> None:
        self._drop = drop
        self._random = Random(seed)
        self._pause_s = pause_s
        self._burst = burst
        self._loop = asyncio.get_running_loop()
        self.bursts = 0
        self._next: asyncio.TimerHandle | None = None
        self._wait(self._loop.time())

    def stop(self) -> None:
        """Fall silent after the burst that is under way."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _wait(self, from_s: float) -> None:
        self._next = self._loop.call_at(from_s + self._random.expovariate(1 / self._pause_s), self._talk)

    def _talk(self) -> None:
        self.bursts += 1
        self._wait(self._drop.send(self._random.randbytes(self._random.randint(1, self._burst))))

"""An RS-485 bus in software: half duplex, several drops, byte times true to baud rate, parity and stop bits.

A drop sends bytes; every other drop receives them when their last bit is out, in chunks like a UART's FIFO hands them
on, or as whole frames that end with the silence of 3.5 characters. Two drops that talk at once damage each other: the
one that began first is heard with damaged bytes, of the other only what stands alone in time. A drop does not hear
itself, and hears nothing while it talks. A drop with another baud rate or parity hears what its UART would sample.

To try it without hardware: make a `Bus` inside a running loop, `attach` two drops, `send` on one.
Where it hurts: in real time a busy computer delivers late, never early; the order of bytes on the line stays right.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hardware.rig.line_faults import LineFaults
from hardware.rig.line_settings import LineSettings, heard_as

_SAME_INSTANT_S = 1e-9
_LOAD_MEMORY_S = 60.0


@dataclass(frozen=True, slots=True)
class WireFrame:
    """One transmission as it was on the wire: who sent it, loop times in seconds, bytes, and whether it was hit."""

    drop: str
    start_s: float
    end_s: float
    data: bytes
    damaged: bool


class _Transmission:
    __slots__ = ("data", "drop", "end_s", "rivals", "sent", "settings", "start_s", "wire")

    def __init__(self, drop: "Drop", data: bytes, start_s: float) -> None:
        self.drop = drop
        self.settings = drop.settings
        self.data = data
        self.start_s = start_s
        self.end_s = start_s + len(data) * self.settings.byte_s
        self.sent = 0
        self.wire: list[tuple[int, int]] | None = None
        self.rivals: list[_Transmission] = []

    def byte_at(self, index: int) -> float:
        return self.start_s + index * self.settings.byte_s

    def heard(self) -> bytes:
        """The bytes that a listener with the right settings has received so far."""
        if self.wire is None:
            return self.data[: self.sent]
        return bytes(value for _, value in self.wire)


class Drop:
    """One device's connection to a bus. Made by `Bus.attach`."""

    def __init__(
        self,
        bus: "Bus",
        name: str,
        receive: Callable[[bytes], None] | None,
        frame: Callable[[bytes], None] | None,
        settings: LineSettings,
    ) -> None:
        self.bus = bus
        self.name = name
        self.receive = receive
        self.frame = frame
        self.settings = settings
        self.faults: LineFaults | None = None
        self.bytes_sent = 0
        self.frames_sent = 0
        self.busy_until_s = 0.0

    def send(self, data: bytes, after_s: float = 0.0) -> float:
        """Put `data` on the line, `after_s` seconds from now, after what this drop is still sending.

        Returns the loop time at which its last bit is out.
        """
        return self.bus._send(self, bytes(data), after_s)

    def configure(self, baud: int, parity: str = "N", stop_bits: int = 1) -> None:
        """Set baud rate, parity and stop bits from now on; ValueError for impossible ones."""
        self.settings = LineSettings(baud, parity, stop_bits)

    def detach(self) -> None:
        """Leave the bus, in the middle of a transmission if need be; sending afterwards reaches nobody."""
        self.bus._detach(self)


class Bus:
    """A half duplex line. `baud`, `parity` and `stop_bits` are what drops get that say nothing else.

    `chunk_bytes` is how many bytes a listener receives at once at most. Counters: `frames`, `bytes`, `collisions`.
    Needs a running loop, whose time is the time of the line.
    """

    def __init__(
        self, name: str, baud: int = 9600, parity: str = "N", stop_bits: int = 1, chunk_bytes: int = 16
    ) -> None:
        self.name = name
        self.settings = LineSettings(baud, parity, stop_bits)
        self.chunk_bytes = chunk_bytes
        self.frames = 0
        self.bytes = 0
        self.collisions = 0
        self._drops: tuple[Drop, ...] = ()
        self._taps: list[Callable[[WireFrame], None]] = []
        self._loop = asyncio.get_running_loop()
        self._opened_s = self._loop.time()
        self._pending: list[_Transmission] = []
        self._events: list[tuple[float, int, _Transmission]] = []
        self._sequence = 0
        self._burst: list[_Transmission] = []
        self._quiet_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._advancing = False
        self._busy: deque[tuple[float, float]] = deque()

    def attach(
        self,
        name: str,
        receive: Callable[[bytes], None] | None = None,
        baud: int | None = None,
        parity: str | None = None,
        stop_bits: int | None = None,
        frame: Callable[[bytes], None] | None = None,
    ) -> Drop:
        """Connect a drop and return it.

        `receive` gets bytes as they arrive; `frame` gets all bytes between two silences of 3.5 characters, at the end
        of the second. Settings that are left out are the bus's own.
        """
        settings = LineSettings(
            baud or self.settings.baud, parity or self.settings.parity, stop_bits or self.settings.stop_bits
        )
        drop = Drop(self, name, receive, frame, settings)
        self._drops = (*self._drops, drop)
        return drop

    def tap(self, heard: Callable[[WireFrame], None]) -> Callable[[], None]:
        """Call `heard` with every transmission when it has ended; returns a function that ends the tapping."""
        self._taps.append(heard)
        return lambda: self._taps.remove(heard)

    def load(self, window_s: float = 10.0) -> float:
        """The share of the last `window_s` seconds (at most 60) in which somebody talked, 0.0 to 1.0."""
        now = self._loop.time()
        begin = max(now - window_s, self._opened_s)
        if now <= begin:
            return 0.0
        spans = [*self._busy, *((item.start_s, item.end_s) for item in self._pending)]
        busy = 0.0
        covered = begin
        for start, end in sorted(spans):
            first, last = max(start, covered), min(end, now)
            if last > first:
                busy += last - first
                covered = last
        return busy / (now - begin)

    def _send(self, drop: Drop, data: bytes, delay_s: float) -> float:
        now = self._loop.time()
        self._advance(now)
        if drop.faults is not None:
            outgoing = drop.faults.disturb(data)
            data, delay_s = outgoing.data, delay_s + outgoing.delay_s
        start_s = max(now + delay_s, drop.busy_until_s)
        if not data or drop not in self._drops:
            return start_s
        sent = _Transmission(drop, data, start_s)
        drop.busy_until_s = sent.end_s
        drop.bytes_sent += len(data)
        drop.frames_sent += 1
        for other in self._pending:
            if other.start_s < sent.end_s - _SAME_INSTANT_S and other.end_s > start_s + _SAME_INSTANT_S:
                self.collisions += 1
                other.rivals.append(sent)
                sent.rivals.append(other)
        self._pending.append(sent)
        if self._quiet_at is not None and start_s < self._quiet_at:
            self._quiet_at = None
        self._schedule(sent)
        if not self._advancing:
            self._arm()
        return sent.end_s

    def _detach(self, drop: Drop) -> None:
        if drop not in self._drops:
            return
        now = self._loop.time()
        self._advance(now)
        self._drops = tuple(other for other in self._drops if other is not drop)
        for item in self._pending:
            if item.drop is drop:
                out = int((now - item.start_s) / item.settings.byte_s + _SAME_INSTANT_S) if now > item.start_s else 0
                item.data = item.data[:out]
                item.end_s = min(item.end_s, max(now, item.start_s))

    def _schedule(self, item: _Transmission) -> None:
        self._sequence += 1
        reached = min(item.sent + self.chunk_bytes, len(item.data))
        heapq.heappush(self._events, (item.byte_at(reached), self._sequence, item))

    def _arm(self) -> None:
        at = self._events[0][0] if self._events else None
        if self._quiet_at is not None and (at is None or self._quiet_at < at):
            at = self._quiet_at
        if self._timer is not None:
            if at is not None and abs(self._timer.when() - at) < _SAME_INSTANT_S:
                return
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        self._advance(self._loop.time())
        self._arm()

    def _advance(self, now: float) -> None:
        """Deliver all that is due, in the order of its own times; a listener may send meanwhile."""
        if self._advancing:
            return
        self._advancing = True
        limit = now + _SAME_INSTANT_S
        try:
            while True:
                at = self._events[0][0] if self._events else None
                quiet = self._quiet_at
                if quiet is not None and quiet <= limit and (at is None or quiet < at):
                    self._end_burst()
                elif at is not None and at <= limit:
                    self._deliver(heapq.heappop(self._events)[2])
                else:
                    return
        finally:
            self._advancing = False

    def _deliver(self, item: _Transmission) -> None:
        begin = item.sent
        end = min(begin + self.chunk_bytes, len(item.data))
        item.sent = max(begin, end)
        if not begin:
            self._burst.append(item)
        piece = self._damaged(item, begin, end) if item.rivals else item.data[begin:end]
        if piece:
            for drop in self._drops:
                if drop.receive is not None and drop is not item.drop and drop.settings.understands(item.settings):
                    heard = _not_while_talking(item, drop, begin, piece) if item.rivals else piece
                    if heard:
                        drop.receive(heard)
        if item.sent < len(item.data):
            self._schedule(item)
        else:
            self._finish(item)

    def _damaged(self, item: _Transmission, begin: int, end: int) -> bytes:
        if item.wire is None:
            item.wire = list(enumerate(item.data[:begin]))
        piece = bytearray()
        for index in range(begin, end):
            value = _damaged_byte(item, index)
            if value is not None:
                item.wire.append((index, value))
                piece.append(value)
        return bytes(piece)

    def _finish(self, item: _Transmission) -> None:
        self._pending.remove(item)
        if not item.data:
            return
        self.frames += 1
        self.bytes += len(item.data)
        self._busy.append((item.start_s, item.end_s))
        while self._busy[0][1] < item.end_s - _LOAD_MEMORY_S:
            self._busy.popleft()
        for drop in self._drops:
            if drop.receive is not None and drop is not item.drop and not drop.settings.understands(item.settings):
                garbage = heard_as(item.heard(), item.settings, drop.settings)
                if garbage:
                    drop.receive(garbage)
        for tap in self._taps:
            tap(WireFrame(item.drop.name, item.start_s, item.end_s, item.heard(), bool(item.rivals)))
        quiet_at = item.end_s + item.settings.quiet_s
        if all(other.start_s >= quiet_at for other in self._pending):
            self._quiet_at = quiet_at

    def _end_burst(self) -> None:
        burst, self._burst = self._burst, []
        self._quiet_at = None
        for drop in self._drops:
            if drop.frame is None:
                continue
            heard = b"".join(_heard_by(drop, item) for item in burst if item.drop is not drop)
            if heard:
                drop.frame(heard)


def _damaged_byte(item: _Transmission, index: int) -> int | None:
    """The byte as a listener gets it, or None when it is swallowed by one that began earlier."""
    start, end = item.byte_at(index) + _SAME_INSTANT_S, item.byte_at(index + 1) - _SAME_INSTANT_S
    value = item.data[index]
    for rival in item.rivals:
        if not rival.data or rival.start_s >= end or rival.end_s <= start:
            continue
        if (rival.start_s, rival.drop.name) < (item.start_s, item.drop.name):
            return None
        other = rival.data[min(len(rival.data) - 1, max(0, int((end - rival.start_s) / rival.settings.byte_s)))]
        value ^= (other ^ 0xA5) or 0xA5
    return value


def _talked(drop: Drop, item: _Transmission, index: int) -> bool:
    start, end = item.byte_at(index) + _SAME_INSTANT_S, item.byte_at(index + 1) - _SAME_INSTANT_S
    return any(own.drop is drop and own.start_s < end and own.end_s > start for own in item.rivals)


def _not_while_talking(item: _Transmission, drop: Drop, begin: int, piece: bytes) -> bytes:
    if item.wire is None or all(own.drop is not drop for own in item.rivals):
        return piece
    return bytes(value for index, value in item.wire if index >= begin and not _talked(drop, item, index))


def _heard_by(drop: Drop, item: _Transmission) -> bytes:
    heard = item.heard()
    if item.wire is not None and any(own.drop is drop for own in item.rivals):
        heard = bytes(value for index, value in item.wire if not _talked(drop, item, index))
    if not drop.settings.understands(item.settings):
        heard = heard_as(heard, item.settings, drop.settings)
    return heard

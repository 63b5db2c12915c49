"""The radio of one modem: relays real UDP between the modem's sockets and a platform on 127.0.0.1.

Datagrams wait for the connection (idle to connected), are sent one after the other at the bit rate, take their time,
and may be lost; later ones do not overtake. The network releases a connection that rests, earlier when the module
says that nothing more comes (release assistance, 3GPP TS 36.321). Behind it a NAT gives each socket of the modem a
port, which it forgets after a minute without traffic up: the next datagram then comes from another port, and what the
platform sends to the old one reaches nobody. A datagram counts as its payload and 28 bytes of IPv4 and UDP headers.

Time is the running loop's, so the same link works in real and in virtual time. All chance comes from one seed.
"""

import asyncio
import socket
from collections.abc import Callable
from random import Random

from hardware.rig.modem.radio_profiles import PROFILES, RadioProfile
from hardware.rig.modem.radio_way import Way
from hardware.rig.relay import AirCount

Observer = Callable[[bytes, bool], None]
"""Gets a datagram's payload and whether it was delivered."""
Received = Callable[[bytes, tuple[str, int]], None]

NO_RELEASE, RELEASE_NOW, RELEASE_AFTER_ANSWER = 0, 1, 2
_READ_BYTES = 65536


class Radio:
    """`profile` is a name of `PROFILES` or a profile of one's own; `names` gives addresses of host names.

    `up` and `down` count datagrams and bytes; `silent` swallows everything both ways while the module stays
    registered; `has_coverage` false lets no module register; `is_reachable` false is a module that the network cannot
    page; `paging_s` is how long an idle one may take to listen. `connections` counts changes from idle to connected.
    """

    def __init__(self, profile: str | RadioProfile, seed: int = 0, names: dict[str, str] | None = None) -> None:
        if isinstance(profile, str) and profile not in PROFILES:
            raise ValueError(f'there is no radio "{profile}": take one of {", ".join(PROFILES)}')
        self.profile = PROFILES[profile] if isinstance(profile, str) else profile
        self.random = Random(seed)
        self.paging_s = self.profile.paging_s
        self.names = {"localhost": "127.0.0.1"} | (names or {})
        self.up = AirCount()
        self.down = AirCount()
        self.silent = False
        self._has_coverage = True
        self.is_reachable = True
        self.connections = 0
        self.unreachable = 0
        self.forgotten_bindings = 0
        self.on_connection: Callable[[bool], None] | None = None
        self.on_coverage: Callable[[bool], None] | None = None
        self.loop = asyncio.get_running_loop()
        self._connected = False
        self._release_after_answer = False
        self._idle_timer: asyncio.TimerHandle | None = None
        self._connected_at_s = 0.0
        self._ways = tuple(Way(self.loop, self.random, self.profile) for _ in range(2))
        self._observers: list[tuple[Observer | None, Observer | None]] = []
        self._sockets: list[RadioSocket] = []

    @property
    def has_coverage(self) -> bool:
        """Whether there is a network to be found."""
        return self._has_coverage

    @has_coverage.setter
    def has_coverage(self, there_is: bool) -> None:
        self._has_coverage = there_is
        if self.on_coverage is not None:
            self.on_coverage(there_is)

    @property
    def is_connected(self) -> bool:
        """Whether the module has a radio connection (RRC connected)."""
        return self._connected

    @property
    def waiting_up(self) -> int:
        """Datagrams that the module has taken and not yet sent to the end."""
        return self._ways[0].waiting

    def observe(self, on_up: Observer | None = None, on_down: Observer | None = None) -> None:
        """Call these with every datagram's payload and whether it was delivered, when that is decided."""
        self._observers.append((on_up, on_down))

    def resolve(self, host: str) -> str | None:
        """The IPv4 address of a host, or None where the network knows no such name."""
        try:
            socket.inet_aton(host)
        except OSError:
            return self.names.get(host)
        return host if host.count(".") == 3 else None

    def open(self, received: Received) -> "RadioSocket":
        """A UDP socket of the modem; `received` gets payload and sender of what arrives."""
        opened = RadioSocket(self, received)
        self._sockets.append(opened)
        return opened

    def close(self) -> None:
        """Close every socket and lose what is under way."""
        for way in self._ways:
            way.clear(what_has_left=True)
        self.release()
        for opened in list(self._sockets):
            opened.close()
            opened._forget()

    def disconnect(self) -> None:
        """Drop the connection, what waits in the module and what is under way to it, as a module does that restarts."""
        up, down = self._ways
        up.clear(what_has_left=False)
        down.clear(what_has_left=True)
        self.release()

    def release(self) -> None:
        """Go to idle now."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        self._release_after_answer = False
        if self._connected:
            self._connected = False
            if self.on_connection is not None:
                self.on_connection(False)

    def draw(self, span: tuple[float, float]) -> float:
        """Seconds drawn evenly from (least, greatest)."""
        return self.random.uniform(*span)

    def _connect(self, *, paged: bool) -> float:
        """Be connected, and return the loop time from which data flows."""
        now = self.loop.time()
        if not self._connected:
            self._connected = True
            self.connections += 1
            waited_s = self.random.uniform(0, self.paging_s) if paged else 0.0
            self._connected_at_s = now + waited_s + self.draw(self.profile.connect_s)
            if self.on_connection is not None:
                self.on_connection(True)
        self._stay()
        return max(now, self._connected_at_s)

    def _stay(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        wait_s = max(self._connected_at_s - self.loop.time(), 0.0) + self.profile.inactivity_s
        self._idle_timer = self.loop.call_later(wait_s, self._rested)

    def _rested(self) -> None:
        self._idle_timer = None
        if any(way.waiting for way in self._ways):
            self._stay()
        else:
            self.release()

    def _send_up(self, origin: "RadioSocket", data: bytes, remote: tuple[str, int], release: int) -> None:
        self.up.add(data)
        way = self._ways[0]

        def arrived(lost: bool) -> None:
            delivered = not (lost or self.silent) and origin._out(data, remote)
            self._report(0, self.up, data, delivered)

        def sent() -> None:
            if release == RELEASE_NOW and not way.sending:
                self.release()
            elif release == RELEASE_AFTER_ANSWER:
                self._release_after_answer = True

        way.carry(data, self._connect(paged=False), arrived, sent)

    def _send_down(self, target: "RadioSocket", data: bytes, sender: tuple[str, int]) -> None:
        if not self.is_reachable:
            self.unreachable += 1
            self.down.lost += 1
            return
        self.down.add(data)

        def arrived(lost: bool) -> None:
            delivered = not (lost or self.silent or not self.is_reachable or target.is_closed)
            self._report(1, self.down, data, delivered)
            if delivered:
                target.received(data, sender)

        def sent() -> None:
            if self._release_after_answer and not self._ways[0].sending:
                self.release()
            elif self._connected:
                self._stay()

        self._ways[1].carry(data, self._connect(paged=True), arrived, sent)

    def _report(self, direction: int, count: AirCount, data: bytes, delivered: bool) -> None:
        if not delivered:
            count.lost += 1
        for observers in self._observers:
            observer = observers[direction]
            if observer is not None:
                observer(data, delivered)


class RadioSocket:
    """One UDP socket of the modem, and its binding at the NAT. Made by `Radio.open`."""

    def __init__(self, radio: Radio, received: Received) -> None:
        self.received = received
        self.is_closed = False
        self._radio = radio
        self._nat: socket.socket | None = None
        self._spoke_s = 0.0

    def send(self, data: bytes, remote: tuple[str, int], release: int = NO_RELEASE) -> None:
        """Take a datagram for `remote` (IPv4 address, port); `release` is what the module says about what follows."""
        if not self.is_closed:
            self._radio._send_up(self, data, remote, release)

    def close(self) -> None:
        """Take nothing more; what has left goes on, and the NAT forgets the binding in its own time."""
        if not self.is_closed:
            self.is_closed = True
            self._radio.loop.call_later(self._radio.profile.nat_s, self._forget)

    def _out(self, data: bytes, remote: tuple[str, int]) -> bool:
        now = self._radio.loop.time()
        if self._nat is not None and now - self._spoke_s > self._radio.profile.nat_s:
            self._radio.forgotten_bindings += 1
            self._forget()
        self._spoke_s = now
        if self._nat is None:
            self._nat = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._nat.setblocking(False)
            self._nat.bind(("127.0.0.1", 0))
            self._radio.loop.add_reader(self._nat.fileno(), self._in)
        try:
            self._nat.sendto(data, remote)
        except OSError:
            # Where no such address can be reached, the datagram is lost as on any network.
            return False
        return True

    def _in(self) -> None:
        if self._nat is None:
            return
        try:
            data, sender = self._nat.recvfrom(_READ_BYTES)
        except OSError:
            return
        if self._radio.loop.time() - self._spoke_s > self._radio.profile.nat_s:
            self._radio.forgotten_bindings += 1
            self._radio.down.lost += 1
            self._forget()
            return
        self._radio._send_down(self, data, (sender[0], sender[1]))

    def _forget(self) -> None:
        if self.is_closed and self in self._radio._sockets:
            self._radio._sockets.remove(self)
        if self._nat is not None:
            self._radio.loop.remove_reader(self._nat.fileno())
            self._nat.close()
            self._nat = None

"""What the firmware of every emulated module has: commands one at a time, sockets, the faults of sending.

A dialect is a subclass whose methods are marked with `command`. One object is one life from power-on to restart; what
outlives it is in `Body.kept`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hardware.rig.modem.body import Body
from hardware.rig.modem.network import Network
from hardware.rig.modem.request import NO_NETWORK, NOT_ALLOWED, NOT_SUPPORTED, Refused, Request, handlers_of, parse
from hardware.rig.modem.sockets import Address, ModemSocket

_QUEUE = 8
"""Datagrams that a module takes before the first has arrived at the other end."""
_THINKING_S = (0.005, 0.03)
_LATE_S = (10.0, 180.0)
_PACE_S = 0.1


class Firmware:
    """One life of a module. `boot_lines` is what it says at its start; `sleep_after_s` None: it never sleeps.

    `needs_pauses`: a command within 100 ms of the last answer may be lost.
    """

    commands: dict[str, str] = {}  # noqa: RUF012 - filled for each subclass
    sleep_after_s: float | None = None
    needs_pauses = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.commands = handlers_of(cls)

    def __init__(self, body: Body) -> None:
        self.body = body
        self.console = body.console
        self.radio = body.radio
        self.faults = body.faults
        self.wording = body.wording
        self.counters = body.counters
        self.sockets: dict[int, ModemSocket] = {}
        self.error_level = 0
        self.network = Network(body.radio, body.sim, body.faults, attaches_alone=body.model.is_nb)
        self.network.on_stat = self.registration_changed
        self.network.on_data = self._data_changed
        self._is_stale = False
        self._answered_s = 0.0
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # What dialects say in their own words.

    def boot_lines(self) -> list[str]:
        """What the module says when it has started."""
        return []

    def started(self) -> None:
        """The module has started and its card is ready."""
        self.network.switch(True)

    def chatter(self) -> str:
        """An unsolicited line without meaning for a driver."""
        return ""

    def busy(self) -> Refused:
        """The refusal of a module that is busy with something else."""
        return Refused(NOT_ALLOWED)

    def full(self) -> Refused:
        """The refusal of a module that has no room for a payload."""
        return Refused(NOT_ALLOWED)

    def no_data(self) -> Refused:
        """The refusal of a module that has no data connection."""
        return Refused(NO_NETWORK)

    def registration_changed(self, _stat: int) -> None:
        """The registration has changed."""

    def data_changed(self, _is_up: bool) -> None:
        """The data connection has come or gone."""

    def arrived(self, _socket: ModemSocket, _data: bytes, _sender: Address) -> None:
        """A datagram has come for a socket."""

    def closed_by_network(self, _socket: ModemSocket) -> None:
        """The network has closed a socket."""

    def connection_changed(self, _is_connected: bool) -> None:
        """The radio connection has come or gone."""

    def outside_changed(self) -> None:
        """Coverage, the card or a lasting fault has changed."""
        self.network.look_again()

    def falls_asleep(self) -> None:
        """The module falls asleep."""

    def wakes_up(self) -> None:
        """The module is awake again."""

    # What is the same for all.

    async def execute(self, line: str) -> None:
        """Carry out one command line and answer it."""
        request = parse(line)
        self.counters["commands"] += 1
        too_soon = self.radio.loop.time() - self._answered_s < _PACE_S
        if self.needs_pauses and too_soon and self.body.random.random() < 0.5:
            self.counters["commands too soon"] += 1
            return
        console = self.console
        if self.faults.strikes("no-answer"):
            if self.faults.random.random() < 0.5:
                return
            console.is_muted = True
        try:
            if self.faults.strikes("stray-ok"):
                console.urc("OK")
            if self.faults.strikes("late-answer"):
                await asyncio.sleep(self.faults.random.uniform(*_LATE_S))
            await asyncio.sleep(self.body.random.uniform(*_THINKING_S))
            final = await self._carry_out(request)
            if final:
                console.say(final)
            self._answered_s = self.radio.loop.time()
        finally:
            console.is_muted = False

    async def _carry_out(self, request: Request) -> str:
        method = self.commands.get(request.name)
        try:
            if method is None:
                raise Refused(NOT_SUPPORTED)
            final: str | None = await getattr(self, method)(request)
        except Refused as refusal:
            self.counters["refused"] += 1
            if refusal.before:
                self.console.say(refusal.before)
            return refusal.line or self.error(refusal.code)
        return "OK" if final is None else final

    def error(self, code: int) -> str:
        """The final line of a refusal, as CMEE asks for it."""
        if self.error_level == 0:
            return "ERROR"
        return self.wording.line("CME ERROR", code)

    def need_sim(self) -> None:
        """Refuse where the card is not ready."""
        trouble = self.body.sim.trouble()
        if trouble is not None:
            raise Refused(trouble)

    def socket(self, number: int) -> ModemSocket | None:
        """An open socket by its number."""
        return self.sockets.get(number)

    def open_socket(
        self, number: int, remote: Address | None, *, pushes: bool = True, port: int = 0, needs_data: bool = True
    ) -> ModemSocket:
        """Open a socket; Refused where the module is busy, or has no data connection and needs one for that."""
        if self.faults.strikes("busy"):
            raise self.busy()
        if needs_data:
            self._need_data()
        opened: ModemSocket

        def received(data: bytes, sender: Address) -> None:
            self.counters["received"] += 1
            self.arrived(opened, data, sender)

        opened = ModemSocket(number, self.radio.open(received), remote, port, pushes)
        self.sockets[number] = opened
        return opened

    def keep_failed(self, number: int) -> None:
        """An open that has failed keeps its number until it is closed."""
        way = self.radio.open(lambda _data, _sender: None)
        way.close()
        self.sockets[number] = ModemSocket(number, way, is_closed=True)

    def close_socket(self, number: int) -> bool:
        """Close a socket; False where there was none."""
        closed = self.sockets.pop(number, None)
        if closed is not None:
            closed.way.close()
        return closed is not None

    def may_send(self, size: int) -> None:
        """Refuse a payload of `size` bytes that cannot be taken now."""
        if size > self.body.model.payload_limit or size < 1:
            raise Refused(50)
        if self.faults.strikes("busy"):
            raise self.busy()
        if self.radio.waiting_up >= _QUEUE or self.faults.strikes("buffer-full"):
            raise self.full()
        self._need_data()

    async def transmit(self, opened: ModemSocket, data: bytes, remote: Address, release: int = 0) -> bool:
        """Hand a datagram to the radio; False where it could not be sent."""
        if self.faults.strikes("reboot-in-send"):
            self.body.restart("reboot-in-send")
            await asyncio.get_running_loop().create_future()
        if not self.network.address or opened.is_closed or self.faults.strikes("send-fail"):
            self.counters["send failures"] += 1
            return False
        self.counters["sent"] += 1
        opened.sent_bytes += len(data)
        opened.way.send(data, remote, release)
        return True

    async def activate(self, apn: str) -> str:
        """Make the data connection for an access point; Refused where the network does."""
        self.need_sim()
        if self.body.sim.apn is not None and apn != self.body.sim.apn:
            await asyncio.sleep(self.radio.draw(self.radio.profile.activate_s))
            raise self.no_data()
        address = await self.network.activate()
        if not address:
            raise self.no_data()
        self._is_stale = False
        return address

    def drop_data(self) -> None:
        """The network takes the data connection away; on NB-IoT that is the attachment."""
        if self.body.model.is_nb:
            self.network.is_attached = False
        self.network.deactivate()

    def close_one(self) -> None:
        """The network closes the oldest socket."""
        for opened in self.sockets.values():
            if not opened.is_closed:
                opened.is_closed = True
                opened.way.close()
                self.closed_by_network(opened)
                return

    def after(self, wait_s: float, call: Callable[[], None]) -> None:
        """Do something later, in this life."""

        def due() -> None:
            self._timers.discard(timer)
            call()

        timer = self.radio.loop.call_later(wait_s, due)
        self._timers.add(timer)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the commands, in this life."""
        task = self.radio.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """This life is over."""
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        self.network.stop()
        for number in list(self.sockets):
            self.close_socket(number)

    def resolve(self, host: str) -> str:
        """The address of a host; Refused where the network knows none."""
        address = self.radio.resolve(host)
        if address is None:
            raise Refused(50)
        return address

    @property
    def apn(self) -> str:
        """The access point that the host has set."""
        return str(self.body.kept.get("apn", ""))

    def _need_data(self) -> None:
        if self.faults.strikes("cme-3"):
            self._is_stale = True
        if self._is_stale:
            raise Refused(NOT_ALLOWED)
        if not self.network.address:
            raise self.no_data()

    def _data_changed(self, is_up: bool) -> None:
        if is_up:
            self._is_stale = False
        else:
            for opened in self.sockets.values():
                opened.is_closed = True
                opened.way.close()
        self.data_changed(is_up)

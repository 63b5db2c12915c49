"""A module's dealings with the network: search, registration (3GPP TS 27.007, 10.1.22), and its data connection."""

import asyncio
from collections.abc import Callable

from hardware.rig.modem.faults import ModemFaults
from hardware.rig.modem.radio import Radio
from hardware.rig.modem.sim import Sim

OFF, HOME, SEARCHING, DENIED, UNKNOWN = 0, 1, 2, 3, 4
_RETRY_S = 30.0


class Network:
    """`stat` is the registration; `address` the IPv4 address while sockets can be opened, else "".

    `bearer` is the address that the network gives with the registration (LTE's default bearer), for the host to see.

    `on_stat(stat)` and `on_data(is_up)` are called at each change. `attaches_alone`: the data connection comes with the
    registration, as on NB-IoT.
    """

    def __init__(self, radio: Radio, sim: Sim, faults: ModemFaults, *, attaches_alone: bool) -> None:
        self.stat = OFF
        self.address = ""
        self.bearer = ""
        self.is_on = False
        self.is_attached = False
        self.on_stat: Callable[[int], None] | None = None
        self.on_data: Callable[[bool], None] | None = None
        self.tac = f"{radio.random.randrange(0x1000, 0xFFFE):04X}"
        self.cell = f"{radio.random.randrange(0x0100000, 0xFFFFFFE):08X}"
        self.rsrp_dbm = radio.random.randint(*radio.profile.rsrp_dbm)
        self._radio = radio
        self._sim = sim
        self._faults = faults
        self._attaches_alone = attaches_alone
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_registered(self) -> bool:
        """Whether the module is registered."""
        return self.stat == HOME

    def switch(self, on: bool, *, searches: bool = True) -> None:
        """The radio on or off (CFUN 1, CFUN 0)."""
        if on == self.is_on:
            return
        self.is_on = on
        self._stop()
        if on:
            if self._faults.lasts("unknown"):
                self._faults.clear("unknown")
            if searches:
                self.search()
        else:
            self._lose(OFF)
            self._radio.disconnect()

    def search(self) -> None:
        """Begin to look for a network; a module that is registered attaches again."""
        if not self.is_on:
            return
        if self.is_registered:
            self.is_attached = True
            if self._attaches_alone and not self.address:
                self._after(self._radio.draw(self._radio.profile.activate_s), self._bring_up)
            return
        self._set(SEARCHING if self._sim.trouble() is None else OFF)
        self._after(self._radio.draw(self._radio.profile.attach_s), self._found)

    def look_again(self) -> None:
        """Something outside has changed: coverage, the card, a fault."""
        if not self.is_on:
            return
        verdict = self._verdict()
        if verdict != HOME:
            if self.stat != verdict:
                self._lose(verdict)
                self._after(_RETRY_S, self._found)
        elif not self.is_registered:
            self.search()

    def detach(self) -> None:
        """Leave the network (CGATT 0); it is not looked for again until `search`."""
        self._stop()
        self.is_attached = False
        self._lose(OFF)

    async def activate(self) -> str:
        """Make the data connection and return its address; "" where the network refuses it."""
        await asyncio.sleep(self._radio.draw(self._radio.profile.activate_s))
        if not self.is_registered:
            return ""
        if not self.address:
            self._bring_up()
        return self.address

    def deactivate(self, *, by_host: bool = False) -> None:
        """Give the data connection up, or lose it; nothing is told to a host that gave it up itself."""
        if self.address:
            self.address = ""
            if self.on_data is not None and not by_host:
                self.on_data(False)

    def stop(self) -> None:
        """The module has lost its supply."""
        self._stop()
        self.on_stat = self.on_data = None

    def _verdict(self) -> int:
        """What a search comes to."""
        faults = self._faults
        if self._sim.trouble() is not None:
            return OFF
        if faults.lasts("denied"):
            return DENIED
        if faults.lasts("unknown"):
            return UNKNOWN
        if faults.lasts("searching") or faults.lasts("radio-stuck") or not self._radio.has_coverage:
            return SEARCHING
        return HOME

    def _found(self) -> None:
        verdict = self._verdict()
        if verdict != HOME:
            self._lose(verdict)
            self._after(_RETRY_S, self._found)
            return
        self._timer = None
        self.is_attached = True
        random = self._radio.random
        self.bearer = f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        self._set(HOME)
        if self._attaches_alone:
            self._after(self._radio.draw(self._radio.profile.activate_s), self._bring_up)

    def _bring_up(self) -> None:
        self._timer = None
        self.address = self.bearer
        if self.on_data is not None:
            self.on_data(True)

    def _lose(self, stat: int) -> None:
        self.is_attached = False
        self.bearer = ""
        self.deactivate()
        self._set(stat)

    def _set(self, stat: int) -> None:
        if stat != self.stat:
            self.stat = stat
            if self.on_stat is not None:
                self.on_stat(stat)

    def _after(self, wait_s: float, call: Callable[[], None]) -> None:
        self._stop()
        self._timer = asyncio.get_running_loop().call_later(wait_s, call)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

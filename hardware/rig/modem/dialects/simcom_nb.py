"""SIMCom SIM7020: sockets made with CSOC, connected with CSOCON, hexadecimal both ways.

Sources: Soldered's SIM7020 library for Arduino, lwcell issue 30, other Arduino drivers. Drivers disagree whether the
length of CSOSEND is bytes or hexadecimal digits; here digits, unless `Wording.counts_bytes` says otherwise. Commands
within 100 ms of the last answer may be lost. Chosen by seed: spacing, case of digits.
"""

import asyncio

from hardware.rig.modem.request import PARAMETER, SET, Refused, Request, command
from hardware.rig.modem.sockets import Address, ModemSocket
from hardware.rig.modem.standard import Standard

_UDP = 2
_CONNECTED, _UNCONNECTED = 2, 0
_NETWORK_CLOSED, _NO_DATA = 4, 3
_BUSY, _FULL = 14, 20


class SimcomNb(Standard):
    """Sockets 0 to 4."""

    ccid_names = ("CCID",)
    tells_card = True
    needs_pauses = True

    def boot_lines(self) -> list[str]:
        """Readiness."""
        return ["RDY", "+CFUN: 1"]

    def started(self) -> None:
        """The card reports itself."""
        super().started()
        if self.body.sim.trouble() is None:
            self.console.urc("+CPIN: READY")

    def chatter(self) -> str:
        """Card and power saving."""
        return self.body.random.choice(("+CPIN: READY", '+CPSMSTATUS: "EXIT PSM"', "SMS Ready", "+CEREG: 1"))

    def busy(self) -> Refused:
        """Busy."""
        return Refused(_BUSY)

    def full(self) -> Refused:
        """Memory full."""
        return Refused(_FULL)

    def no_data(self) -> Refused:
        """Not allowed without a data connection."""
        return Refused(_NO_DATA)

    def data_changed(self, is_up: bool) -> None:
        """The sockets go with the data connection."""
        if not is_up:
            for opened in self.sockets.values():
                self.closed_by_network(opened)

    def closed_by_network(self, socket: ModemSocket) -> None:
        """+CSOERR."""
        self.console.urc(self.wording.line("CSOERR", socket.number, _NETWORK_CLOSED))

    def arrived(self, socket: ModemSocket, data: bytes, _sender: Address) -> None:
        """+CSONMI with the payload; it counts digits."""
        text = self.wording.hexadecimal(data)
        self.console.urc(self.wording.line("CSONMI", socket.number, len(text), text))

    @command("CSOC")
    async def create(self, request: Request) -> None:
        """AT+CSOC=1,2,1: the number of a UDP socket."""
        if request.number(0) != 1 or request.number(1) != _UDP:
            raise Refused(PARAMETER)
        free = [number for number in range(self.body.model.sockets) if number not in self.sockets]
        if not free:
            raise Refused(_NO_DATA)
        self.open_socket(free[0], None)
        self.console.say(self.wording.line("CSOC", free[0]))

    @command("CSOCON")
    async def connect(self, request: Request) -> None:
        """AT+CSOCON=<id>,<port>,"<ip>"."""
        opened = self._opened(request)
        host = request.text(2)
        if self.radio.resolve(host) != host:
            raise Refused(PARAMETER)
        await asyncio.sleep(self.radio.draw((0.05, 0.3)))
        opened.remote = (host, request.number(1))

    @command("CSOSEND")
    async def send(self, request: Request) -> None:
        """AT+CSOSEND=<id>,<n>,<HEX>; n = 0 sends the text as it is."""
        opened = self._opened(request)
        count, text = request.number(1), request.text(2)
        if opened.remote is None:
            raise Refused(_NO_DATA)
        if count == 0:
            data = text.encode("latin-1")
        else:
            try:
                data = bytes.fromhex(text)
            except ValueError:
                raise Refused(PARAMETER) from None
            if count != (len(data) if self.wording.counts_bytes else len(text)):
                raise Refused(PARAMETER)
        self.may_send(len(data))
        if not await self.transmit(opened, data, opened.remote):
            raise Refused(_NO_DATA)

    @command("CSOSTATUS")
    async def status(self, request: Request) -> None:
        """AT+CSOSTATUS=<id>: 2 is connected."""
        opened = self.sockets.get(request.number(0))
        is_connected = opened is not None and opened.remote is not None and not opened.is_closed
        self.console.say(
            self.wording.line("CSOSTATUS", request.number(0), _CONNECTED if is_connected else _UNCONNECTED)
        )

    @command("CSOCL")
    async def close(self, request: Request) -> None:
        """AT+CSOCL=<id>."""
        if not self.close_socket(request.number(0)):
            raise Refused(_NO_DATA)

    @command("CSORCVFLAG", "CSOSENDFLAG", "CNACTCFG", "CSCLK")
    async def configure(self, request: Request) -> None:
        """Settings; received payloads are hexadecimal, which is CSORCVFLAG=0."""
        if request.name == "CSORCVFLAG" and request.kind == SET and request.number(0) != 0:
            raise Refused(PARAMETER)

    @command("CDNSGIP")
    async def look_up(self, request: Request) -> None:
        """AT+CDNSGIP="<host>": OK, and the address."""
        name = request.text(0)
        host = self.radio.resolve(name)
        told = self.wording.line("CDNSGIP", *([1, f'"{name}"', f'"{host}"'] if host else [0, 8]))
        self.after(self.radio.draw(self.radio.profile.activate_s), lambda: self.console.urc(told))

    @command("CENG")
    async def cell(self, _request: Request) -> None:
        """AT+CENG?: the serving cell, RSRP in the seventh place."""
        network = self.network
        values = (3736, 3, 187, f'"{network.cell}"', network.rsrp_dbm, -9, network.rsrp_dbm + 12, 12, 8)
        self.console.say(self.wording.line("CENG", *values, f'"{network.tac}"', 0, 0))

    @command("CGCONTRDP")
    async def connection(self, _request: Request) -> None:
        """AT+CGCONTRDP: the data connection that the network has given."""
        if self.network.address:
            address = f'"{self.network.address}.255.255.255.0"'
            self.console.say(self.wording.line("CGCONTRDP", 1, 5, f'"{self.apn or "cmnbiot"}"', address))

    @command("CRESET", "CRESTART")
    async def reset(self, _request: Request) -> str:
        """AT+CRESET."""
        self.console.say("OK")
        self.body.restart("command")
        return ""

    @command("CPOWD")
    async def off(self, _request: Request) -> str:
        """AT+CPOWD=1."""
        self.console.say("NORMAL POWER DOWN")
        self.body.power_off()
        return ""

    def _opened(self, request: Request) -> ModemSocket:
        opened = self.sockets.get(request.number(0))
        if opened is None or opened.is_closed:
            raise Refused(_NO_DATA)
        return opened

"""AirM2M Air780E and Air720: the commands of the SIM800, with payloads as they are both ways.

Sources: RT-Thread class/air720, docs.openluat.com. The steps of the connection have an order (CSTT, CIICR, CIFSR), and
an error where it is not kept until CIPSHUT. CIFSR has no OK. The first characters of +RECEIVE may be lost (fault
`lost-first`). Not confirmed there and chosen by seed: whether DATA ACCEPT has a space.
"""

import asyncio

from hardware.rig.modem.body import Body
from hardware.rig.modem.request import NOT_ALLOWED, READ, SET, Refused, Request, command
from hardware.rig.modem.sockets import Address, ModemSocket
from hardware.rig.modem.standard import Standard

_INITIAL, _START, _ACTIVE, _STATUS, _LOST = "IP INITIAL", "IP START", "IP GPRSACT", "IP STATUS", "PDP DEACT"


class Sim800(Standard):
    """Sockets 0 to 5 with CIPMUX=1."""

    ccid_names = ("CCID", "ICCID")
    tells_card = True

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.state = _INITIAL
        self.is_quick = False
        self.has_many = False
        self.access_point = ""

    def boot_lines(self) -> list[str]:
        """Readiness."""
        return ["RDY"]

    def started(self) -> None:
        """The card reports itself."""
        super().started()
        if self.body.sim.trouble() is None:
            self.console.urc("+CPIN: READY")
            self.console.urc("SMS READY")

    def chatter(self) -> str:
        """Service, time."""
        return self.body.random.choice(("+E_UTRAN Service", "+CGEV: ME PDN ACT 1", "SMS READY", "+CEREG: 1"))

    def busy(self) -> Refused:
        """Operation not allowed."""
        return Refused(NOT_ALLOWED)

    def full(self) -> Refused:
        """Memory full."""
        return Refused(20)

    def no_data(self) -> Refused:
        """Operation not allowed."""
        return Refused(NOT_ALLOWED)

    def data_changed(self, is_up: bool) -> None:
        """+PDP DEACT; the connection must be shut before it can be made again."""
        if not is_up:
            self.state = _LOST
            if self.network.is_on:
                self.console.urc("+PDP DEACT")

    def closed_by_network(self, socket: ModemSocket) -> None:
        """<id>, CLOSED."""
        self.console.urc(f"{socket.number}, CLOSED")

    def arrived(self, socket: ModemSocket, data: bytes, _sender: Address) -> None:
        """+RECEIVE and the payload."""
        self.console.urc(f"+RECEIVE,{socket.number},{len(data)}:", data)

    @command("CIPSHUT")
    async def shut(self, _request: Request) -> str:
        """AT+CIPSHUT: SHUT OK, whatever there was."""
        await asyncio.sleep(self.radio.draw((0.05, 0.5)))
        for number in list(self.sockets):
            self.close_socket(number)
        self.network.deactivate(by_host=True)
        self.state = _INITIAL
        return "SHUT OK"

    @command("CIPMUX", "CIPQSEND")
    async def forms(self, request: Request) -> None:
        """AT+CIPMUX=1, AT+CIPQSEND=1."""
        if request.kind == READ:
            is_on = self.is_quick if request.name == "CIPQSEND" else self.has_many
            self.console.say(self.wording.line(request.name, int(is_on)))
        elif request.name == "CIPQSEND":
            self.is_quick = request.number(0) == 1
        elif self.state == _INITIAL:
            self.has_many = request.number(0) == 1
        else:
            raise Refused(NOT_ALLOWED)

    @command("CIPHEAD", "CIPSRIP", "CIPRXGET", "CIPMODE", "CSCLK", "CGDATA", "CIPRDTIMER")
    async def configure(self, _request: Request) -> None:
        """Settings that change nothing here."""

    @command("CSTT")
    async def access(self, request: Request) -> None:
        """AT+CSTT="apn","",""."""
        if request.kind == READ:
            self.console.say(self.wording.line("CSTT", f'"{self.access_point}"', '""', '""'))
            return
        if self.state != _INITIAL:
            raise Refused(NOT_ALLOWED)
        self.access_point = request.text(0)
        self.state = _START

    @command("CIICR")
    async def connect(self, _request: Request) -> None:
        """AT+CIICR makes the data connection."""
        if self.state != _START:
            raise Refused(NOT_ALLOWED)
        await self.activate(self.access_point)
        self.state = _ACTIVE

    @command("CIFSR")
    async def address(self, _request: Request) -> str:
        """AT+CIFSR: the address, and no OK."""
        if self.state not in (_ACTIVE, _STATUS):
            raise Refused(NOT_ALLOWED, "ERROR")
        self.state = _STATUS
        return self.network.address

    @command("CIPSTART")
    async def open(self, request: Request) -> str | None:
        """AT+CIPSTART=<id>,"UDP","<host>",<port>: OK, and CONNECT OK."""
        number = request.number(0)
        if self.state != _STATUS or not self.has_many or number >= self.body.model.sockets:
            raise Refused(NOT_ALLOWED)
        if request.text(1).upper() != "UDP":
            raise Refused(NOT_ALLOWED)
        if number in self.sockets:
            if not self.sockets[number].is_closed:
                self.console.say("OK")
                return f"{number}, ALREADY CONNECT"
            self.close_socket(number)
        host = self.radio.resolve(request.text(2))
        if host is not None:
            self.open_socket(number, (host, request.number(3)))
        told = f"{number}, CONNECT FAIL" if host is None else f"{number}, CONNECT OK"
        self.after(self.radio.draw((0.1, 0.5)), lambda: self.console.urc(told))
        return None

    @command("CIPSEND")
    async def send(self, request: Request) -> str:
        """AT+CIPSEND=<id>,<len>: a prompt, the payload, DATA ACCEPT (with CIPQSEND) or SEND OK."""
        number = request.number(0)
        opened = self.sockets.get(number)
        if opened is None or opened.is_closed or opened.remote is None:
            raise Refused(NOT_ALLOWED)
        size = request.number(1)
        self.may_send(size)
        data = await self.console.prompt(size)
        if not await self.transmit(opened, data, opened.remote):
            return f"{number}, SEND FAIL"
        if self.is_quick:
            return f"DATA ACCEPT:{self.wording.space}{number},{size}"
        return f"{number}, SEND OK"

    @command("CIPCLOSE")
    async def close(self, request: Request) -> str:
        """AT+CIPCLOSE=<id>: CLOSE OK."""
        number = request.number(0)
        if not self.close_socket(number):
            raise Refused(NOT_ALLOWED)
        return f"{number}, CLOSE OK"

    @command("CIPSTATUS")
    async def status(self, request: Request) -> str:
        """AT+CIPSTATUS: OK first, then the state and a line a socket."""
        if request.kind == SET:
            opened = self.sockets.get(request.number(0))
            host, port = opened.remote if opened is not None and opened.remote else ("", "")
            state = '"CONNECTED"' if opened is not None and not opened.is_closed else '"INITIAL"'
            self.console.say(
                self.wording.line("CIPSTATUS", request.number(0), 0, '"UDP"', f'"{host}"', f'"{port}"', state)
            )
            return "OK"
        self.console.say("OK")
        return f"STATE: {'IP PROCESSING' if self.sockets else self.state}"

    @command("CDNSGIP")
    async def look_up(self, request: Request) -> None:
        """AT+CDNSGIP="<host>": OK, and the address."""
        name = request.text(0)
        host = self.radio.resolve(name)
        told = self.wording.line("CDNSGIP", *([1, f'"{name}"', f'"{host}"'] if host else [0, 8]))
        self.after(self.radio.draw(self.radio.profile.activate_s), lambda: self.console.urc(told))

    @command("CENG", "EEMGINFO")
    async def cell(self, request: Request) -> None:
        """The serving cell."""
        self.console.say(self.wording.line(request.name, f'"{self.network.cell}"', self.network.rsrp_dbm))

    @command("RESET", "RSTSET")
    async def reset(self, _request: Request) -> str:
        """AT+RESET."""
        self.console.say("OK")
        self.body.restart("command")
        return ""

    @command("CPOWD")
    async def off(self, _request: Request) -> str:
        """AT+CPOWD=1."""
        self.console.say("NORMAL POWER DOWN")
        self.body.power_off()
        return ""

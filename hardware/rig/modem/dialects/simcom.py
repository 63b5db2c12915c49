"""SIMCom SIM7600 and A7670: NETOPEN, CIPOPEN, CIPSEND with a prompt, and +IPD or CIPRXGET.

Sources: RT-Thread class/sim76xx, TinyGSM, LilyGo-Modem-Series issue 364 (a remote address in CIPOPEN of a UDP socket is
refused). Not confirmed there and chosen by seed: spacing, and whether OK comes before or after the result of CIPOPEN,
CIPCLOSE and NETCLOSE.
"""

import asyncio

from hardware.rig.modem.body import Body
from hardware.rig.modem.request import READ, SET, Refused, Request, command
from hardware.rig.modem.sockets import Address, ModemSocket
from hardware.rig.modem.standard import Standard

_CLOSED_BY_NETWORK = 1
_NOT_OPENED, _BAD_PARAMETER, _BUSY = 2, 3, 4


class Simcom(Standard):
    """Sockets 0 to 9 over one network connection."""

    ccid_names = ("CCID", "CICCID")
    tells_card = True

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.reads = False
        self.shows_sender = True

    def boot_lines(self) -> list[str]:
        """Readiness."""
        return ["*ATREADY: 1"] if self.body.model.name == "a7670" else ["RDY"]

    def started(self) -> None:
        """Card, messages and telephone book report themselves."""
        super().started()
        if self.body.sim.trouble() is None:
            for line in ("+CPIN: READY", "SMS DONE", "PB DONE"):
                self.console.urc(line)

    def chatter(self) -> str:
        """Card, messages, time."""
        return self.body.random.choice(("SMS DONE", "PB DONE", "+CEREG: 1", "+CGEV: EPS PDN ACT 1"))

    def busy(self) -> Refused:
        """The operation is busy."""
        return Refused(line="ERROR", before=f"+CIPERROR: {_BUSY}")

    def full(self) -> Refused:
        """The operation is busy: the buffer is full."""
        return self.busy()

    def no_data(self) -> Refused:
        """The network is not opened."""
        return Refused(line="ERROR", before=f"+CIPERROR: {_NOT_OPENED}")

    def data_changed(self, is_up: bool) -> None:
        """+CIPEVENT when the connection was taken away."""
        if not is_up and self.network.is_on:
            self.console.urc("+CIPEVENT: NETWORK CLOSED UNEXPECTEDLY")

    def closed_by_network(self, socket: ModemSocket) -> None:
        """+IPCLOSE."""
        self.console.urc(self.wording.line("IPCLOSE", socket.number, _CLOSED_BY_NETWORK))

    def arrived(self, socket: ModemSocket, data: bytes, sender: Address) -> None:
        """Push the datagram, or keep it and note that once."""
        if not self.reads:
            if self.shows_sender:
                self.console.urc(f"RECV FROM:{sender[0]}:{sender[1]}")
            self.console.urc(f"+IPD{len(data)}", data)
            return
        if not socket.keep(data, sender):
            self.counters["overflowed"] += 1
        if not socket.is_noted:
            socket.is_noted = True
            self.console.urc(self.wording.line("CIPRXGET", 1, socket.number))

    @command("CIPMODE", "CIPSENDMODE", "CIPCCFG", "CIPTIMEOUT", "CIPHEAD", "CSOCKSETPN", "CSCLK", "CNMP")
    async def configure(self, _request: Request) -> None:
        """Settings that change nothing here."""

    @command("CIPSRIP")
    async def sender_form(self, request: Request) -> None:
        """AT+CIPSRIP=0: +IPD without the line that tells the sender."""
        self.shows_sender = request.number(0, 1) != 0

    @command("NETOPEN")
    async def open_network(self, request: Request) -> None:
        """AT+NETOPEN: OK, and the result; AT+NETOPEN?."""
        if request.kind == READ:
            self.console.say(self.wording.line("NETOPEN", int(bool(self.network.address))))
            return
        self.need_sim()
        if self.network.address:
            raise Refused(line="ERROR", before="+IP ERROR: Network is already opened")
        self.background(self._open_network())

    async def _open_network(self) -> None:
        result = 0
        try:
            await self.activate(self.apn)
        except Refused:
            result = 1
        self.console.urc(self.wording.line("NETOPEN", result))

    @command("NETCLOSE")
    async def close_network(self, _request: Request) -> str:
        """AT+NETCLOSE: OK and the result, in the order of this firmware."""
        if not self.network.address and not self.sockets:
            raise Refused(line="ERROR", before=self.wording.line("NETCLOSE", _NOT_OPENED))
        for number in list(self.sockets):
            self.close_socket(number)
        self.network.deactivate(by_host=True)
        return await self._in_order(self.wording.line("NETCLOSE", 0))

    @command("CIPOPEN")
    async def open(self, request: Request) -> str | None:
        """AT+CIPOPEN=<id>,"UDP",,,<local port>."""
        if request.kind == READ:
            for number in range(self.body.model.sockets):
                values = [number] + (['"UDP"', self.sockets[number].local_port] if number in self.sockets else [])
                self.console.say(self.wording.line("CIPOPEN", *values))
            return None
        number = request.number(0)
        if request.text(1).upper() != "UDP" or request.text(2) or request.text(3):
            raise Refused(line="ERROR", before=self.wording.line("CIPOPEN", number, _BAD_PARAMETER))
        if number >= self.body.model.sockets or number in self.sockets:
            raise Refused(line="ERROR", before=self.wording.line("CIPOPEN", number, _BUSY))
        self.open_socket(number, None, port=request.number(4))
        return await self._in_order(self.wording.line("CIPOPEN", number, 0))

    @command("CIPSEND")
    async def send(self, request: Request) -> str:
        """AT+CIPSEND=<id>,<len>,"<ip>",<port>: a prompt, the payload, OK and +CIPSEND with what was taken."""
        opened = self.sockets.get(request.number(0))
        if opened is None or opened.is_closed:
            raise self.no_data()
        size, host, port = request.number(1), request.text(2), request.number(3)
        if self.radio.resolve(host) != host:
            raise Refused(line="ERROR", before="+IP ERROR: Invalid parameter")
        self.may_send(size)
        data = await self.console.prompt(size)
        if not await self.transmit(opened, data, (host, port)):
            self.console.say(self.wording.line("CIPSEND", opened.number, size, -1))
            return "ERROR"
        self.console.say("OK")
        return self.wording.line("CIPSEND", opened.number, size, size)

    @command("CIPRXGET")
    async def receive(self, request: Request) -> None:
        """AT+CIPRXGET=1 keeps what comes; =2 reads bytes, =3 digits, =4 tells how much is there."""
        if request.kind == READ:
            self.console.say(self.wording.line("CIPRXGET", int(self.reads)))
            return
        mode = request.number(0)
        if mode in (0, 1):
            self.reads = mode == 1
            return
        opened = self.sockets.get(request.number(1))
        if opened is None or mode not in (2, 3, 4):
            raise Refused(line="ERROR", before="+IP ERROR: Invalid parameter")
        if mode == 4:
            waiting = sum(len(data) for data, _ in opened.inbox)
            self.console.say(self.wording.line("CIPRXGET", 4, opened.number, waiting))
            return
        if not opened.inbox:
            opened.is_noted = False
            raise Refused(line="ERROR", before="+IP ERROR: No data")
        wanted = request.number(2, 1500)
        data, sender = opened.inbox.popleft()
        piece, rest = data[:wanted], data[wanted:]
        if rest:
            opened.inbox.appendleft((rest, sender))
        opened.is_noted = bool(opened.inbox)
        left = sum(len(data) for data, _ in opened.inbox)
        self.console.say(self.wording.line("CIPRXGET", mode, opened.number, len(piece), left))
        self.console.raw((self.wording.hexadecimal(piece).encode() if mode == 3 else piece) + b"\r\n")

    @command("CIPCLOSE")
    async def close(self, request: Request) -> str | None:
        """AT+CIPCLOSE=<id>."""
        if request.kind == READ:
            open_now = (int(number in self.sockets) for number in range(self.body.model.sockets))
            self.console.say(self.wording.line("CIPCLOSE", *open_now))
            return None
        number = request.number(0)
        if not self.close_socket(number):
            raise Refused(line="ERROR", before=self.wording.line("CIPCLOSE", number, _BUSY))
        return await self._in_order(self.wording.line("CIPCLOSE", number, 0))

    @command("CDNSGIP")
    async def look_up(self, request: Request) -> None:
        """AT+CDNSGIP="<host>": the address before the OK."""
        name = request.text(0)
        host = self.radio.resolve(name)
        await asyncio.sleep(self.radio.draw(self.radio.profile.activate_s))
        if host is None:
            raise Refused(line="ERROR", before=self.wording.line("CDNSGIP", 0, 10))
        self.console.say(self.wording.line("CDNSGIP", 1, f'"{name}"', f'"{host}"'))

    @command("CPSI")
    async def cell(self, request: Request) -> None:
        """AT+CPSI?: the serving cell; ..., RSRQ and RSRP in tenths, RSSI, SNR."""
        if request.kind == SET:
            return
        network = self.network
        if not network.is_registered:
            self.console.say(self.wording.line("CPSI", "NO SERVICE", "Online"))
            return
        values = ("LTE", "Online", "460-00", f"0x{network.tac}", int(network.cell, 16), 283, "EUTRAN-BAND3", 1300, 5, 5)
        quality = (-90, network.rsrp_dbm * 10, (network.rsrp_dbm + 28) * 10, 14)
        self.console.say(self.wording.line("CPSI", *values, *quality))

    @command("CRESET")
    async def reset(self, _request: Request) -> str:
        """AT+CRESET."""
        self.console.say("OK")
        self.body.restart("command")
        return ""

    @command("CPOF")
    async def off(self, _request: Request) -> str:
        """AT+CPOF."""
        self.console.say("OK")
        self.body.power_off()
        return ""

    async def _in_order(self, result: str) -> str:
        """Say a result and the OK, in the order of this firmware."""
        if self.wording.result_before_ok:
            self.console.say(result)
            return "OK"
        self.console.say("OK")
        await asyncio.sleep(self.radio.draw((0.0, 0.1)))
        return result

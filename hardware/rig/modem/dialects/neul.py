"""Quectel BC95-G, BC35-G, BC28: the "Neul" commands of HiSilicon's chip, hexadecimal both ways, 9600 baud.

Sources: mbed-os QUECTEL_BC95_CellularStack.cpp, RT-Thread class/bc28, renode's model. The module takes addresses only,
refuses the local port 5683, and answers a restart with REBOOTING. Not confirmed there and chosen by seed: spacing, case
of digits, what a refused send says.
"""

from hardware.rig.modem.body import Body
from hardware.rig.modem.request import PARAMETER, READ, SET, Refused, Request, command
from hardware.rig.modem.sockets import Address, ModemSocket
from hardware.rig.modem.standard import Standard

_UPLINK_BUSY, _NO_BUFFER, _FLOW_CONTROL, _NO_NETWORK = 159, 536, 537, 30
_COAP_PORT = 5683
_UDP = 17
_RELEASE_OF_FLAG = {0x200: 1, 0x400: 2}
_LOADER = ("Boot: Unsigned", "Security B.. Verified", "Protocol A.. Verified", "Apps A...... Verified")
_SILENT, _NOTES, _PUSHES = 0, 1, 2


class Neul(Standard):
    """Registers by itself after a start, unless NCONFIG says otherwise."""

    ccid_names = ("NCCID",)

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.receiving = _NOTES
        self.shows_connection = False
        self.shows_psm = False

    def boot_lines(self) -> list[str]:
        """The loader's report, why it has started, the chip's name, and an OK that nobody asked for."""
        why = {"command": "APPLICATION_AT", "reboot": "UNKNOWN"}.get(self.body.kept["cause"], "SECURITY_RESET_PIN")
        return [*_LOADER, f"REBOOT_CAUSE_{why}", "Neul", "OK"]

    def started(self) -> None:
        """Register, or wait with the radio off."""
        self.card_is_ready()
        if self.body.kept.get("autoconnect", True):
            self.network.switch(True)

    def chatter(self) -> str:
        """Radio connection and power saving."""
        return self.body.random.choice(("+CSCON:1", "+CSCON:0", "+NPSMR:0", "+CEREG:1"))

    def busy(self) -> Refused:
        """159, the uplink is busy."""
        return Refused(_UPLINK_BUSY)

    def full(self) -> Refused:
        """536, the UART's buffer, or 537, flow control."""
        return Refused(self.body.random.choice((_NO_BUFFER, _FLOW_CONTROL)))

    def no_data(self) -> Refused:
        """30, no network."""
        return Refused(_NO_NETWORK)

    def data_changed(self, is_up: bool) -> None:
        """The sockets go with the data connection."""
        if not is_up:
            for opened in self.sockets.values():
                self.closed_by_network(opened)

    def connection_changed(self, is_connected: bool) -> None:
        """+CSCON where it is asked for."""
        if self.shows_connection:
            self.console.urc(self.wording.line("CSCON", int(is_connected)))

    def falls_asleep(self) -> None:
        """+NPSMR where it is asked for."""
        if self.shows_psm:
            self.console.urc(self.wording.line("NPSMR", 1))

    def wakes_up(self) -> None:
        """+NPSMR where it is asked for."""
        if self.shows_psm:
            self.console.urc(self.wording.line("NPSMR", 0))

    def closed_by_network(self, socket: ModemSocket) -> None:
        """+NSOCLI."""
        self.console.urc(self.wording.line("NSOCLI", socket.number))

    def arrived(self, socket: ModemSocket, data: bytes, sender: Address) -> None:
        """Push the datagram, or keep it and note that."""
        if self.receiving == _PUSHES:
            text = self.wording.hexadecimal(data)
            self.console.urc(self.wording.line("NSONMI", socket.number, *sender, len(data), text))
            return
        if not socket.keep(data, sender):
            self.counters["overflowed"] += 1
        elif self.receiving == _NOTES:
            self.console.urc(self.wording.line("NSONMI", socket.number, len(data)))

    @command("QREGSWT", "NBAND", "NCDP", "NNMI", "NPING", "NCONFIG")
    async def configure(self, request: Request) -> None:
        """Settings; of them NCONFIG=AUTOCONNECT is kept and counts from the next start."""
        if request.name == "NCONFIG" and request.kind == SET and request.text(0).upper() == "AUTOCONNECT":
            self.body.kept["autoconnect"] = request.text(1).upper() == "TRUE"
        elif request.name == "NCONFIG" and request.kind == READ:
            is_on = self.body.kept.get("autoconnect", True)
            self.console.say(self.wording.line("NCONFIG", "AUTOCONNECT", str(is_on).upper()))

    @command("CFUN")
    async def function(self, request: Request) -> str | None:
        """AT+CFUN=0, 1: without AUTOCONNECT the module does not look for a network by itself."""
        if request.kind == READ:
            self.console.say(self.wording.line("CFUN", int(self.network.is_on)))
        elif request.number(0) in (0, 1):
            self.network.switch(request.number(0) == 1, searches=self.body.kept.get("autoconnect", True))
        else:
            raise Refused(PARAMETER)
        return None

    @command("NRB")
    async def reboot(self, _request: Request) -> str:
        """AT+NRB: REBOOTING, and no OK."""
        self.console.say("REBOOTING")
        self.body.restart("command")
        return ""

    @command("CSCON")
    async def connection(self, request: Request) -> None:
        """AT+CSCON=1, AT+CSCON?."""
        if request.kind == SET:
            self.shows_connection = request.number(0) == 1
        else:
            self.console.say(self.wording.line("CSCON", int(self.shows_connection), int(self.radio.is_connected)))

    @command("NPSMR")
    async def sleep_reports(self, request: Request) -> None:
        """AT+NPSMR=1."""
        if request.kind == SET:
            self.shows_psm = request.number(0) == 1
        else:
            self.console.say(self.wording.line("NPSMR", int(self.shows_psm), 0))

    @command("NUESTATS")
    async def statistics(self, _request: Request) -> None:
        """AT+NUESTATS: tenths of dBm and dB, one line a value."""
        rsrp, is_in = self.network.rsrp_dbm, self.network.is_registered
        values = {
            "Signal power": rsrp * 10 if is_in else -32768,
            "Total power": (rsrp + 6) * 10 if is_in else -32768,
            "TX power": 230,
            "TX time": self.counters["sent"] * 120,
            "RX time": 4200,
            "Cell ID": int(self.network.cell, 16) if is_in else 4294967295,
            "ECL": (0 if rsrp > -110 else 1) if is_in else 255,
            "SNR": 120 if rsrp > -110 else -20,
            "EARFCN": 3736,
            "PCI": 187,
            "RSRQ": -108,
        }
        for name, value in values.items():
            self.console.say(f"{name}:{self.wording.space}{value}")

    @command("NSONMI")
    async def receive_form(self, request: Request) -> None:
        """AT+NSONMI=0 silent, 1 notes, 2 pushes."""
        if request.kind == SET:
            if request.number(0) not in (_SILENT, _NOTES, _PUSHES):
                raise Refused(PARAMETER)
            self.receiving = request.number(0)
        else:
            self.console.say(self.wording.line("NSONMI", self.receiving))

    @command("NSOCR")
    async def create(self, request: Request) -> None:
        """AT+NSOCR=DGRAM,17,<local port>,<receive>: the number of a socket."""
        port = request.number(2, 0)
        if request.text(0).upper() != "DGRAM" or request.number(1) != _UDP or port == _COAP_PORT:
            raise Refused(PARAMETER)
        if port and any(opened.local_port == port for opened in self.sockets.values()):
            raise Refused(PARAMETER)
        free = [number for number in range(self.body.model.sockets) if number not in self.sockets]
        if not free:
            raise Refused(PARAMETER)
        self.open_socket(free[0], None, port=port, needs_data=False)
        self.console.say(str(free[0]))

    @command("NSOST")
    async def send(self, request: Request) -> None:
        """AT+NSOST=<socket>,<ip>,<port>,<len>,<HEX>[,<seq>]."""
        await self._send(request, request.args[1:], 0)

    @command("NSOSTF")
    async def send_with_flag(self, request: Request) -> None:
        """AT+NSOSTF=<socket>,<ip>,<port>,<flag>,<len>,<HEX>[,<seq>]: 0x200 releases, 0x400 after one answer."""
        flag = request.number(3)
        release = next((value for bit, value in _RELEASE_OF_FLAG.items() if flag & bit), 0)
        await self._send(request, (*request.args[1:3], *request.args[4:]), release)

    async def _send(self, request: Request, rest: tuple[str, ...], release: int) -> None:
        opened = self.sockets.get(request.number(0))
        if opened is None or opened.is_closed or len(rest) < 4:
            raise Refused(PARAMETER)
        host, port, size, text = rest[:4]
        if self.radio.resolve(host) != host or not port.isdecimal() or not size.isdecimal():
            raise Refused(PARAMETER)
        self.may_send(int(size))
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise Refused(PARAMETER) from None
        if len(data) != int(size):
            raise Refused(PARAMETER)
        if not await self.transmit(opened, data, (host, int(port)), release):
            raise Refused(_FLOW_CONTROL)
        self.console.say(f"{opened.number},{len(data)}")
        if len(rest) > 4:
            told = self.wording.line("NSOSTR", opened.number, rest[4], 1)
            self.after(1.0, lambda: self.console.urc(told))

    @command("NSORF")
    async def read(self, request: Request) -> None:
        """AT+NSORF=<socket>,<n>: a datagram, or as much of it as is asked for; only OK when there is none."""
        opened = self.sockets.get(request.number(0))
        if opened is None:
            raise Refused(PARAMETER)
        if not opened.inbox:
            return
        wanted = request.number(1)
        data, sender = opened.inbox.popleft()
        piece, rest = data[:wanted], data[wanted:]
        if rest:
            opened.inbox.appendleft((rest, sender))
        values = (opened.number, *sender, len(piece), self.wording.hexadecimal(piece), len(rest))
        self.console.say(",".join(str(value) for value in values))

    @command("NSOCL")
    async def close(self, request: Request) -> None:
        """AT+NSOCL=<socket>."""
        if not self.close_socket(request.number(0)):
            raise Refused(PARAMETER)

    @command("QDNS")
    async def look_up(self, request: Request) -> None:
        """AT+QDNS=0,<host>: OK, and the address in a line of its own."""
        host = self.radio.resolve(request.text(1))
        told = self.wording.line("QDNS", host or "FAIL")
        self.after(self.radio.draw(self.radio.profile.activate_s), lambda: self.console.urc(told))

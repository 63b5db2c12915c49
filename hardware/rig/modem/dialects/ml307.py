"""China Mobile ML307A and ML307R: the MIP commands; payloads as they are on the way out, hexadecimal on the way in.

Sources: 78/esp-ml307 and its pull request 21, RT-Thread class/ml307. Not confirmed there and chosen by seed: spacing,
case and quotation marks of digits, whether the results of MIPCALL and MIPCLOSE come before or after their OK.
"""

import asyncio

from hardware.rig.modem.body import Body
from hardware.rig.modem.request import READ, SET, Refused, Request, command
from hardware.rig.modem.sockets import Address, ModemSocket
from hardware.rig.modem.standard import Standard

_PARAMETER, _BUSY, _NO_MEMORY, _DNS_FAILED, _NO_CALL, _IN_USE = 50, 559, 553, 565, 570, 563
_NETWORK_CLOSED = 1
_OPEN_S = (0.1, 0.5)


class Ml307(Standard):
    """One call (context 1), sockets 0 to 5."""

    ccid_names = ("CCID", "MCCID", "ICCID")

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.hex_out: dict[int, bool] = {}
        self.hex_in: dict[int, bool] = {}

    def boot_lines(self) -> list[str]:
        """Readiness."""
        return ["+MATREADY"]

    def chatter(self) -> str:
        """Network and card reports."""
        return self.body.random.choice(("+CGEV: ME PDN ACT 1", "+MATREADY", "+CEREG: 1", "*CPIN: READY"))

    def busy(self) -> Refused:
        """The socket is busy."""
        return Refused(_BUSY)

    def full(self) -> Refused:
        """No memory."""
        return Refused(_NO_MEMORY)

    def no_data(self) -> Refused:
        """There is no call."""
        return Refused(_NO_CALL)

    def data_changed(self, is_up: bool) -> None:
        """The call has ended, and the sockets with it."""
        if not is_up and self.network.is_on:
            self.console.urc(self.wording.line("MIPCALL", 1, 0))
            for opened in self.sockets.values():
                self.closed_by_network(opened)

    def closed_by_network(self, socket: ModemSocket) -> None:
        """+MIPURC: "disconn"."""
        self.console.urc(self.wording.line("MIPURC", '"disconn"', socket.number, _NETWORK_CLOSED))

    def arrived(self, socket: ModemSocket, data: bytes, _sender: Address) -> None:
        """+MIPURC: "rudp", with the payload in the line."""
        text = data.decode("latin-1")
        if self.hex_in.get(socket.number):
            digits = self.wording.hexadecimal(data)
            text = f'"{digits}"' if self.wording.quotes_digits else digits
        self.console.urc(self.wording.line("MIPURC", '"rudp"', socket.number, len(data), text))

    @command("MIPCALL")
    async def call(self, request: Request) -> str | None:
        """AT+MIPCALL=1,1 calls, =0,1 or =1,0 ends; AT+MIPCALL? tells the address."""
        if request.kind == READ:
            address = self.network.address
            self.console.say(self.wording.line("MIPCALL", 1, *([1, f'"{address}"'] if address else [0])))
            return None
        if request.number(0) == 0 or request.text(1) == "0":
            self.network.deactivate(by_host=True)
            return None
        told = self.wording.line("MIPCALL", 1, 1, f'"{await self.activate(self.apn)}"')
        if self.wording.result_before_ok:
            self.console.say(told)
        else:
            self.after(0.02, lambda: self.console.urc(told))
        return None

    @command("MIPCFG")
    async def configure(self, request: Request) -> None:
        """AT+MIPCFG="encoding",<id>,<send>,<receive>: 1 is hexadecimal."""
        if request.kind == SET and request.text(0).lower() == "encoding":
            number = request.number(1)
            self.hex_out[number], self.hex_in[number] = request.number(2, 0) == 1, request.number(3, 0) == 1

    @command("MLPMCFG", "MLPMRCFG", "MIPMODE", "MIPTKA")
    async def accept(self, _request: Request) -> None:
        """Settings that change nothing here."""

    @command("MIPOPEN")
    async def open(self, request: Request) -> None:
        """AT+MIPOPEN=<id>,"UDP","<host>",<port>[,<timeout>,<mode>]: OK, and the result."""
        number = request.number(0)
        if request.text(1).upper() != "UDP" or number >= self.body.model.sockets:
            raise Refused(_PARAMETER)
        if number in self.sockets:
            raise Refused(_IN_USE)
        host = self.radio.resolve(request.text(2))
        if host is not None:
            self.open_socket(number, (host, request.number(3)))
        told = self.wording.line("MIPOPEN", number, _DNS_FAILED if host is None else 0)
        self.after(self.radio.draw(_OPEN_S), lambda: self.console.urc(told))

    @command("MIPSEND")
    async def send(self, request: Request) -> None:
        """AT+MIPSEND=<id>,<len>: a prompt and the payload; or AT+MIPSEND=<id>,<len>,<payload>."""
        opened = self.sockets.get(request.number(0))
        if opened is None or opened.is_closed or opened.remote is None:
            raise Refused(_NO_CALL)
        size = request.number(1)
        self.may_send(size)
        is_hex = self.hex_out.get(opened.number, False)
        if len(request.args) > 2:
            raw = request.text(2).encode("latin-1")
        else:
            raw = await self.console.prompt(2 * size if is_hex else size)
        try:
            data = bytes.fromhex(raw.decode("latin-1")) if is_hex else raw
        except ValueError:
            raise Refused(_PARAMETER) from None
        if len(data) != size:
            raise Refused(_PARAMETER)
        if not await self.transmit(opened, data, opened.remote):
            raise Refused(_NO_CALL)
        self.console.say(self.wording.line("MIPSEND", opened.number, size))

    @command("MIPSTATE")
    async def states(self, request: Request) -> None:
        """AT+MIPSTATE=<id>, AT+MIPSTATE?."""
        numbers = [request.number(0)] if request.kind == SET else range(self.body.model.sockets)
        for number in numbers:
            opened = self.sockets.get(number)
            if opened is None or opened.remote is None or opened.is_closed:
                self.console.say(self.wording.line("MIPSTATE", number, '"INITIAL"'))
            else:
                host, port = opened.remote
                self.console.say(self.wording.line("MIPSTATE", number, '"UDP"', f'"{host}"', port, '"CONNECTED"'))

    @command("MIPCLOSE")
    async def close(self, request: Request) -> None:
        """AT+MIPCLOSE=<id>."""
        number = request.number(0)
        if not self.close_socket(number):
            raise Refused(_NO_CALL)
        told = self.wording.line("MIPCLOSE", number)
        if self.wording.result_before_ok:
            self.console.say(told)
        else:
            self.after(0.02, lambda: self.console.urc(told))

    @command("MDNSGIP")
    async def look_up(self, request: Request) -> None:
        """AT+MDNSGIP="<host>": OK, and the address."""
        name = request.text(0)
        host = self.radio.resolve(name)
        values = [f'"{name}"'] + ([f'"{host}"'] if host else [])
        told = self.wording.line("MDNSGIP", *values)
        self.after(self.radio.draw(self.radio.profile.activate_s), lambda: self.console.urc(told))

    @command("MREBOOT")
    async def reboot(self, _request: Request) -> str:
        """AT+MREBOOT=0."""
        self.console.say("OK")
        self.console.say("REBOOTING")
        self.body.restart("command")
        return ""

    @command("MPOF", "CPOF")
    async def off(self, _request: Request) -> str:
        """AT+MPOF."""
        self.console.say("OK")
        await asyncio.sleep(0.2)
        self.body.power_off()
        return ""

    @command("MUESTATS", "CENG")
    async def cell(self, _request: Request) -> None:
        """AT+MUESTATS="cell"."""
        rsrp = self.network.rsrp_dbm
        self.console.say(
            self.wording.line("MUESTATS", '"scell"', 4, 1300, 283, f'"{self.network.cell}"', rsrp * 10, 140)
        )

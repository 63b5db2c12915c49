"""Quectel BG95, EC200, EC800: the "QI" socket commands with payloads as they are, pushed or kept until they are read.

Sources: RT-Thread class/ec20 and class/ec200x, 78/esp-ml307 (EC801E), Quectel's note on BG95, zephyr issues 34273,
31316 and 38654. SEND OK means that the payload was taken. A kept socket notes "recv" once, and again only when all was
read. With "viewmode" 1 payloads follow their head on the same line, with "dataformat" 1 they are digits. Not confirmed
there and chosen by seed: spacing, the words of errors, whether digits on the line of their head are quoted.
"""

import asyncio
from collections.abc import Callable

from hardware.rig.modem.body import Body
from hardware.rig.modem.request import READ, SET, Refused, Request, command
from hardware.rig.modem.sockets import Address, ModemSocket
from hardware.rig.modem.standard import Standard

_PARAMETER, _NO_MEMORY, _ID_USED, _DNS_FAILED, _BUSY, _PDP_DOWN, _NOT_ALLOWED = 552, 553, 563, 565, 568, 570, 572
_OPEN_S = (0.1, 0.5)
_SENDEX_LIMIT = 512
_BUFFERED, _PUSHED = 0, 1


class QuectelQi(Standard):
    """Contexts 1 to 3 are taken for one; `keeps` of a socket is its access mode."""

    ccid_names = ("QCCID", "CCID", "ICCID")
    tells_card = True

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.last_error = 0
        self.hex_in = self.hex_out = False
        self.is_one_line = False

    def boot_lines(self) -> list[str]:
        """Readiness."""
        return ["RDY"] if self.body.model.name != "bg95" else ["RDY", "APP RDY"]

    def chatter(self) -> str:
        """Call and signal reports."""
        return self.body.random.choice(('+QIND: "csq",22,99', "+QUSIM: 1", "+QIND: SMS DONE", "+CREG: 1"))

    def busy(self) -> Refused:
        """568, operation busy."""
        return self._failed(_BUSY)

    def full(self) -> Refused:
        """The buffer is full: SEND FAIL, and it may be tried again."""
        self.last_error = _NO_MEMORY
        return Refused(_NO_MEMORY, "SEND FAIL")

    def no_data(self) -> Refused:
        """570, the data connection is down."""
        return self._failed(_PDP_DOWN)

    def started(self) -> None:
        """The card and the telephone side report themselves."""
        super().started()
        if self.body.sim.trouble() is None:
            self.console.urc("+CPIN: READY")

    def data_changed(self, is_up: bool) -> None:
        """+QIURC: "pdpdeact" when it was taken away."""
        if not is_up and self.network.is_on:
            self.console.urc(self.wording.line("QIURC", '"pdpdeact"', 1))

    def closed_by_network(self, socket: ModemSocket) -> None:
        """+QIURC: "closed"."""
        self.console.urc(self.wording.line("QIURC", '"closed"', socket.number))

    def arrived(self, socket: ModemSocket, data: bytes, sender: Address) -> None:
        """Push the datagram, or keep it and note that once."""
        if socket.pushes:
            head = self.wording.line("QIURC", '"recv"', socket.number, len(data), *self._peer(socket, sender))
            self._hand_over(head, data, self.console.urc)
            return
        if not socket.keep(data, sender):
            self.counters["overflowed"] += 1
        if not socket.is_noted:
            socket.is_noted = True
            self.console.urc(self.wording.line("QIURC", '"recv"', socket.number))

    def _peer(self, socket: ModemSocket, sender: Address) -> list[str]:
        return [f'"{sender[0]}"', str(sender[1])] if socket.remote is None else []

    def _hand_over(self, head: str, data: bytes, say: Callable[[str, bytes], None]) -> None:
        """Say a head and its payload, in the form that QICFG has set."""
        text = self.wording.hexadecimal(data)
        if self.is_one_line:
            shown = f'"{text}"' if self.wording.quotes_digits else text
            say(f"{head},{shown if self.hex_in else data.decode('latin-1')}", b"")
        else:
            say(head, text.encode() + b"\r\n" if self.hex_in else data)

    def _failed(self, code: int) -> Refused:
        self.last_error = code
        return Refused(code, "ERROR" if self.error_level == 0 or self.wording.short_errors else f"+CME ERROR: {code}")

    @command("QICSGP")
    async def access_point(self, request: Request) -> None:
        """AT+QICSGP=1,1,"apn","","",0."""
        if request.kind == SET and len(request.args) > 2:
            self.body.kept["apn"] = request.text(2)

    @command("QIACT")
    async def activation(self, request: Request) -> None:
        """AT+QIACT=1 takes its time; AT+QIACT? tells the address."""
        if request.kind == READ:
            if self.network.address:
                self.console.say(self.wording.line("QIACT", 1, 1, 1, f'"{self.network.address}"'))
            return
        if not self.network.address:
            await self.activate(self.apn)

    @command("QIDEACT")
    async def deactivation(self, _request: Request) -> None:
        """AT+QIDEACT=1."""
        for number in list(self.sockets):
            self.close_socket(number)
        self.network.deactivate(by_host=True)

    @command("QICFG", "QURCCFG", "QCFG", "QSCLK", "QIDNSCFG", "QINDCFG")
    async def configure(self, request: Request) -> None:
        """Settings; of them "dataformat",<send>,<receive> and "viewmode" are heard."""
        what = request.text(0).lower() if request.name == "QICFG" else ""
        if what == "dataformat":
            self.hex_out, self.hex_in = request.number(1, 0) == 1, request.number(2, 0) == 1
        elif what == "viewmode":
            self.is_one_line = request.number(1, 0) == 1

    @command("QIOPEN")
    async def open(self, request: Request) -> None:
        """AT+QIOPEN=1,<id>,"UDP","<host>",<port>,<local port>,<0 kept, 1 pushed>."""
        number, mode = request.number(1), request.number(6, _BUFFERED)
        service = request.text(2).upper()
        if service not in ("UDP", "UDP SERVICE") or number >= self.body.model.sockets or mode not in (0, 1):
            raise self._failed(_PARAMETER)
        if number in self.sockets:
            raise self._failed(_ID_USED)
        host = self.radio.resolve(request.text(3))
        remote = None if service == "UDP SERVICE" else (host or "", request.number(4))
        result = 0
        try:
            if host is None:
                result = _DNS_FAILED
            else:
                self.open_socket(number, remote, pushes=mode == _PUSHED, port=request.number(5, 0))
        except Refused:
            result = self.last_error or _NOT_ALLOWED
        if result:
            self.keep_failed(number)
        told = self.wording.line("QIOPEN", number, result)
        self.after(self.radio.draw(_OPEN_S), lambda: self.console.urc(told))

    @command("QISEND")
    async def send(self, request: Request) -> str | None:
        """AT+QISEND=<id>,<len>[,"<ip>",<port>]: a prompt, the payload, SEND OK or SEND FAIL."""
        opened = self._opened(request)
        size = request.number(1)
        if size == 0:
            self.console.say(self.wording.line("QISEND", opened.sent_bytes, opened.sent_bytes, 0))
            return None
        remote = self._remote(opened, request)
        self.may_send(size)
        data = await self.console.prompt(2 * size if self.hex_out else size)
        if self.hex_out:
            data = self._bytes(data.decode("latin-1"))
        return await self._finish(opened, data, remote)

    @command("QISENDEX")
    async def send_hex(self, request: Request) -> str | None:
        """AT+QISENDEX=<id>,"<hex>", at most 512 bytes."""
        opened = self._opened(request)
        remote = self._remote(opened, request)
        data = self._bytes(request.text(1))
        if len(data) > _SENDEX_LIMIT:
            raise self._failed(_PARAMETER)
        self.may_send(len(data))
        return await self._finish(opened, data, remote)

    @command("QIRD")
    async def read(self, request: Request) -> None:
        """AT+QIRD=<id>,<n>: one datagram, or as much of it as is asked for; +QIRD: 0 when nothing is left."""
        opened = self.sockets.get(request.number(0))
        if opened is None or opened.pushes:
            raise self._failed(_NOT_ALLOWED)
        wanted = request.number(1, 1500)
        if wanted == 0:
            waiting = sum(len(data) for data, _ in opened.inbox)
            values = (opened.read_bytes + waiting, opened.read_bytes, waiting)
            self.console.say(self.wording.line("QIRD", *values))
            return
        if not opened.inbox:
            opened.is_noted = False
            self.console.say(self.wording.line("QIRD", 0))
            return
        data, sender = opened.inbox.popleft()
        piece, rest = data[:wanted], data[wanted:]
        if rest:
            opened.inbox.appendleft((rest, sender))
        opened.read_bytes += len(piece)
        head = self.wording.line("QIRD", len(piece), *self._peer(opened, sender))
        self._hand_over(head, piece, self._say_with_bytes)

    def _say_with_bytes(self, text: str, data: bytes) -> None:
        self.console.say(text)
        if data:
            self.console.raw(data if self.hex_in else data + b"\r\n")

    @command("QICLOSE")
    async def close(self, request: Request) -> None:
        """AT+QICLOSE=<id>[,timeout]."""
        number = request.number(0)
        if number >= self.body.model.sockets:
            raise self._failed(_PARAMETER)
        await asyncio.sleep(self.radio.draw((0.05, 0.3)))
        self.close_socket(number)

    @command("QISTATE")
    async def states(self, request: Request) -> None:
        """AT+QISTATE?, AT+QISTATE=1,<id>."""
        for opened in self.sockets.values():
            if request.kind == SET and request.text(1) not in ("", str(opened.number)):
                continue
            host, port = opened.remote or ("127.0.0.1", 0)
            state = 4 if opened.is_closed else 2
            mode = _PUSHED if opened.pushes else _BUFFERED
            values = (opened.number, '"UDP"', f'"{host}"', port, opened.local_port, state, 1, 0, mode, '"uart1"')
            self.console.say(self.wording.line("QISTATE", *values))

    @command("QIGETERROR")
    async def why(self, _request: Request) -> None:
        """AT+QIGETERROR."""
        self.console.say(self.wording.line("QIGETERROR", self.last_error, "operation failed"))

    @command("QIDNSGIP")
    async def look_up(self, request: Request) -> None:
        """AT+QIDNSGIP=1,"<host>": OK, then the result and the address in +QIURC lines."""
        host = self.radio.resolve(request.text(1))

        def found() -> None:
            if host is None:
                self.console.urc(self.wording.line("QIURC", '"dnsgip"', _DNS_FAILED))
            else:
                self.console.urc(self.wording.line("QIURC", '"dnsgip"', 0, 1, 600))
                self.console.urc(self.wording.line("QIURC", '"dnsgip"', f'"{host}"'))

        self.after(self.radio.draw(self.radio.profile.activate_s), found)

    @command("QENG")
    async def cell(self, _request: Request) -> None:
        """AT+QENG="servingcell"."""
        network = self.network
        values = ('"servingcell"', '"NOCONN"', '"LTE"', '"FDD"', 460, "00", network.cell, 283, 1300, 3, 5, 5)
        quality = (network.tac, network.rsrp_dbm, -9, network.rsrp_dbm + 28, 14, 30)
        self.console.say(self.wording.line("QENG", *values, *quality))

    @command("QCSQ")
    async def quality(self, _request: Request) -> None:
        """AT+QCSQ: system, RSSI, RSRP, SINR, RSRQ."""
        rsrp = self.network.rsrp_dbm
        self.console.say(self.wording.line("QCSQ", '"LTE"', rsrp + 28, rsrp, 140, -9))

    @command("QLTS")
    async def network_time(self, _request: Request) -> None:
        """AT+QLTS=2: the network's time, in local time."""
        self.console.say(self.wording.line("QLTS", f'"{self.local_time():%Y/%m/%d,%H:%M:%S}+32,0"'))

    @command("QPOWD")
    async def off(self, _request: Request) -> str:
        """AT+QPOWD=1: OK, and POWERED DOWN a little later."""
        self.console.say("OK")
        await asyncio.sleep(0.5)
        self.console.urc("POWERED DOWN")
        self.body.power_off()
        return ""

    def _bytes(self, digits: str) -> bytes:
        try:
            return bytes.fromhex(digits)
        except ValueError:
            raise self._failed(_PARAMETER) from None

    def _opened(self, request: Request) -> ModemSocket:
        opened = self.sockets.get(request.number(0))
        if opened is None or opened.is_closed:
            raise self._failed(_NOT_ALLOWED)
        return opened

    def _remote(self, opened: ModemSocket, request: Request) -> Address:
        if opened.remote is not None:
            return opened.remote
        return self.resolve(request.text(2)), request.number(3)

    async def _finish(self, opened: ModemSocket, data: bytes, remote: Address) -> str:
        await asyncio.sleep(self.radio.draw((0.01, 0.05)))
        return "SEND OK" if await self.transmit(opened, data, remote) else "SEND FAIL"

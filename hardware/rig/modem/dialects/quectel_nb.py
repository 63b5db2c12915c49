"""Quectel BC26, BC66, BC660K: QIOPEN, QISEND and the push of +QIURC in the narrow-band form, payloads in digits.

Variants: BC26 asks for its payload with a prompt, BC66 takes it with QISENDEX, BC660K in the line of QISEND. BC66 puts
what comes on a line of its own until "viewmode" 1 is set. Sources: RT-Thread class/bc26, Zephyr vendor_standalone
quectel/bc66x, renode's QuectelModem and the log of a BC660K in renode issue 917. Not confirmed there and chosen by
seed: spacing, case of digits, whether the result of QIOPEN may overtake its OK.
"""

import asyncio

from hardware.rig.modem.body import Body
from hardware.rig.modem.request import READ, SET, Refused, Request, command
from hardware.rig.modem.sockets import Address, ModemSocket
from hardware.rig.modem.standard import Standard

_PARAMETER, _ID_USED, _BUSY, _DNS_FAILED, _PDP_DOWN, _NOT_ALLOWED, _NO_MEMORY = 552, 563, 568, 565, 570, 572, 553
_OPEN_S = (0.1, 0.6)
_SEND_S = (0.05, 0.2)
_SLEEP_AFTER_S = 10.0


class QuectelNb(Standard):
    """Deep sleep is allowed after a start until QSCLK=0 forbids it."""

    ccid_names = ("QCCID", "CCID")

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.variant = body.model.variant
        self.context = 0 if self.variant == "inline" else 1
        self.hex_out = self.hex_in = False
        self.is_one_line = self.variant != "sendex"
        self.shows_events = False
        self.release = 0
        self.last_error = 0
        self.sleep_after_s = _SLEEP_AFTER_S

    def boot_lines(self) -> list[str]:
        """The cause of the start and readiness."""
        return ["RDY"] if self.variant == "inline" else ["RDY", "+CFUN: 1"]

    def chatter(self) -> str:
        """Radio and network events."""
        return self.body.random.choice(("+CSCON: 1", '+QNBIOTEVENT: "EXIT PSM"', "+CEREG: 1"))

    def busy(self) -> Refused:
        """568, operation busy."""
        return self._failed(_BUSY)

    def full(self) -> Refused:
        """553, memory not enough."""
        return self._failed(_NO_MEMORY)

    def no_data(self) -> Refused:
        """570, the data connection is down."""
        return self._failed(_PDP_DOWN)

    def data_changed(self, is_up: bool) -> None:
        """Tell the address, or close the sockets."""
        if is_up:
            self.console.urc(self.wording.line("IP", self.network.address))
        else:
            for opened in self.sockets.values():
                self.closed_by_network(opened)

    def closed_by_network(self, socket: ModemSocket) -> None:
        """+QIURC: "closed"."""
        self.console.urc(self.wording.line("QIURC", '"closed"', socket.number))

    def arrived(self, socket: ModemSocket, data: bytes, _sender: Address) -> None:
        """+QIURC: "recv" with the payload."""
        text = self.wording.hexadecimal(data) if self.hex_in else data.decode("latin-1")
        head = self.wording.line("QIURC", '"recv"', socket.number, len(data))
        if self.is_one_line:
            self.console.urc(f'{head},"{text}"')
        else:
            self.console.urc(head, text.encode("latin-1") + b"\r\n")

    def falls_asleep(self) -> None:
        """Tell it where that is asked for."""
        if self.shows_events:
            self.console.urc(self.wording.line("QNBIOTEVENT", '"ENTER DEEPSLEEP"'))

    def wakes_up(self) -> None:
        """Tell it where that is asked for."""
        if self.shows_events:
            self.console.urc(self.wording.line("QNBIOTEVENT", '"EXIT DEEPSLEEP"'))

    def _failed(self, code: int) -> Refused:
        self.last_error = code
        return Refused(code, f"+CME ERROR: {code}" if self.error_level else "ERROR")

    @command("QSCLK")
    async def sleep(self, request: Request) -> None:
        """AT+QSCLK=0 forbids deep sleep."""
        if request.kind == SET:
            self.sleep_after_s = None if request.number(0) == 0 else _SLEEP_AFTER_S

    @command("QNBIOTEVENT")
    async def events(self, request: Request) -> None:
        """AT+QNBIOTEVENT=1,1."""
        self.shows_events = request.number(0) == 1

    @command("QNBIOTRAI")
    async def release_assistance(self, request: Request) -> None:
        """AT+QNBIOTRAI=0..2 for the datagrams that follow; not on BC660K."""
        if self.variant == "inline":
            raise Refused(4)
        if request.kind == SET:
            self.release = request.number(0)
        else:
            self.console.say(self.wording.line("QNBIOTRAI", self.release))

    @command("QCFG", "QIDNSCFG", "QLEDMODE", "QRELLOCK")
    async def configure(self, _request: Request) -> None:
        """Settings that change nothing here."""

    @command("QICFG")
    async def socket_form(self, request: Request) -> None:
        """AT+QICFG="dataformat",<send>,<receive>: 1 is hexadecimal; "viewmode" 1: payloads beside their head."""
        what = request.text(0).lower()
        if what == "dataformat":
            self.hex_out, self.hex_in = request.number(1, 0) == 1, request.number(2, 0) == 1
        elif what == "viewmode":
            self.is_one_line = request.number(1, 0) == 1

    @command("QIOPEN")
    async def open(self, request: Request) -> str | None:
        """AT+QIOPEN=<ctx>,<id>,"UDP","<ip>",<port>,0,1; the result comes after the OK, or with it."""
        if request.kind == READ:
            return None
        number = request.number(1)
        if request.number(0) != self.context or request.text(2).upper() != "UDP" or number >= self.body.model.sockets:
            raise self._failed(_PARAMETER)
        if number in self.sockets:
            raise self._failed(_ID_USED)
        host = self.radio.resolve(request.text(3))
        remote = (host or "", request.number(4))
        result = 0
        if host is None:
            result = _DNS_FAILED
        else:
            try:
                self.open_socket(number, remote)
            except Refused:
                # The line is right, so that it gets its OK; what fails is told in the result.
                result = self.last_error or _NOT_ALLOWED
        if result:
            self.keep_failed(number)
        wait_s = self.radio.draw(_OPEN_S)
        told = self.wording.line("QIOPEN", number, result)
        if self.wording.result_before_ok and self.body.random.random() < 0.3:
            await asyncio.sleep(wait_s)
            self.console.say(told)
            return None
        self.after(wait_s, lambda: self.console.urc(told))
        return None

    @command("QISEND")
    async def send(self, request: Request) -> str:
        """BC26: the payload follows a prompt. BC660K: AT+QISEND=<id>,<len>,<HEX>[,<rai>]."""
        if self.variant == "sendex" and len(request.args) > 2:
            raise self._failed(_PARAMETER)
        opened = self._opened(request)
        size = request.number(1)
        if size == 0:
            self.console.say(self.wording.line("QISEND", opened.sent_bytes, opened.sent_bytes, 0))
            return "OK"
        self._may_send(size)
        if self.variant != "inline" or len(request.args) == 2:
            raw = await self.console.prompt(2 * size if self.hex_out else size)
            text, release = raw.decode("latin-1"), self.release
            data = self._payload(text, size) if self.hex_out else raw
        else:
            data, release = self._payload(request.text(2), size), request.number(3, 0)
        return await self._finish(opened, data, release)

    @command("QISENDEX")
    async def send_hex(self, request: Request) -> str:
        """AT+QISENDEX=<id>,<len>,<HEX>."""
        if self.variant == "inline":
            raise Refused(4)
        opened = self._opened(request)
        size = request.number(1)
        self._may_send(size)
        return await self._finish(opened, self._payload(request.text(2), size), self.release)

    @command("QICLOSE")
    async def close(self, request: Request) -> str:
        """AT+QICLOSE=<id>: OK, and CLOSE OK."""
        self.close_socket(request.number(0))
        self.console.say("OK")
        return "CLOSE OK"

    @command("QISTATE")
    async def states(self, _request: Request) -> None:
        """AT+QISTATE?."""
        for opened in self.sockets.values():
            host, port = opened.remote or ("", 0)
            state = 4 if opened.is_closed else 2
            self.console.say(self.wording.line("QISTATE", opened.number, '"UDP"', f'"{host}"', port, 0, state, 1, 0))

    @command("QIGETERROR")
    async def why(self, _request: Request) -> None:
        """AT+QIGETERROR."""
        self.console.say(self.wording.line("QIGETERROR", self.last_error))

    @command("QIDNSGIP")
    async def look_up(self, request: Request) -> None:
        """AT+QIDNSGIP=<ctx>,"<host>": OK, and the address as a line of its own."""
        host = self.radio.resolve(request.text(1))

        def found() -> None:
            if host is None:
                self.console.urc(self.wording.line("QIDNSGIP", _DNS_FAILED))
                return
            if self.wording.result_before_ok:
                self.console.urc(self.wording.line("QIDNSGIP", 0, 1, 600))
            self.console.urc(self.wording.line("QIDNSGIP", host if self.variant == "prompt" else f'"{host}"'))

        self.after(self.radio.draw(self.radio.profile.activate_s), found)

    @command("QENG")
    async def cell(self, _request: Request) -> None:
        """AT+QENG=0: the serving cell; ..., RSRP, RSRQ, RSSI, SNR, ..., coverage level."""
        rsrp = self.network.rsrp_dbm
        level = 0 if rsrp > -110 else 1
        signal = (rsrp, -9, rsrp + 6, 12)
        values = (0, 3736, 12, 284, f'"{self.network.cell}"', *signal, 8, f'"{self.network.tac}"', level, 14, 2)
        self.console.say(self.wording.line("QENG", *values))

    @command("QRST")
    async def reset(self, _request: Request) -> str:
        """AT+QRST=1."""
        self.console.say("OK")
        self.body.restart("command")
        return ""

    @command("QPOWD")
    async def off(self, _request: Request) -> str:
        """AT+QPOWD=0."""
        self.console.say("OK")
        self.body.power_off()
        return ""

    def _opened(self, request: Request) -> ModemSocket:
        opened = self.socket(request.number(0))
        if opened is None or opened.is_closed:
            raise self._failed(_NOT_ALLOWED)
        return opened

    def _may_send(self, size: int) -> None:
        if size > self.body.model.payload_limit or (self.hex_out and size > 512):
            raise self._failed(_PARAMETER)
        self.may_send(size)

    def _payload(self, text: str, size: int) -> bytes:
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise self._failed(_PARAMETER) from None
        if len(data) != size:
            raise self._failed(_PARAMETER)
        return data

    async def _finish(self, opened: ModemSocket, data: bytes, release: int) -> str:
        assert opened.remote is not None
        self.console.say("OK")
        await asyncio.sleep(self.radio.draw(_SEND_S))
        # RAI 1: nothing follows; 2: one answer follows.
        return "SEND OK" if await self.transmit(opened, data, opened.remote, release) else "SEND FAIL"

"""Quectel's NB-IoT modules on MediaTek and Qualcomm/Eigencomm chips: BC26, BC66, BC660K.

Configure: `modem = "bc660k"`, `bc26` or `bc66`. Where it hurts: in deep sleep they hear neither commands nor payloads
and say nothing about it, so sleep is off unless the pole asks for PSM; SEND OK names no socket; and the three differ in
how data is given (`quirks.send`) and in the number of their context.
"""

import re
from typing import ClassVar

from gateway_agent.modem.answer import OK
from gateway_agent.modem.dialects.common_commands import BEGIN_S, CommonCommands, hex_data
from gateway_agent.modem.errors import RefusedError
from gateway_agent.modem.events import Damaged, DataDown, Event, Received, SocketClosed
from gateway_agent.modem.stream import Line
from gateway_agent.modem.tgpp import Signal

_SENT = re.compile("SEND OK")
_NOT_SENT = re.compile("SEND FAIL")
_CLOSED = re.compile("CLOSE OK")
_RECV = re.compile(r'\+QIURC: ?"recv",(\d+),(\d+)(?:,"[\d.]+",\d+)?,"?([0-9A-Fa-f]+)"?')
_DATA = re.compile(r'\+QIURC: ?"recv"')
_GONE = re.compile(r'\+QIURC: ?"closed",(\d+).*')
_DOWN = re.compile(r'\+QIURC: ?"pdpdeact".*')
_ONE_ANSWER, _NO_ANSWER = 2, 1  # rai of QISEND and QNBIOTRAI


class QuectelNb(CommonCommands):
    """See the module."""

    boots: ClassVar[str] = r"\**(RDY|APP RDY|F1: .*)|\+QRST.*|\+POWERED? .*"
    urcs: ClassVar[tuple[str, ...]] = ("+QIURC:", "+QNBIOTEVENT:", "+CEREG:", "+IP:", "+QIOPEN:", "+CFUN:", "+CPIN:")
    iccid_command: ClassVar[str] = "AT+QCCID"
    reset_command: ClassVar[str] = "AT+QRST=1"

    def event_of(self, line: Line) -> Event | None:
        """See Dialect."""
        text = line.text
        if (found := _RECV.fullmatch(text)) is not None:
            data = hex_data(text, found[3], int(found[2]))
            return Received(int(found[1]), data) if isinstance(data, bytes) else data
        if _DATA.match(text):
            return Damaged(text)
        if (found := _GONE.fullmatch(text)) is not None:
            return SocketClosed(int(found[1]), "closed by the network")
        if _DOWN.fullmatch(text):
            return DataDown("the network has taken the data connection down")
        return super().event_of(line)

    async def prepare(self) -> None:
        """See Dialect."""
        await super().prepare()
        await self.ask(f"AT+QSCLK={int(self.settings.psm_s is not None)}")
        await self.try_out("AT+QNBIOTEVENT=1,1")
        await self.ask('AT+QICFG="dataformat",1,1')
        if self.data.quirks.send == "hex":
            await self.try_out('AT+QICFG="viewmode",1')

    async def set_apn(self) -> None:
        """The default context, which takes effect when the radio is switched on; never while it is on."""
        await self.radio(False)
        await self.try_out(f'AT+QCGDEFCONT="IP","{self.settings.apn}"')

    async def data_up(self) -> str:
        """See Dialect: the context comes with the registration."""
        return await self.attached_address()

    async def data_down(self) -> None:
        """See Dialect."""
        await self.try_out("AT+CGATT=0", timeout_s=self.data.times.data_s)

    async def open(self, socket: int, host: str, port: int) -> int:
        """See Dialect."""
        opened = re.compile(rf"\+QIOPEN: ?{socket},(?P<code>0)")
        failed = re.compile(rf"\+QIOPEN: ?{socket},(?P<code>-?\d+)")
        await self.close(socket)
        await self.at.ask(
            f'AT+QIOPEN={self.data.quirks.context},{socket},"UDP","{host}",{port},0,1',
            needs=(OK, opened),
            fails=failed,
            timeout_s=self.data.times.open_s,
            begin_s=BEGIN_S,
        )
        return socket

    async def send(self, socket: int, data: bytes, host: str, port: int, *, answer_expected: bool) -> None:
        """See Dialect."""
        gone = re.compile(rf'\+QIURC: ?"closed",{socket}.*')
        assistance = _ONE_ANSWER if answer_expected else _NO_ANSWER
        digits = data.hex().upper()
        prompted: bytes | None = None
        if self.data.quirks.send == "hex-rai":
            command = f"AT+QISEND={socket},{len(data)},{digits},{assistance}"
        else:
            if self.data.socket.release_assistance:
                await self.try_out(f"AT+QNBIOTRAI={assistance}")
            if self.data.quirks.send == "hex":
                command = f"AT+QISENDEX={socket},{len(data)},{digits}"
            else:
                command, prompted = f"AT+QISEND={socket},{len(data)}", digits.encode()
        await self.at.ask(
            command, needs=(OK, _SENT), fails=_NOT_SENT, aborts=gone, data=prompted, timeout_s=self.data.times.send_s
        )

    async def close(self, socket: int) -> None:
        """See Dialect."""
        try:
            await self.at.ask(f"AT+QICLOSE={socket}", needs=(OK, _CLOSED), timeout_s=self.data.times.close_s)
        except RefusedError:
            return  # it was not open

    async def signal(self) -> Signal:
        """See Dialect; from QENG where it is told."""
        common = await super().signal()
        if common.rssi_dbm is None and common.rsrp_dbm is None:
            return common  # QENG would go on telling the last cell
        reply = await self.try_out("AT+QENG=0", "+QENG:")
        return common if reply is None else _with_cell(common, reply.text)


def _with_cell(common: Signal, text: str) -> Signal:
    """What `+QENG: 0,<earfcn>,<offset>,<pci>,"<cell>",<rsrp>,<rsrq>,<rssi>,<snr>,<band>,"<tac>",<ecl>,...` adds."""
    fields = [field.strip(' "') for field in text.partition(":")[2].split(",")]
    numbers = [int(field) if re.fullmatch(r"-?\d+", field) else None for field in fields]
    if len(numbers) < 12 or numbers[5] is None or not -160 <= numbers[5] <= -30:
        return common
    return Signal(common.rssi_dbm or numbers[7], numbers[5], numbers[6], numbers[8], numbers[11])

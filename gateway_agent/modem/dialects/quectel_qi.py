"""Quectel's LTE modules with the commands of the "TCP/IP" note: BG95, EC200, EC800 and their kin.

Configure: `modem = "ec800"`, `ec200` or `bg95`. Where it hurts: SEND OK means that it is in the modem's buffer; while
data waits in the modem it is announced once only, so it is read until nothing is left; `viewmode` moves the line end
before the data, so it is always set.
"""

import re
from typing import ClassVar

from gateway_agent.modem.answer import OK
from gateway_agent.modem.dialects.common_commands import BEGIN_S, CommonCommands
from gateway_agent.modem.errors import RefusedError
from gateway_agent.modem.events import DataDown, Event, Received, SocketClosed, Waiting
from gateway_agent.modem.stream import Line

_SENT = re.compile("SEND OK")
_NOT_SENT = re.compile("SEND FAIL")
_WAITS = re.compile(r'\+QIURC: ?"recv",(\d+)')
_PUSHED = re.compile(r'\+QIURC: ?"recv",(?P<socket>\d+),(?P<length>\d+)(?:,"[^"]*",\d+)?')
_READ = re.compile(r'\+QIRD: ?(?P<length>\d+)(?:,"[^"]*",\d+)?')
_DATA = re.compile(r'\+QIURC: ?"recv"|\+QIRD:')
_GONE = re.compile(r'\+QIURC: ?"closed",(\d+).*')
_DOWN = re.compile(r'\+QIURC: ?"pdpdeact".*')
_READ_BYTES = 1500
_READS = 64
_DNS_S = 60.0
_DNS = re.compile(r'\+QIURC: ?"dnsgip","(?P<address>\d+\.\d+\.\d+\.\d+)"')
_NO_DNS = re.compile(r'\+QIURC: ?"dnsgip",(?P<code>[1-9]\d{2})')


class QuectelQi(CommonCommands):
    """See the module."""

    takes = frozenset({"user", "password"})
    boots: ClassVar[str] = r"RDY|APP RDY|POWERED DOWN|NORMAL POWER DOWN"
    urcs: ClassVar[tuple[str, ...]] = ("+QIURC:", "+CEREG:", "+QIOPEN:", "+CFUN:", "+CPIN:", "+QIND:")
    raw_headers: ClassVar[tuple[str, ...]] = (_PUSHED.pattern, _READ.pattern)
    iccid_command: ClassVar[str] = "AT+QCCID"

    def event_of(self, line: Line) -> Event | None:
        """See Dialect."""
        text = line.text
        if (found := _PUSHED.fullmatch(text)) is not None and line.payload is not None:
            return Received(int(found["socket"]), line.payload)
        if (found := _WAITS.fullmatch(text)) is not None:
            return Waiting(int(found[1]))
        if _DATA.match(text):
            return Waiting(None)
        if (found := _GONE.fullmatch(text)) is not None:
            return SocketClosed(int(found[1]), "closed by the network")
        if _DOWN.fullmatch(text):
            return DataDown("the network has taken the data connection down")
        return super().event_of(line)

    async def prepare(self) -> None:
        """See Dialect."""
        await super().prepare()
        await self.try_out('AT+QURCCFG="urcport","uart1"')
        for setting in ('"close/mode",1', '"viewmode",0', '"dataformat",0,0'):
            await self.try_out(f"AT+QICFG={setting}")
        may_sleep = self.settings.psm_s is not None
        await self.try_out(f"AT+QSCLK={int(may_sleep)}")

    async def set_apn(self) -> None:
        """The access point of the context of the sockets, and of the attach."""
        await super().set_apn()
        login = f'"{self.settings.user}","{self.settings.password}",{int(bool(self.settings.user))}'
        command = f'AT+QICSGP={self.data.quirks.context},1,"{self.settings.apn}",{login}'
        await self.ask(command, secret=True)

    async def data_up(self) -> str:
        """See Dialect."""
        context = self.data.quirks.context
        up = await self.data_address()
        if up is None:
            try:
                await self.ask(f"AT+QIACT={context}", timeout_s=self.data.times.data_s)
            except RefusedError:
                # What is half up refuses to come up; the next try finds it down.
                await self.data_down()
                raise
            up = await self.data_address()
        return up or ""

    async def data_address(self) -> str | None:
        """See Dialect."""
        reply = await self.ask("AT+QIACT?", "+QIACT:")
        for line in reply.lines:
            found = re.fullmatch(r'\+QIACT: ?(\d+),1,\d+(?:,"([^"]*)")?.*', line.text)
            if found is not None and int(found[1]) == self.data.quirks.context:
                return found[2] or ""
        return None

    async def data_down(self) -> None:
        """See Dialect."""
        await self.try_out(f"AT+QIDEACT={self.data.quirks.context}", timeout_s=40.0)

    async def open(self, socket: int, host: str, port: int) -> int:
        """See Dialect."""
        push = int(self.data.socket.receives == "push")
        await self.close(socket)
        await self.at.ask(
            f'AT+QIOPEN={self.data.quirks.context},{socket},"UDP","{host}",{port},0,{push}',
            needs=(OK, re.compile(rf"\+QIOPEN: ?{socket},(?P<code>0)")),
            fails=re.compile(rf"\+QIOPEN: ?{socket},(?P<code>-?\d+)"),
            timeout_s=self.data.times.open_s,
            begin_s=BEGIN_S,
        )
        return socket

    async def send(self, socket: int, data: bytes, host: str, port: int, *, answer_expected: bool) -> None:
        """See Dialect."""
        await self.at.ask(
            f"AT+QISEND={socket},{len(data)}",
            needs=(_SENT,),
            fails=_NOT_SENT,
            aborts=re.compile(rf'\+QIURC: ?"(closed",{socket}|pdpdeact").*'),
            data=data,
            timeout_s=self.data.times.send_s,
        )

    async def receive(self, socket: int) -> list[bytes]:
        """See Dialect."""
        read: list[bytes] = []
        for _ in range(_READS):
            reply = await self.ask(f"AT+QIRD={socket},{_READ_BYTES}", "+QIRD:", must=True, timeout_s=5.0)
            payload = reply.lines[0].payload
            if payload is None:
                break
            read.append(payload)
        return read

    async def close(self, socket: int) -> None:
        """See Dialect."""
        await self.try_out(f"AT+QICLOSE={socket}", timeout_s=self.data.times.close_s)

    async def resolve(self, host: str) -> str:
        """See Dialect."""
        command = f'AT+QIDNSGIP={self.data.quirks.context},"{host}"'
        reply = await self.at.ask(command, needs=(OK, _DNS), fails=_NO_DNS, timeout_s=_DNS_S)
        found = reply.found[1]
        return "" if found is None else found["address"]

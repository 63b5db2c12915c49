"""China Mobile's ML307A and ML307R.

Configure: `modem = "ml307"`. Where it hurts: the coding of data is a setting of each socket ("encoding"), made before
it is opened; data is sent raw and received as hexadecimal text.
"""

import re
from typing import ClassVar

from gateway_agent.modem.answer import OK
from gateway_agent.modem.dialects.common_commands import BEGIN_S, CommonCommands, hex_data
from gateway_agent.modem.events import Damaged, DataDown, Event, Received, SocketClosed
from gateway_agent.modem.stream import Line

_RECV = re.compile(r'\+MIPURC: ?"rudp",(\d+)(?:,"[^"]*",\d+)?,(\d+),"?([0-9A-Fa-f]+)"?')
_DATA = re.compile(r'\+MIPURC: ?"rudp"')
_GONE = re.compile(r'\+MIPURC: ?"disconn",(\d+)(?:,(\d+))?.*')
_CALL = re.compile(r'\+MIPCALL: ?(\d+),(\d)(?:,"?([^",]*)"?)?.*')


class Ml307(CommonCommands):
    """See the module."""

    boots: ClassVar[str] = r"\+MATREADY.*"
    urcs: ClassVar[tuple[str, ...]] = ("+MIPURC:", "+MATREADY", "+CEREG:", "+MIPOPEN:", "+MIPCALL:", "+MIPCLOSE:")
    reset_command: ClassVar[str] = "AT+MREBOOT=0"

    def event_of(self, line: Line) -> Event | None:
        """See Dialect."""
        text = line.text
        if (found := _RECV.fullmatch(text)) is not None:
            data = hex_data(text, found[3], int(found[2]))
            return Received(int(found[1]), data) if isinstance(data, bytes) else data
        if _DATA.match(text):
            return Damaged(text)
        if (found := _GONE.fullmatch(text)) is not None:
            return SocketClosed(int(found[1]), f"disconnected, cause {found[2] or 'not told'}")
        if (found := _CALL.fullmatch(text)) is not None and found[2] == "0":
            return DataDown("the network has taken the data connection down")
        return super().event_of(line)

    async def prepare(self) -> None:
        """See Dialect."""
        await super().prepare()
        if self.settings.psm_s is None:
            await self.try_out('AT+MLPMCFG="sleepmode",0,0')
        else:
            await self.try_out('AT+MLPMCFG="delaysleep",10')
            await self.try_out('AT+MLPMCFG="sleepmode",2,0')

    async def data_up(self) -> str:
        """See Dialect."""
        up = await self.data_address()
        if up is None:
            await self.ask(f"AT+MIPCALL=1,{self.data.quirks.context}", timeout_s=self.data.times.data_s)
            up = await self.data_address()
        return up or ""

    async def data_address(self) -> str | None:
        """See Dialect."""
        reply = await self.ask("AT+MIPCALL?", "+MIPCALL:")
        for line in reply.lines:
            found = _CALL.fullmatch(line.text)
            if found is not None and found[2] == "1" and int(found[1]) == self.data.quirks.context:
                return found[3] or ""
        return None

    async def data_down(self) -> None:
        """See Dialect."""
        await self.try_out(f"AT+MIPCALL=0,{self.data.quirks.context}", timeout_s=40.0)

    async def open(self, socket: int, host: str, port: int) -> int:
        """See Dialect."""
        await self.close(socket)
        await self.try_out(f'AT+MIPCFG="encoding",{socket},0,1')
        await self.try_out(f'AT+MIPCFG="ssl",{socket},0,0')
        await self.at.ask(
            f'AT+MIPOPEN={socket},"UDP","{host}",{port},,0',
            needs=(OK, re.compile(rf"\+MIPOPEN: ?{socket},(?P<code>0)")),
            fails=re.compile(rf"\+MIPOPEN: ?{socket},(?P<code>-?\d+)"),
            timeout_s=self.data.times.open_s,
            begin_s=BEGIN_S,
        )
        return socket

    async def send(self, socket: int, data: bytes, host: str, port: int, *, answer_expected: bool) -> None:
        """See Dialect."""
        await self.at.ask(
            f"AT+MIPSEND={socket},{len(data)}",
            needs=(OK, re.compile(rf"\+MIPSEND: ?{socket},{len(data)}")),
            aborts=re.compile(rf'\+MIPURC: ?"disconn",{socket}.*'),
            data=data,
            timeout_s=self.data.times.send_s,
        )

    async def close(self, socket: int) -> None:
        """See Dialect."""
        await self.try_out(f"AT+MIPCLOSE={socket}", timeout_s=self.data.times.close_s)

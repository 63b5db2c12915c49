"""AirM2M's Air780E and Air720 with the commands of the SIM800.

Configure: `modem = "air780"`. Where it hurts: the address is answered without an OK; the connection can only be built
from its beginning (CIPSHUT), so whatever is wrong with it begins there again; the first characters of a received
datagram's line get lost now and then.
"""

import re
from typing import ClassVar

from gateway_agent.modem.answer import OK
from gateway_agent.modem.dialects.common_commands import BEGIN_S, CommonCommands
from gateway_agent.modem.errors import RefusedError
from gateway_agent.modem.events import Damaged, DataDown, Event, Received, SocketClosed
from gateway_agent.modem.stream import Line

_PUSHED = re.compile(r"\+?R?ECEIVE,(?P<socket>\d+),(?P<length>\d+):")
_GONE = re.compile(r"(\d+), ?CLOSED")
_DOWN = re.compile(r"\+PDP:? ?DEACT")
_SHUT = re.compile("SHUT OK")
_ADDRESS = re.compile(r"(\d+\.\d+\.\d+\.\d+)")
_DNS_S = 60.0
_DNS = re.compile(r'\+CDNSGIP: ?1,"[^"]*","(?P<address>\d+\.\d+\.\d+\.\d+)".*')
_NO_DNS = re.compile(r"\+CDNSGIP: ?0,(?P<code>\d+)")


class Sim800(CommonCommands):
    """See the module."""

    takes = frozenset({"user", "password"})
    boots: ClassVar[str] = r"RDY|\^?boot.*|\+MODEM: ?STARTUP|AT Ready"
    urcs: ClassVar[tuple[str, ...]] = ("+RECEIVE,", "+PDP", "+CEREG:", "+CGEV:", "+NITZ:", "+E_UTRAN")
    raw_headers: ClassVar[tuple[str, ...]] = (_PUSHED.pattern,)

    def event_of(self, line: Line) -> Event | None:
        """See Dialect."""
        text = line.text
        if (found := _PUSHED.fullmatch(text)) is not None:
            return Damaged(text) if line.payload is None else Received(int(found["socket"]), line.payload)
        if (found := _GONE.fullmatch(text)) is not None:
            return SocketClosed(int(found[1]), "closed by the network")
        if _DOWN.fullmatch(text):
            return DataDown("the network has taken the data connection down")
        return super().event_of(line)

    async def data_up(self) -> str:
        """See Dialect: from the beginning, each time."""
        await self.data_down()
        await self.ask("AT+CIPMUX=1")
        await self.ask("AT+CIPQSEND=1")
        login = f'"{self.settings.user}","{self.settings.password}"'
        await self.ask(f'AT+CSTT="{self.settings.apn}",{login}', secret=True)
        await self.ask("AT+CIICR", timeout_s=self.data.times.data_s)
        up = await self.data_address()
        return up or ""

    async def data_address(self) -> str | None:
        """See Dialect."""
        try:
            reply = await self.at.ask("AT+CIFSR", needs=(_ADDRESS,))
        except RefusedError:
            return None
        found = reply.found[0]
        return None if found is None else found[1]

    async def data_down(self) -> None:
        """See Dialect."""
        await self.at.ask("AT+CIPSHUT", needs=(_SHUT,), timeout_s=self.data.times.data_s)

    async def open(self, socket: int, host: str, port: int) -> int:
        """See Dialect."""
        await self.close(socket)
        await self.at.ask(
            f'AT+CIPSTART={socket},"UDP","{host}",{port}',
            needs=(OK, re.compile(rf"{socket}, ?(ALREADY CONNECT|CONNECT OK)")),
            fails=re.compile(rf"{socket}, ?CONNECT FAIL|STATE: .*"),
            timeout_s=self.data.times.open_s,
            begin_s=BEGIN_S,
        )
        return socket

    async def send(self, socket: int, data: bytes, host: str, port: int, *, answer_expected: bool) -> None:
        """See Dialect."""
        await self.at.ask(
            f"AT+CIPSEND={socket},{len(data)}",
            needs=(re.compile(rf"DATA ACCEPT: ?{socket},{len(data)}|{socket}, ?SEND OK"),),
            fails=re.compile(rf"{socket}, ?SEND FAIL"),
            aborts=re.compile(rf"{socket}, ?CLOSED|" + _DOWN.pattern),
            data=data,
            timeout_s=self.data.times.send_s,
        )

    async def close(self, socket: int) -> None:
        """See Dialect."""
        try:
            await self.at.ask(
                f"AT+CIPCLOSE={socket}",
                needs=(re.compile(rf"{socket}, ?CLOSE OK|OK"),),
                timeout_s=self.data.times.close_s,
            )
        except RefusedError:
            return  # it was not open

    async def resolve(self, host: str) -> str:
        """See Dialect."""
        reply = await self.at.ask(f'AT+CDNSGIP="{host}"', needs=(OK, _DNS), fails=_NO_DNS, timeout_s=_DNS_S)
        found = reply.found[1]
        return "" if found is None else found["address"]

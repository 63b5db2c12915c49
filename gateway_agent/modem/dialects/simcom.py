"""SIMCom's LTE modules: SIM7600, A7670, A7672.

Configure: `modem = "a7670"` or `sim7600`. Where it hurts: a UDP socket is opened with a local port alone and the peer
is named with each datagram; an open network is reported as an error; what is pushed names its sender, not its socket;
and what is fetched from the module's buffer (`receives = "buffered"`) may have lost its datagrams' bounds.
"""

import re
from typing import ClassVar

from gateway_agent.modem.answer import OK
from gateway_agent.modem.at import AtEngine
from gateway_agent.modem.dialect import LinkSettings, ModemData
from gateway_agent.modem.dialects.common_commands import BEGIN_S, CommonCommands
from gateway_agent.modem.errors import RefusedError
from gateway_agent.modem.events import Damaged, DataDown, Event, Received, SocketClosed, Waiting
from gateway_agent.modem.stream import Line

_PUSHED = re.compile(r"\+IPD(?P<length>\d+)")
_FROM = re.compile(r"RECV FROM: ?([^:]+):(\d+)")
_WAITS = re.compile(r"\+CIPRXGET: ?1,(\d+)")
_READ = re.compile(r"\+CIPRXGET: ?2,(?P<socket>\d+),(?P<length>\d+)(?:,(?P<rest>\d+))?")
_GONE = re.compile(r"\+IPCLOSE: ?(\d+)(?:,(\d+))?.*")
_DOWN = re.compile(r"\+CIPEVENT: ?NETWORK CLOSED.*")
_OPENED = re.compile(r"\+NETOPEN: ?(?P<code>0)|\+IP ERROR: ?Network is already opened")
_NOT_OPENED = re.compile(r"\+NETOPEN: ?(?P<code>[1-9]\d*)|\+IP ERROR: .*")
_CLOSED = re.compile(r"\+NETCLOSE: ?\d+")
_FIRST_LOCAL_PORT = 40100
_LOCAL_PORTS = 20000
_READ_BYTES = 1500
_READS = 64
_DNS_S = 60.0
_DNS = re.compile(r'\+CDNSGIP: ?1,"[^"]*","(?P<address>\d+\.\d+\.\d+\.\d+)".*')
_NO_DNS = re.compile(r"\+CDNSGIP: ?0,(?P<code>\d+)")


class Simcom(CommonCommands):
    """See the module."""

    boots: ClassVar[str] = r"RDY|\*ATREADY: 1|START"
    urcs: ClassVar[tuple[str, ...]] = (
        "+IPD", "+CIPRXGET: 1,", "+IPCLOSE:", "+CIPEVENT:", "RECV FROM:", "+CEREG:", "+NETOPEN:", "+CIPOPEN:"
    )  # fmt: skip
    raw_headers: ClassVar[tuple[str, ...]] = (_PUSHED.pattern, _READ.pattern)
    reset_command: ClassVar[str] = "AT+CRESET"

    def __init__(self, at: AtEngine, data: ModemData, settings: LinkSettings) -> None:
        super().__init__(at, data, settings)
        self._opened = 0
        self._peers: dict[int, tuple[str, int]] = {}
        self._sender: tuple[str, int] | None = None

    def event_of(self, line: Line) -> Event | None:
        """See Dialect."""
        text = line.text
        if (found := _FROM.fullmatch(text)) is not None:
            self._sender = found[1], int(found[2])
            return None
        if _PUSHED.fullmatch(text) is not None:
            sender, self._sender = self._sender, None
            socket = self._socket_of(sender)
            return Damaged(text) if line.payload is None or socket is None else Received(socket, line.payload)
        if (found := _WAITS.fullmatch(text)) is not None:
            return Waiting(int(found[1]))
        if (found := _GONE.fullmatch(text)) is not None:
            self._peers.pop(int(found[1]), None)
            return SocketClosed(int(found[1]), f"closed, reason {found[2] or 'not told'}")
        if _DOWN.fullmatch(text):
            return DataDown("the network has taken the data connection down")
        return super().event_of(line)

    def _socket_of(self, sender: tuple[str, int] | None) -> int | None:
        """The socket to which a sender belongs; the newest where none was told."""
        matching = [socket for socket, peer in self._peers.items() if sender in (None, peer)]
        return matching[-1] if matching else None

    async def prepare(self) -> None:
        """See Dialect."""
        await super().prepare()
        self._peers.clear()
        fetched = int(self.data.socket.receives == "buffered")
        for command in (
            "AT+CIPMODE=0",
            "AT+CIPSENDMODE=0",
            "AT+CIPCCFG=10,0,0,0,1,0,75000",
            "AT+CIPSRIP=1",
            f"AT+CIPRXGET={fetched}",
        ):
            await self.try_out(command)

    async def data_up(self) -> str:
        """See Dialect."""
        if await self.data_address() is None:
            await self.at.ask("AT+NETOPEN", needs=(_OPENED,), fails=_NOT_OPENED, timeout_s=self.data.times.data_s)
        return await self.address() or ""

    async def data_address(self) -> str | None:
        """See Dialect."""
        reply = await self.ask("AT+NETOPEN?", "+NETOPEN:")
        is_open = any(re.match(r"\+NETOPEN: ?1", line.text) for line in reply.lines)
        return (await self.address() or "") if is_open else None

    async def data_down(self) -> None:
        """See Dialect."""
        self._peers.clear()
        try:
            await self.at.ask("AT+NETCLOSE", needs=(OK, _CLOSED), timeout_s=self.data.times.close_s)
        except RefusedError:
            return  # it was not open

    async def open(self, socket: int, host: str, port: int) -> int:
        """See Dialect."""
        await self.close(socket)
        local_port = _FIRST_LOCAL_PORT + self._opened % _LOCAL_PORTS
        self._opened += 1
        await self.at.ask(
            f'AT+CIPOPEN={socket},"UDP",,,{local_port}',
            needs=(OK, re.compile(rf"\+CIPOPEN: ?{socket},(?P<code>0)")),
            fails=re.compile(rf"\+CIPOPEN: ?{socket},(?P<code>\d+)"),
            timeout_s=self.data.times.open_s,
            begin_s=BEGIN_S,
        )
        self._peers[socket] = host, port
        return socket

    async def send(self, socket: int, data: bytes, host: str, port: int, *, answer_expected: bool) -> None:
        """See Dialect."""
        await self.at.ask(
            f'AT+CIPSEND={socket},{len(data)},"{host}",{port}',
            needs=(OK, re.compile(rf"\+CIPSEND: ?{socket},{len(data)},{len(data)}")),
            fails=re.compile(rf"\+CIPSEND: ?{socket},\d+,-?\d+|\+CIPERROR: ?(?P<code>\d+)"),
            aborts=re.compile(rf"\+IPCLOSE: ?{socket}.*|" + _DOWN.pattern),
            data=data,
            timeout_s=self.data.times.send_s,
        )

    async def receive(self, socket: int) -> list[bytes]:
        """See Dialect."""
        read: list[bytes] = []
        for _ in range(_READS):
            command = f"AT+CIPRXGET=2,{socket},{_READ_BYTES}"
            try:
                reply = await self.ask(command, "+CIPRXGET: 2,", timeout_s=5.0)
            except RefusedError:
                break  # nothing waits
            payload = reply.lines[0].payload if reply.lines else None
            if payload is None:
                break
            read.append(payload)
        return read

    async def close(self, socket: int) -> None:
        """See Dialect. Until the result has come after the OK, it hears no other command."""
        self._peers.pop(socket, None)
        closed = re.compile(rf"\+CIPCLOSE: ?{socket},\d+")
        try:
            await self.at.ask(f"AT+CIPCLOSE={socket}", needs=(OK, closed), timeout_s=self.data.times.close_s)
        except RefusedError:
            return  # it was not open

    async def resolve(self, host: str) -> str:
        """See Dialect."""
        reply = await self.at.ask(f'AT+CDNSGIP="{host}"', needs=(OK, _DNS), fails=_NO_DNS, timeout_s=_DNS_S)
        found = reply.found[1]
        return "" if found is None else found["address"]

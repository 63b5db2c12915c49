"""SIMCom's NB-IoT module SIM7020.

Configure: `modem = "sim7020"`. Where it hurts: it wants 100 ms between commands; whether the length of CSOSEND counts
bytes or hexadecimal characters depends on the firmware (`length_counts` in its file); it has no release assistance.
"""

import re
from typing import ClassVar

from gateway_agent.modem.answer import OK
from gateway_agent.modem.dialects.common_commands import CommonCommands, hex_data
from gateway_agent.modem.events import Damaged, DataDown, Event, Received, SocketClosed
from gateway_agent.modem.stream import Line

_RECV = re.compile(r'\+CSONMI: ?(\d+),(\d+),"?([0-9A-Fa-f]*)"?')
_GONE = re.compile(r"\+CSOERR: ?(\d+),(-?\d+)")
_MADE = re.compile(r"\+CSOC: ?(\d+)")
_DOWN = re.compile(r"\+CGEV: ?(ME|NW) (PDN DEACT|DETACH).*")


class SimcomNb(CommonCommands):
    """See the module."""

    boots: ClassVar[str] = r"RDY|SMS Ready|\*?NORMAL POWER DOWN"
    urcs: ClassVar[tuple[str, ...]] = ("+CSONMI:", "+CSOERR:", "+CEREG:", "+CGEV:", "+CLTS:")

    def event_of(self, line: Line) -> Event | None:
        """See Dialect."""
        text = line.text
        if (found := _RECV.fullmatch(text)) is not None:
            # Firmwares count bytes or characters; what is neither has lost something.
            length, digits = int(found[2]), found[3]
            data = hex_data(text, digits) if length in (len(digits), len(digits) // 2) else Damaged(text)
            return Received(int(found[1]), data) if isinstance(data, bytes) else data
        if text.startswith("+CSONMI:"):
            return Damaged(text)
        if (found := _GONE.fullmatch(text)) is not None:
            return SocketClosed(int(found[1]), f"error {found[2]} of the socket")
        if _DOWN.fullmatch(text):
            return DataDown("the network has taken the data connection down")
        return super().event_of(line)

    async def prepare(self) -> None:
        """See Dialect."""
        await super().prepare()
        await self.try_out("AT+CSORCVFLAG=0")

    async def data_up(self) -> str:
        """See Dialect."""
        return await self.attached_address()

    async def data_down(self) -> None:
        """See Dialect."""
        await self.try_out("AT+CGATT=0", timeout_s=self.data.times.data_s)

    async def open(self, socket: int, host: str, port: int) -> int:
        """See Dialect: the modem chooses the number."""
        reply = await self.at.ask("AT+CSOC=1,2,1", needs=(OK, _MADE), timeout_s=self.data.times.open_s)
        found = reply.found[1]
        made = -1 if found is None else int(found[1])
        await self.ask(f'AT+CSOCON={made},{port},"{host}"', timeout_s=self.data.times.open_s)
        return made

    async def send(self, socket: int, data: bytes, host: str, port: int, *, answer_expected: bool) -> None:
        """See Dialect."""
        digits = data.hex().upper()
        length = len(data) if self.data.quirks.length_counts == "bytes" else len(digits)
        await self.at.ask(
            f"AT+CSOSEND={socket},{length},{digits}",
            aborts=re.compile(rf"\+CSOERR: ?{socket},.*"),
            timeout_s=self.data.times.send_s,
        )

    async def close(self, socket: int) -> None:
        """See Dialect."""
        await self.try_out(f"AT+CSOCL={socket}", timeout_s=self.data.times.close_s)

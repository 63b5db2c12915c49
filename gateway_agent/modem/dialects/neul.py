"""Modules on HiSilicon's Boudica chip, which speak the "Neul" commands: Quectel BC95-G, BC35-G, BC28.

Configure: `modem = "bc95"`, `bc35` or `bc28`. Where it hurts: the UART runs at 9600 baud, so a datagram of 500 bytes
takes a second as hexadecimal text; they attach by themselves to the maker's platform until that is switched off, which
takes a restart; local port 5683 belongs to their own CoAP client, so sockets have ports above; "busy" is an ordinary
answer to a send.
"""

import re
from typing import ClassVar

from gateway_agent.modem.answer import OK
from gateway_agent.modem.dialects.common_commands import CommonCommands, hex_data
from gateway_agent.modem.errors import RefusedError
from gateway_agent.modem.events import Damaged, Event, Received, SocketClosed, Waiting
from gateway_agent.modem.stream import Line
from gateway_agent.modem.tgpp import Signal

_PUSHED = re.compile(r'\+NSONMI: ?(\d+),"?[\d.]+"?,\d+,(\d+),"?([0-9A-Fa-f]*)"?')
_WAITS = re.compile(r"\+NSONMI: ?(\d+),(\d+)")
_READ = re.compile(r'(\d+),"?[\d.]+"?,\d+,(\d+),"?([0-9A-Fa-f]*)"?,(\d+)')
_GONE = re.compile(r"\+NSOCLI: ?(\d+)")
_NUMBER = re.compile(r"(\d+)")
_RELEASE_AT_ONCE, _RELEASE_AFTER_ANSWER = "0x200", "0x400"
_FIRST_LOCAL_PORT = 40100
_LOCAL_PORTS = 20000
_READ_BYTES = 1358
_READS = 64
_REBOOT_S = 10.0


class Neul(CommonCommands):
    """See the module."""

    takes = frozenset({"band"})
    boots: ClassVar[str] = r"Neul|REBOOTING|REBOOT_CAUSE.*|Boot: .*"
    urcs: ClassVar[tuple[str, ...]] = ("+NSONMI:", "+NSOCLI:", "+NSOSTR:", "+CEREG:", "+CSCON:", "+NPSMR:", "+CGATT:")
    iccid_command: ClassVar[str] = "AT+NCCID"
    reset_command: ClassVar[str] = "AT+NRB"

    _opened = 0

    def event_of(self, line: Line) -> Event | None:
        """See Dialect."""
        text = line.text
        if (found := _PUSHED.fullmatch(text)) is not None:
            data = hex_data(text, found[3], int(found[2]))
            return Received(int(found[1]), data) if isinstance(data, bytes) else data
        if (found := _WAITS.fullmatch(text)) is not None:
            return Waiting(int(found[1]))
        if text.startswith("+NSONMI:"):
            return Damaged(text)
        if (found := _GONE.fullmatch(text)) is not None:
            return SocketClosed(int(found[1]), "closed by the network")
        return super().event_of(line)

    async def prepare(self) -> None:
        """See Dialect. The modem restarts when it was set to attach by itself."""
        await super().prepare()
        await self.try_out("AT+QREGSWT=2")
        # A firmware that cannot tell how it is set is not restarted for it: it would be at each start.
        configured = await self.try_out("AT+NCONFIG?", "+NCONFIG:")
        lines = [] if configured is None else [line.text.replace('"', "").replace(" ", "") for line in configured.lines]
        if any("AUTOCONNECT,TRUE" in text for text in lines):
            await self.ask("AT+NCONFIG=AUTOCONNECT,FALSE")
            await self.reset()
        await self.try_out("AT+NSONMI=2")

    async def connect(self) -> None:
        """See Dialect. A band, where the pole names one, is taken only while the radio is off."""
        if self.settings.band is not None:
            await self.try_out(f"AT+NBAND={self.settings.band}")
        await super().connect()
        await self.try_out("AT+CGATT=1", timeout_s=self.data.times.data_s)

    async def data_up(self) -> str:
        """See Dialect."""
        return await self.attached_address()

    async def data_down(self) -> None:
        """See Dialect."""
        await self.try_out("AT+CGATT=0", timeout_s=self.data.times.data_s)

    async def open(self, socket: int, host: str, port: int) -> int:
        """See Dialect: the modem chooses the number."""
        local_port = _FIRST_LOCAL_PORT + self._opened % _LOCAL_PORTS
        self._opened += 1
        reply = await self.at.ask(
            f"AT+NSOCR=DGRAM,17,{local_port},1", needs=(OK, _NUMBER), timeout_s=self.data.times.open_s
        )
        found = reply.found[1]
        return -1 if found is None else int(found[1])

    async def send(self, socket: int, data: bytes, host: str, port: int, *, answer_expected: bool) -> None:
        """See Dialect."""
        flag = _RELEASE_AFTER_ANSWER if answer_expected else _RELEASE_AT_ONCE
        await self.at.ask(
            f"AT+NSOSTF={socket},{host},{port},{flag},{len(data)},{data.hex().upper()}",
            needs=(OK, re.compile(rf"{socket},{len(data)}")),
            aborts=re.compile(rf"\+NSOCLI: ?{socket}"),
            timeout_s=self.data.times.send_s,
        )

    async def receive(self, socket: int) -> list[bytes]:
        """See Dialect: for firmware that does not push."""
        read: list[bytes] = []
        for _ in range(_READS):
            reply = await self.at.ask(f"AT+NSORF={socket},{_READ_BYTES}", answer=f"{socket},", timeout_s=5.0)
            found = _READ.fullmatch(reply.text)
            data = None if found is None else hex_data(reply.text, found[3], int(found[2]))
            if not isinstance(data, bytes) or not data:
                break
            read.append(data)
            if found is None or found[4] == "0":
                break
        return read

    async def close(self, socket: int) -> None:
        """See Dialect."""
        await self.try_out(f"AT+NSOCL={socket}", timeout_s=self.data.times.close_s)

    async def reset(self) -> None:
        """See Dialect: it prints REBOOTING and is deaf for five seconds or more."""
        try:
            await self.at.ask(self.reset_command, timeout_s=_REBOOT_S)
        except RefusedError:
            await self.ask("AT+CFUN=0", timeout_s=_REBOOT_S)

    async def signal(self) -> Signal:
        """See Dialect; from NUESTATS, whose lines are `Signal power:-812` in tenths."""
        common = await super().signal()
        try:
            reply = await self.at.ask("AT+NUESTATS", answer="*")
        except RefusedError:
            return common
        told = {}
        for line in reply.lines:
            name, _, value = line.text.rpartition(":" if ":" in line.text else ",")
            told[name.replace("NUESTATS:", "").strip(' "').lower()] = value.strip()
        power, quality = _tenths(told, "signal power"), _tenths(told, "rsrq")
        level = told.get("ecl", "")
        return Signal(
            common.rssi_dbm,
            power or common.rsrp_dbm,
            quality,
            _tenths(told, "snr"),
            int(level) if level.isdigit() else None,
        )


def _tenths(told: dict[str, str], name: str) -> float | None:
    text = told.get(name, "")
    return int(text) / 10 if re.fullmatch(r"-?\d+", text) and int(text) > -32768 else None

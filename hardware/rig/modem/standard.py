"""The commands that every family shares: 3GPP TS 27.007 and V.250."""

import asyncio
from datetime import datetime, timedelta, timezone

from hardware.rig.modem.body import Body
from hardware.rig.modem.firmware import Firmware
from hardware.rig.modem.network import SEARCHING
from hardware.rig.modem.request import NOT_ALLOWED, PARAMETER, READ, SET, Refused, Request, command
from hardware.rig.modem.sim import CME_BUSY, CME_PASSWORD, CME_PIN, CME_PUK

_ZONE = timezone(timedelta(hours=8))
_ACT_LTE, _ACT_NB = 7, 9
_SWITCH_S = (0.2, 2.0)


class Standard(Firmware):
    """The shared commands. `ccid_names`: how this family asks for the card's number; `tells_card`: it reports +CPIN."""

    ccid_names: tuple[str, ...] = ("CCID",)
    tells_card = False

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.reports = 0
        self.is_ready = False
        self.card_trouble: int | None = None
        self.psm = bool(body.kept.get("psm", False))

    def started(self) -> None:
        """Register, as a module does whose radio is on after a start."""
        self.card_is_ready()
        self.network.switch(True)

    def card_is_ready(self) -> None:
        """The card has started."""
        self.is_ready = True
        self.card_trouble = self.body.sim.trouble()

    def outside_changed(self) -> None:
        """Where this firmware tells of its card, tell that it has gone, asks for its PIN or has come."""
        super().outside_changed()
        trouble = self.body.sim.trouble()
        if trouble != self.card_trouble and self.is_ready:
            self.card_trouble = trouble
            if self.tells_card:
                told = {None: "READY", CME_PIN: "SIM PIN", CME_PUK: "SIM PUK"}.get(trouble, "NOT READY")
                self.console.urc(f"+CPIN: {told}")

    def registration_changed(self, stat: int) -> None:
        """Tell it where CEREG has asked for that."""
        if self.reports == 1:
            self.console.urc(self.wording.line("CEREG", stat))
        elif self.reports > 1:
            self.console.urc(self.wording.line("CEREG", stat, *self._place()))

    def _place(self) -> list[str]:
        if not self.network.is_registered:
            return []
        act = _ACT_NB if self.body.model.is_nb else _ACT_LTE
        return [self.wording.cell(self.network.tac), self.wording.cell(self.network.cell), str(act)]

    def local_time(self) -> datetime:
        """The network's time, eight hours ahead of UTC."""
        return datetime.fromtimestamp(self.body.clock.unix_ms() / 1000, _ZONE)

    def need_sim(self) -> None:
        """Refuse where the card is not ready, or not ready yet."""
        if not self.is_ready and self.body.sim.present:
            raise Refused(CME_BUSY)
        super().need_sim()

    @command("")
    async def attention(self, _request: Request) -> None:
        """AT."""

    @command("E")
    async def set_echo(self, request: Request) -> None:
        """ATE0, ATE1."""
        self.console.echo = request.text(0, "0") != "0"

    @command("I")
    async def identify(self, _request: Request) -> None:
        """ATI."""
        self.console.say(self.body.model.maker)
        self.console.say(self.body.model.identity)
        self.console.say(f"Revision: {self.body.model.firmware[0]}")

    @command("V", "Z", "&", "Q", "H")
    async def accept(self, _request: Request) -> None:
        """Basic commands that change nothing here."""

    @command("CMEE")
    async def error_form(self, request: Request) -> None:
        """AT+CMEE."""
        if request.kind == SET:
            self.error_level = request.number(0)
        else:
            self.console.say(self.wording.line("CMEE", self.error_level))

    @command("CGMI")
    async def maker(self, _request: Request) -> None:
        """AT+CGMI."""
        self.console.say(self.body.model.maker)

    @command("CGMM")
    async def model(self, _request: Request) -> None:
        """AT+CGMM."""
        self.console.say(self.body.model.identity)

    @command("CGMR")
    async def firmware(self, _request: Request) -> None:
        """AT+CGMR; some say it in several lines."""
        for line in self.body.model.firmware:
            self.console.say(line)

    @command("CGSN")
    async def imei(self, request: Request) -> None:
        """AT+CGSN=1, AT+CGSN."""
        imei = self.body.kept["imei"]
        self.console.say(self.wording.line("CGSN", imei) if request.kind == SET else imei)

    @command("CIMI")
    async def imsi(self, _request: Request) -> None:
        """AT+CIMI."""
        self.need_sim()
        self.console.say(self.body.sim.imsi)

    @command("CCID", "QCCID", "NCCID", "MCCID", "CICCID")
    async def iccid(self, request: Request) -> None:
        """The card's number, under the names of this family."""
        if request.name not in self.ccid_names:
            raise Refused(4)
        self.need_sim()
        self.console.say(self.wording.line(request.name, self.body.sim.iccid))

    @command("CPIN")
    async def pin(self, request: Request) -> None:
        """AT+CPIN?, AT+CPIN="1234"."""
        sim = self.body.sim
        if request.kind == SET:
            if not sim.enter(request.text(0)):
                raise Refused(CME_PUK if sim.trouble() == CME_PUK else CME_PASSWORD)
            self.network.look_again()
            return
        if not self.is_ready and sim.present:
            raise Refused(CME_BUSY)
        trouble = sim.trouble()
        if trouble == CME_PIN:
            self.console.say(self.wording.line("CPIN", "SIM PIN"))
        elif trouble == CME_PUK:
            self.console.say(self.wording.line("CPIN", "SIM PUK"))
        elif trouble is not None:
            raise Refused(trouble)
        else:
            self.console.say(self.wording.line("CPIN", "READY"))

    @command("CFUN")
    async def function(self, request: Request) -> str | None:
        """AT+CFUN=0, 1, 4; =1,1 restarts."""
        if request.kind == READ:
            self.console.say(self.wording.line("CFUN", int(self.network.is_on)))
            return None
        level = request.number(0)
        if request.text(1) == "1":
            self.console.say("OK")
            self.body.restart("command")
            return ""
        if level not in (0, 1, 4):
            raise Refused(PARAMETER)
        if (level == 1) != self.network.is_on:
            await asyncio.sleep(self.radio.draw(_SWITCH_S))
        self.network.switch(level == 1)
        return None

    @command("CEREG", "CREG", "CGREG")
    async def registration(self, request: Request) -> None:
        """AT+CEREG=2, AT+CEREG?."""
        if request.kind == SET:
            if request.name == "CEREG":
                self.reports = request.number(0)
        elif request.kind == READ:
            place = self._place() if self.reports > 1 else []
            self.console.say(self.wording.line(request.name, self.reports, self.network.stat, *place))
        else:
            self.console.say(self.wording.line(request.name, "(0-2)"))

    @command("COPS")
    async def operator(self, request: Request) -> None:
        """AT+COPS?, AT+COPS=0."""
        if request.kind == READ:
            values = (0, 2, '"46000"', _ACT_NB if self.body.model.is_nb else _ACT_LTE)
            self.console.say(self.wording.line("COPS", *(values if self.network.is_registered else (0,))))

    @command("CGDCONT", "QCGDEFCONT")
    async def pdp_context(self, request: Request) -> None:
        """AT+CGDCONT=1,"IP","apn"; AT+QCGDEFCONT="IP","apn"."""
        if request.kind == SET:
            self.body.kept["apn"] = request.text(2 if request.name == "CGDCONT" else 1)
        elif request.kind == READ:
            self.console.say(self.wording.line(request.name, 1, '"IP"', f'"{self.apn}"'))

    @command("CGATT")
    async def attach(self, request: Request) -> None:
        """AT+CGATT?, AT+CGATT=1."""
        if request.kind != SET:
            self.console.say(self.wording.line("CGATT", int(self.network.is_attached)))
        elif request.number(0) == 0:
            self.network.detach()
        else:
            self.need_sim()
            if not self.network.is_on:
                raise Refused(NOT_ALLOWED)
            if self.network.stat != SEARCHING:
                self.network.search()

    @command("CGPADDR")
    async def addresses(self, _request: Request) -> None:
        """AT+CGPADDR."""
        address = self.network.address if self.body.model.is_nb else self.network.bearer
        cid = 0 if self.body.model.dialect in ("neul",) else 1
        self.console.say(self.wording.line("CGPADDR", cid, *([address] if address else [])))

    @command("CGACT", "CGAUTH", "CSCON", "CGEREP", "CTZR", "CTZU", "CLTS", "CSCS")
    async def settings_without_effect(self, request: Request) -> None:
        """Settings that are taken and change nothing here."""
        if request.kind == READ:
            self.console.say(self.wording.line(request.name, 0))

    @command("CSQ")
    async def signal(self, _request: Request) -> None:
        """AT+CSQ: the received power in steps of 2 dB from -113 dBm, 99 where unknown."""
        rssi = min(31, max(0, (self.network.rsrp_dbm + 20 + 113) // 2)) if self.network.is_registered else 99
        self.console.say(self.wording.line("CSQ", rssi, 99))

    @command("CESQ")
    async def signal_quality(self, _request: Request) -> None:
        """AT+CESQ: the last value is RSRP in dB from -141 dBm, 255 where unknown."""
        rsrp = self.network.rsrp_dbm + 141 if self.network.is_registered else 255
        rsrq = 20 if self.network.is_registered else 255
        self.console.say(self.wording.line("CESQ", 99, 99, 255, 255, rsrq, rsrp))

    @command("CCLK")
    async def clock(self, _request: Request) -> None:
        """AT+CCLK?: the network's time with a quarter-hour zone, or the year 1980 before it is known."""
        if self.network.is_registered:
            self.console.say(self.wording.line("CCLK", f'"{self.local_time():%y/%m/%d,%H:%M:%S}+32"'))
        else:
            self.console.say(self.wording.line("CCLK", '"80/01/06,00:00:00+00"'))

    @command("CPSMS")
    async def power_saving(self, request: Request) -> None:
        """AT+CPSMS=0, AT+CPSMS=1,,,"T3412","T3324"."""
        kept = self.body.kept
        if request.kind == SET:
            is_on = request.number(0) == 1
            if is_on:
                kept["t3412_s"] = t3412_s(request.text(3, "00100001"))
                kept["t3324_s"] = t3324_s(request.text(4, "00000101"))
            self.psm = kept["psm"] = is_on
        elif request.kind == READ:
            self.console.say(self.wording.line("CPSMS", int(self.psm)))

    @command("CEDRXS")
    async def long_paging(self, request: Request) -> None:
        """AT+CEDRXS=0,5; AT+CEDRXS=1,5,"0101"."""
        if request.kind != SET:
            self.console.say(self.wording.line("CEDRXS", 5, f'"{self.body.kept.get("edrx", "0000")}"'))
            return
        if request.number(0) not in (0, 1, 2, 3):
            raise Refused(PARAMETER)
        is_on = request.number(0) in (1, 2)
        if is_on and request.text(2) not in _EDRX_S:
            raise Refused(PARAMETER)
        self.body.kept["edrx"] = request.text(2) if is_on else "0000"
        self.radio.paging_s = _EDRX_S[request.text(2)] if is_on else self.radio.profile.paging_s

    @command("IPR")
    async def rate(self, request: Request) -> str | None:
        """AT+IPR=baud: the answer still comes at the old rate."""
        if request.kind != SET:
            self.console.say(self.wording.line("IPR", 0))
            return None
        self.console.say("OK")
        self.body.set_baud(request.number(0))
        return ""


_EDRX_S = {"0000": 5.12, "0001": 10.24, "0010": 20.48, "0011": 40.96, "0101": 81.92, "1001": 163.84, "1010": 327.68}
"""Cycles of extended paging in seconds, by TS 24.008, table 10.5.5.32."""
_T3412_UNITS_S = (600, 3600, 36_000, 2, 30, 60, 1_152_000, 0)
_T3324_UNITS_S = (2, 60, 360, 0, 0, 0, 0, 0)


def t3412_s(bits: str) -> float:
    """The periodic update timer in seconds, from eight binary digits (TS 24.008, table 10.5.163a); 0 is off."""
    return _timer_s(bits, _T3412_UNITS_S)


def t3324_s(bits: str) -> float:
    """The active timer in seconds, from eight binary digits (TS 24.008, table 10.5.172)."""
    return _timer_s(bits, _T3324_UNITS_S)


def _timer_s(bits: str, units_s: tuple[int, ...]) -> float:
    if len(bits) != 8 or set(bits) - {"0", "1"}:
        raise Refused(PARAMETER)
    value = int(bits, 2)
    return float(units_s[value >> 5] * (value & 31))

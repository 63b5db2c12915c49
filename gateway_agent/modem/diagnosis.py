"""What is wrong with a modem, in words, and what to do next: for whoever stands at the pole or looks from afar."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway_agent.modem.cause import Cause

_WEAK_RSRP_DBM = -115
_WEAK_RSSI_DBM = -105


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`kind` for a program, `what` is so and the `next_step` for a person; `is_well`: nothing has to be done."""

    kind: str
    what: str
    next_step: str
    is_well: bool = False


_NEXT_STEPS: dict[Cause, str] = {
    Cause.STARTING: "wait a minute and look again",
    Cause.LOOKING: "wait: a first registration may take some minutes with NB-IoT",
    Cause.CONNECTING: "wait a minute and look again",
    Cause.PORT_MISSING: "plug the modem in and see that it has supply; compare the key port with /dev/serial/by-id",
    Cause.PORT_HELD: "where it is the agent, name its socket by --status; stop any other program, often by "
    "systemctl disable --now ModemManager",
    Cause.PORT_FORBIDDEN: "add the agent's user to the group dialout (usermod -aG dialout <user>) and restart it",
    Cause.PORT_DEAD: "look at the cable and the supply; if the modem has several ports, take the one for AT commands",
    Cause.SILENT: "look at supply, power key and the crossing of TX and RX; try another port of the modem, or a baud",
    Cause.REBOOTING: "measure the supply while it sends: it needs 0.5 A at 3.8 V for NB-IoT, 2 A for Cat 1, in bursts",
    Cause.NO_SIM: "put the SIM in, the contacts down, and clean them; see that the slot's switch is closed",
    Cause.SIM_DEAD: "try the SIM in a telephone; if it is dead there too, have the operator replace it",
    Cause.PIN_MISSING: "write the PIN as pin of the bearer into pole.toml, or switch the PIN off in a telephone",
    Cause.PIN_REFUSED: "find the right PIN and write it into pole.toml; two tries are left before the SIM is locked",
    Cause.PIN_OPEN: "try the PIN in a telephone, switch the PIN off there, and put the SIM back",
    Cause.PUK: "unlock the SIM in a telephone with the PUK that came with it, and switch its PIN off",
    Cause.NO_NETWORK: "look at the antenna and its plug; see whether the operator covers this place with this radio",
    Cause.NOT_REGISTERED: "check apn and band, and that the contract is for this radio; better the antenna",
    Cause.DENIED: "ask the operator whether SIM and contract are active, for this radio and this module (IMEI lock)",
    Cause.NO_DATA: "check apn, user and password of the bearer; ask the operator whether data is part of the contract",
    Cause.NO_SOCKET: "check the host in the uplink's url; where it is right, cut the modem's supply for 12 s",
}

_NEVER = Diagnosis(
    "never-answered",
    "",
    "check url and port of the uplink, whether this APN leads there (a private one may not), and any firewall",
)
_PLATFORM = Diagnosis(
    "platform-silent",
    "",
    "see whether the platform runs and answers other poles; where it does, whether it still knows this pole's keys",
)


def diagnose(status: Mapping[str, Any]) -> Diagnosis:
    """What a modem's status (`Modem.status`) means."""
    cause = Cause(status["cause"])
    if cause is Cause.WELL and status["connections_in_vain"] > 1:
        what = f"the data connection is up, but {status['why_in_vain']}"
        return Diagnosis(Cause.NO_SOCKET.value, what + _exhausted(status), _NEXT_STEPS[Cause.NO_SOCKET])
    if cause is Cause.UNANSWERED or (cause is Cause.WELL and (status["unanswered"] or status["awaits_answer"])):
        return _unanswered(status)
    if cause is Cause.WELL:
        return _well(status)
    return Diagnosis(cause.value, status["reason"] + _exhausted(status), _NEXT_STEPS[cause])


def _unanswered(status: Mapping[str, Any]) -> Diagnosis:
    sent = f"the modem has {_signal(status)} and has sent {status['counters']['sent']} datagrams"
    answered_ms = status["answered_ms"]
    if answered_ms is None:
        what = f"{sent}, but never has anything been answered"
        return Diagnosis(_NEVER.kind, what + _exhausted(status), _NEVER.next_step)
    when = datetime.fromtimestamp(answered_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    what = f"{sent}, but the platform answers no more; its last answer came on {when}"
    return Diagnosis(_PLATFORM.kind, what + _exhausted(status), _PLATFORM.next_step)


def _well(status: Mapping[str, Any]) -> Diagnosis:
    what = f"in service for {status['for_s']:.0f} s, with {_signal(status)}"
    if _is_weak(status):
        step = "expect delays and losses: put the antenna higher or outside the box, away from metal"
        return Diagnosis("weak", what, step, is_well=True)
    if not status["counters"]["sent"]:
        step = "whether the platform answers was not tried: run the agent, then look again"
        return Diagnosis(Cause.WELL.value, what, step, is_well=True)
    return Diagnosis(Cause.WELL.value, what, "nothing has to be done", is_well=True)


def _signal(status: Mapping[str, Any]) -> str:
    signal = status["signal"]
    if signal["rsrp_dbm"] is not None:
        return f"a signal of {signal['rsrp_dbm']:g} dBm (RSRP)"
    if signal["rssi_dbm"] is not None:
        return f"a signal of {signal['rssi_dbm']:g} dBm (RSSI)"
    return "a signal of which it tells nothing"


def _is_weak(status: Mapping[str, Any]) -> bool:
    signal = status["signal"]
    if signal["rsrp_dbm"] is not None:
        return bool(signal["rsrp_dbm"] < _WEAK_RSRP_DBM)
    return signal["rssi_dbm"] is not None and bool(signal["rssi_dbm"] < _WEAK_RSSI_DBM)


def _exhausted(status: Mapping[str, Any]) -> str:
    if status["disturbances_today"] < status["daily_cap"] or not status["daily_cap"]:
        return ""
    return f"; the {status['daily_cap']} attempts of a day to mend it are used up"

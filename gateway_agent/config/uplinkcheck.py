"""Checks of `[uplink]`: that nothing travels in the clear by mistake, and that the keys are this gateway's."""

import os
from collections.abc import Iterable
from pathlib import Path

from gateway_agent.config.bearers import BearerConfig, BearerTerms
from gateway_agent.config.schema import PoleConfig
from gateway_agent.modem.dialect import UnknownModemError, load_modem, modem_names
from gateway_agent.modem.dialects.choice import takes
from gateway_agent.node_keys import is_open_to_others
from gateway_agent.toml_source import ConfigError, Finding
from gateway_agent.uplink.errors import UplinkError
from gateway_agent.uplink.identity import load_identity
from gateway_agent.uplink.platform_url import is_this_machine, split_url

_MODELS = ", ".join(modem_names())
_OF_A_MODEM = (
    "port",
    "baud",
    "apn",
    "user",
    "password",
    "pin",
    "band",
    "sleep_update_s",
    "sleep_active_s",
    "edrx",
    "power_key_command",
    "supply_command",
    "wake_command",
    "resets_a_day",
)
"""Keys that mean nothing without a modem."""
_ENROL = "make the keys (gatepost enrol gateway --help) and name the identity file"


def check_uplink(pole: PoleConfig) -> Iterable[Finding]:
    """What makes the uplink unusable."""
    yield from _check_bearers(pole)
    uplink = pole.uplink
    try:
        host, _ = split_url(uplink.url)
    except UplinkError as error:
        yield Finding(("uplink", "url"), str(error), "mend host or port")
        return
    if uplink.security == "clear":
        if not is_this_machine(host):
            what = f"{uplink.url} would get readings and give commands in the clear"
            yield Finding(("uplink", "security"), what, f'write security = "oscore"; {_ENROL}')
        if uplink.identity_file is not None:
            yield Finding(
                ("uplink", "identity_file"), "there are keys, and they are not used", 'write security = "oscore"'
            )
        return
    if uplink.identity_file is None:
        yield Finding(("uplink", "security"), "OSCORE needs the identity of this gateway", f"{_ENROL}: identity_file")
        return
    if not Path(uplink.identity_file).exists():
        return  # at a desk it need not be there; on the gateway the agent says so when it starts
    try:
        identity = load_identity(uplink.identity_file)
    except ConfigError as error:
        yield Finding(("uplink", "identity_file"), str(error.problems[0]), "see gatepost enrol gateway --help")
        return
    if identity.gateway != pole.pole.gateway:
        what = f"{uplink.identity_file} is the identity of {identity.gateway}, and this is {pole.pole.gateway}"
        yield Finding(("uplink", "identity_file"), what, "name the file of this gateway")


def advise_uplink(pole: PoleConfig) -> Iterable[Finding]:
    """What is unwise."""
    yield from _advise_bearers(pole)
    identity_file = pole.uplink.identity_file
    if identity_file is not None and not Path(identity_file).exists():
        what = f"{identity_file} is not on this computer"
        yield Finding(("uplink", "identity_file"), what, "see that it is on the gateway before the agent is started")
    if identity_file is not None and is_open_to_others(identity_file):
        what = f"other users of this computer may read the keys in {identity_file}"
        yield Finding(("uplink", "identity_file"), what, "chmod 600 it")


def _check_bearers(pole: PoleConfig) -> Iterable[Finding]:
    uplink = pole.uplink
    names: set[str] = set()
    for index, bearer in enumerate(uplink.bearers):
        if bearer.name in names:
            yield Finding(("uplink", "bearers", index, "name"), f"two bearers are called {bearer.name}", "rename one")
        names.add(bearer.name)
        yield from _check_modem(index, bearer)
    yield from _check_ports(pole)
    if uplink.bearers:
        for key in ("bearer", *BearerTerms.model_fields):
            if key in uplink.model_fields_set:
                what = f"there are bearers, and {key} is not said of any of them"
                yield Finding(("uplink", key), what, f"write {'kind' if key == 'bearer' else key} below each bearer")


def _check_ports(pole: PoleConfig) -> Iterable[Finding]:
    """A serial port has one owner; links of udev are followed where they are there."""
    owners = {os.path.realpath(bus.port): f"bus {bus.name}" for bus in pole.buses}
    for index, bearer in enumerate(pole.uplink.bearers):
        if bearer.port is None:
            continue
        port = os.path.realpath(bearer.port)
        if port in owners:
            what = f"the modem of {bearer.name} is on the port of {owners[port]}"
            yield Finding(("uplink", "bearers", index, "port"), what, "name the port that the modem is on")
        owners.setdefault(port, f"bearer {bearer.name}")


def _check_modem(index: int, bearer: BearerConfig) -> Iterable[Finding]:
    place = ("uplink", "bearers", index)
    if bearer.modem is None:
        for key in _OF_A_MODEM:
            if key in bearer.model_fields_set:
                what = f"there is no modem whose {key} this could be"
                yield Finding((*place, key), what, f"name the modem: {_MODELS}")
        return
    if bearer.modem not in modem_names():
        mend = UnknownModemError(bearer.modem, modem_names()).mend
        yield Finding((*place, "modem"), f"there is no modem {bearer.modem}", mend)
    else:
        yield from _check_told(place, bearer, bearer.modem)
    if bearer.port is None:
        what = f"the modem {bearer.modem} needs the serial port that it is on"
        yield Finding((*place, "modem"), what, 'add port = "/dev/gatepost-modem" (docs/modems.md)')
    if bearer.interface is not None:
        what = f"{bearer.name} goes either through the modem's socket or over {bearer.interface}"
        yield Finding((*place, "interface"), what, "leave one of modem and interface out")


def _check_told(place: tuple[str | int, ...], bearer: BearerConfig, modem: str) -> Iterable[Finding]:
    """What is set of a modem is what its dialect tells it."""
    dialects = {name: load_modem(name).modem.dialect for name in modem_names()}
    for key in ("user", "password", "band"):
        if key not in bearer.model_fields_set:
            continue
        if not takes(dialects[modem], key):
            able = ", ".join(name for name, dialect in dialects.items() if takes(dialect, key))
            what = f"Gatepost does not tell the modem {modem} any {key}"
            yield Finding((*place, key), what, f"leave it out, or take one of {able}")
        elif key != "band" and not bearer.apn:
            yield Finding((*place, key), f"the {key} belongs to an apn, and there is none", "add apn")
    if "sleep_active_s" in bearer.model_fields_set and bearer.sleep_update_s is None:
        what = "sleep_active_s says nothing of a modem that does not sleep"
        yield Finding((*place, "sleep_active_s"), what, "add sleep_update_s, or leave this out")


def _advise_bearers(pole: PoleConfig) -> Iterable[Finding]:
    """What the bearers and their plans make of the rest."""
    uplink = pole.uplink
    for index, bearer in enumerate(uplink.ways):
        place: tuple[str | int, ...] = ("uplink", "bearers", index) if uplink.bearers else ("uplink",)
        if bearer.kind == "nb-iot" and bearer.is_observed(uplink.batch_s):
            what = (
                f"a command may take {bearer.delay_s:g} s and batches go every {uplink.batch_s:g} s: the mailbox is "
                "observed, and the way back through the radio network kept open all day"
            )
            longer_s = max(3600, uplink.batch_s)
            mend = f"let a command take {longer_s:g} s, or send batches as often as commands must arrive"
            yield Finding((*place, "command_delay_s"), what, mend)
        if bearer.plan_bytes is None:
            said = (uplink.bearers[index] if uplink.bearers else uplink).model_fields_set
            for key in ("plan_begins_day", "plan_overrun"):
                if key in said:
                    what = f"there is no plan whose {key} this could be"
                    yield Finding((*place, key), what, "add plan_mib_per_month, or leave this out")

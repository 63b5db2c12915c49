"""Checks of `[uplink]`: that nothing travels in the clear by mistake, and that the keys are this gateway's."""

from collections.abc import Iterable
from pathlib import Path

from gateway_agent.config.schema import PoleConfig
from gateway_agent.node_keys import is_open_to_others
from gateway_agent.toml_source import ConfigError, Finding
from gateway_agent.uplink.identity import load_identity
from gateway_agent.uplink.platform_url import is_this_machine, split_url

_ENROL = "make the keys (gatepost enrol gateway --help) and name the identity file"


def check_uplink(pole: PoleConfig) -> Iterable[Finding]:
    """What makes the uplink unusable."""
    uplink = pole.uplink
    if uplink.security == "clear":
        if not is_this_machine(split_url(uplink.url)[0]):
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
    yield from _advise_bearer(pole)
    identity_file = pole.uplink.identity_file
    if identity_file is not None and not Path(identity_file).exists():
        what = f"{identity_file} is not on this computer"
        yield Finding(("uplink", "identity_file"), what, "see that it is on the gateway before the agent is started")
    if identity_file is not None and is_open_to_others(identity_file):
        what = f"other users of this computer may read the keys in {identity_file}"
        yield Finding(("uplink", "identity_file"), what, "chmod 600 it")


def _advise_bearer(pole: PoleConfig) -> Iterable[Finding]:
    """What the bearer and the plan make of the rest."""
    uplink = pole.uplink
    if uplink.bearer == "nb-iot" and uplink.is_observed:
        what = (
            f"a command may take {uplink.delay_s:g} s and batches go every {uplink.batch_s:g} s: the mailbox is "
            "observed, and the way back through the radio network kept open all day"
        )
        mend = f"let a command take {max(3600, uplink.batch_s):g} s, or send batches as often as commands must arrive"
        yield Finding(("uplink", "command_delay_s"), what, mend)
    if uplink.plan_bytes is None:
        for key in ("plan_begins_day", "plan_overrun"):
            if key in uplink.model_fields_set:
                what = f"there is no plan whose {key} this could be"
                yield Finding(("uplink", key), what, "add plan_mib_per_month, or leave this out")

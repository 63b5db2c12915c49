"""Taking a rung of the ladder."""

import asyncio
import logging

from gateway_agent.modem.dialect import Dialect
from gateway_agent.modem.errors import AtError, PortGoneError
from gateway_agent.modem.hooks import SUPPLY_OFF_S, Hook, HookError, Hooks
from gateway_agent.modem.ladder import Rung
from gateway_agent.modem.port import SerialPort

_LOG = logging.getLogger("gatepost.modem")
_AFTER_S = 2.0


def rungs_of(hooks: Hooks) -> list[Rung]:
    """The rungs that a modem has, by what its wiring can do."""
    rungs: list[Rung] = ["wait", "radio", "reset"]
    if hooks.power_key is not None:
        rungs.append("power-key")
    if hooks.supply_off is not None and hooks.supply_on is not None:
        rungs.append("supply")
    return rungs


async def take(rung: Rung, dialect: Dialect, port: SerialPort, hooks: Hooks) -> None:
    """Take a rung. What fails in it is logged: the next session shows whether it has helped."""
    try:
        await _take(rung, dialect, port, hooks)
    except HookError as problem:
        _LOG.error("%s", problem)
    except (AtError, PortGoneError) as problem:
        _LOG.info("modem: %s did not end well: %s", rung, problem)


def wake_with(hook: Hook) -> Hook:
    """The hook of the wake pin. One that fails is logged: the modem may hear AT all the same."""

    async def wake() -> None:
        try:
            await hook()
        except HookError as problem:
            _LOG.error("%s", problem)

    return wake


async def _take(rung: Rung, dialect: Dialect, port: SerialPort, hooks: Hooks) -> None:
    if rung == "radio":
        await dialect.radio(False)
        await asyncio.sleep(_AFTER_S)
    elif rung == "reset":
        await dialect.reset()
        await asyncio.sleep(_AFTER_S)
    elif rung == "power-key" and hooks.power_key is not None:
        await hooks.power_key()
    elif rung == "supply" and hooks.supply_off is not None and hooks.supply_on is not None:
        port.close()  # through whose lines a module without supply is fed on
        try:
            await hooks.supply_off()
            await asyncio.sleep(SUPPLY_OFF_S)
        finally:
            await hooks.supply_on()

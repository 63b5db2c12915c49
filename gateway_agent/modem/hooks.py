"""Commands that press a modem's power key, cut its supply or pulse its wake pin, as the board's wiring demands.

Configure: a command with its words, for instance a script that drives a GPIO line. The supply's command is run with
`off` and then with `on` as its last word. Where it hurts: a module whose supply is cut for less than about ten seconds
may be fed on through its UART and stay stuck, so the port is closed meanwhile and `off` lasts `SUPPLY_OFF_S`.
"""

import asyncio
import functools
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway_agent.modem.errors import ModemError

SUPPLY_OFF_S = 12.0
_COMMAND_S = 30.0

Hook = Callable[[], Awaitable[None]]


class HookError(ModemError):
    """A hook's command has failed; the text says which, and how."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the wiring can do; None for what is not wired."""

    power_key: Hook | None = None
    supply_off: Hook | None = None
    supply_on: Hook | None = None
    wake: Hook | None = None


def hooks_of(power_key: Sequence[str] = (), supply: Sequence[str] = (), wake: Sequence[str] = ()) -> Hooks:
    """Hooks out of commands; an empty one is not wired."""
    return Hooks(
        _command(power_key),
        _command((*supply, "off") if supply else ()),
        _command((*supply, "on") if supply else ()),
        _command(wake),
    )


def _command(words: Sequence[str]) -> Hook | None:
    return functools.partial(_run, tuple(words)) if words else None


async def _run(words: tuple[str, ...]) -> None:
    """Run a command to its end. Raises HookError."""
    run = functools.partial(
        subprocess.run, words, capture_output=True, text=True, errors="replace", timeout=_COMMAND_S, check=False
    )
    try:
        # In a thread, and not as asyncio's subprocess, so that time stands still meanwhile where it is virtual.
        done = await asyncio.get_running_loop().run_in_executor(None, run)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HookError(f"the command {words[0]} of the modem cannot be run ({error}); mend it in pole.toml") from error
    if done.returncode:
        said = done.stderr.strip()[-200:]
        raise HookError(f"the command {' '.join(words)} of the modem has failed with {done.returncode}: {said}")

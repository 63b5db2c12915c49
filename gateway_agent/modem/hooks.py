"""Commands that press a modem's power key, cut its supply or pulse its wake pin, as the board's wiring demands.

Configure: a command with its words, for instance a script that drives a GPIO line. The supply's command is run with
`off` and then with `on` as its last word. Where it hurts: a module whose supply is cut for less than about ten seconds
may be fed on through its UART and stay stuck, so the port is closed meanwhile and `off` lasts `SUPPLY_OFF_S`.
"""

import asyncio
import functools
import subprocess
import tempfile
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
    try:
        # In a thread, and not as asyncio's subprocess, so that time stands still meanwhile where it is virtual.
        code, said = await _to_its_end(asyncio.get_running_loop().run_in_executor(None, _run_here, words))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HookError(f"the command {words[0]} of the modem cannot be run ({error}); mend it in pole.toml") from error
    if code:
        raise HookError(f"the command {' '.join(words)} of the modem has failed with {code}: {said}")


async def _to_its_end(running: asyncio.Future[tuple[int, str]]) -> tuple[int, str]:
    """What it gives. Whoever is cancelled waits for its end all the same, so that `on` never overtakes `off`."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


def _run_here(words: tuple[str, ...]) -> tuple[int, str]:
    """(exit code, the end of what it said of its errors). Raises OSError, subprocess.TimeoutExpired.

    A file takes what it says, for a pipe would be waited for as long as anything that it has left running has it open,
    such as the program that holds a GPIO line.
    """
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            timeout=_COMMAND_S,
            check=False,
        )
        errors.seek(0)
        return done.returncode, errors.read().decode(errors="replace").strip()[-200:]

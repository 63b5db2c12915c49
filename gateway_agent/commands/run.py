"""`gatepost run`: the agent of one pole, until it is told to stop."""

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from gateway_agent.agent import Agent
from gateway_agent.clock import SystemClock
from gateway_agent.config import PoleConfig, advice, check_source
from gateway_agent.status import StatusServer, status_of
from gateway_agent.toml_source import load_toml

_LOG = logging.getLogger("gatepost.run")
_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def command(
    pole: Annotated[Path, typer.Argument(help="The configuration of the pole.")],
    status: Annotated[
        Path | None, typer.Option(help="Tell the state each second, as a JSON line, on this unix socket.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every miss on the buses too.")] = False,
) -> None:
    """Run the agent of a pole until SIGTERM or Ctrl-C.

    Exit code 0 when it was told to stop, 1 when it cannot start or a part of it has failed.

    Example: gatepost run /etc/gatepost/pole.toml --status /run/gatepost/status.sock
    """
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format=_LINE)
    for noisy in ("pymodbus", "gatepost.coap", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    source = load_toml(pole)
    checked = check_source(source)
    for problem in advice(checked, source):
        _LOG.warning("%s", problem)
    asyncio.run(_run(checked, pole, status))


async def _run(pole: PoleConfig, pole_file: Path, status: Path | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    agent = Agent(pole, SystemClock(), pole_file=pole_file)
    async with AsyncExitStack() as open_things:
        if status is not None:
            await open_things.enter_async_context(StatusServer(status, lambda: status_of(agent)))
        _LOG.info("gateway %s: started", pole.pole.gateway)
        await agent.run(stop)
    _LOG.info("gateway %s: ended as asked", pole.pole.gateway)

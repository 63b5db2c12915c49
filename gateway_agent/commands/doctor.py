"""`gatepost doctor`: what is wrong with a pole's modem, in words with the next step."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gateway_agent.bearers.build import modem_settings, modem_state_file
from gateway_agent.clock import Clock, SystemClock
from gateway_agent.config import PoleConfig, load_pole
from gateway_agent.config.bearers import BearerConfig
from gateway_agent.errors import GatepostError
from gateway_agent.modem.diagnosis import Diagnosis, diagnose
from gateway_agent.modem.hooks import Hooks
from gateway_agent.modem.modem import Modem
from gateway_agent.modem.settings import ModemState

STATUS = Path("/run/gatepost/status.sock")
_LOOK_S = 0.2
_ABSENT_S = 1.0
_STATUS_S = 3.0
_CLOCK_OFF_S = 5.0
_LONGEST_LINE_BYTES = 1 << 22


def command(
    pole: Annotated[Path, typer.Argument(help="The configuration of the pole.")],
    modem: Annotated[bool, typer.Option("--modem", help="Examine the modems of the uplink.")] = False,
    bearer: Annotated[str | None, typer.Option(help="Only the modem of this bearer.")] = None,
    status: Annotated[Path, typer.Option(help="The status socket of the agent, if it runs.")] = STATUS,
    seconds: Annotated[int, typer.Option(min=5, max=900, help="Give a modem so long to come into service.")] = 240,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, no progress.")] = False,
) -> None:
    """Tell what is wrong with a modem and what to do next.

    While the agent runs, it is asked what it knows. Otherwise the modem is brought into service here, and left alone
    when that fails: nothing is reset or cut from its supply. Exit code 0 when all is well, 1 when something has to be
    done.

    Example: gatepost doctor /etc/gatepost/pole.toml --modem
    """
    if not modem:
        raise typer.BadParameter("say what to examine: --modem")
    configuration = load_pole(pole)
    bearers = _bearers(configuration, pole, bearer)
    found = asyncio.run(examine(configuration, bearers, status, seconds, SystemClock(), _progress(as_json)))
    if as_json:
        print(json.dumps({"modems": [{"bearer": name, **asdict(said), "status": told} for name, said, told in found]}))
    else:
        for name, said, told in found:
            _tell(name, said, told)
    if not all(said.is_well for _, said, _ in found):
        raise typer.Exit(1)


async def examine(
    pole: PoleConfig,
    bearers: list[BearerConfig],
    status: Path,
    seconds: float,
    clock: Clock,
    show: Callable[[str], None],
) -> list[tuple[str, Diagnosis, dict[str, Any]]]:
    """Name, diagnosis and status of the modem of each bearer: from the agent at `status`, or by trying it here."""
    known = await _from_agent(status)
    found = []
    for bearer in bearers:
        told = known.get(bearer.name)
        if told is None:
            told = await _try_out(pole, bearer, seconds, clock, show)
        found.append((bearer.name, diagnose(told), told))
    return found


def _bearers(pole: PoleConfig, file: Path, name: str | None) -> list[BearerConfig]:
    with_modem = [bearer for bearer in pole.uplink.ways if bearer.modem is not None]
    wanted = [bearer for bearer in with_modem if name in (None, bearer.name)]
    if not with_modem:
        raise GatepostError(f"{file}: no bearer has a modem; name one in [[uplink.bearers]] (docs/modems.md)")
    if not wanted:
        names = ", ".join(bearer.name for bearer in with_modem)
        raise GatepostError(f"{file}: no bearer {name} has a modem; those that have are {names}")
    return wanted


async def _from_agent(status: Path) -> dict[str, dict[str, Any]]:
    """The modems of the running agent by the names of their bearers; none where no agent answers."""
    try:
        async with asyncio.timeout(_STATUS_S):
            reader, writer = await asyncio.open_unix_connection(str(status), limit=_LONGEST_LINE_BYTES)
            with contextlib.closing(writer):
                line = await reader.readline()
    except PermissionError as error:
        raise GatepostError(f"{status}: this user may not ask the agent; run as root or as the agent's user") from error
    except (OSError, TimeoutError):
        return {}
    try:
        bearers = json.loads(line)["uplink"]["bearers"]
        return {bearer["name"]: bearer["modem"] for bearer in bearers if bearer["modem"] is not None}
    except (ValueError, KeyError, TypeError) as error:
        raise GatepostError(
            f"{status}: what answers there is no agent of this version; name its status socket"
        ) from error


async def _try_out(
    pole: PoleConfig, bearer: BearerConfig, seconds: float, clock: Clock, show: Callable[[str], None]
) -> dict[str, Any]:
    """Bring a modem into service for a while, and return its status when it is there, or when it is clear that not."""
    assert bearer.modem is not None
    assert bearer.port is not None
    settings = replace(modem_settings(bearer, bearer.modem, bearer.port), hooks=Hooks(), daily_cap=0)

    def changed(state: ModemState) -> None:
        show(f"{bearer.name}: {state.reason}")

    modem = Modem(settings, clock, state_file=modem_state_file(pole, bearer), on_change=changed)
    running = asyncio.create_task(modem.run())
    loop = asyncio.get_running_loop()
    limit_s = loop.time() + seconds
    absent_s = loop.time() + _ABSENT_S
    try:
        while loop.time() < limit_s and not running.done():
            await asyncio.sleep(_LOOK_S)
            is_absent = modem.state.name == "absent" and loop.time() >= absent_s
            if modem.is_online or is_absent or any(modem.recoveries.values()):
                break
    finally:
        running.cancel()
        told = modem.status()
        await asyncio.gather(running, return_exceptions=True)
    if running.done() and not running.cancelled() and running.exception() is not None:
        raise GatepostError(f"{bearer.name}: the modem's driver has failed: {running.exception()}")
    return told


def _progress(quiet: bool) -> Callable[[str], None]:
    console = Console(stderr=True)
    if quiet:
        return lambda text: None
    return lambda text: console.print(text, style="dim", highlight=False)


def _tell(name: str, said: Diagnosis, told: dict[str, Any]) -> None:
    identity, counters = told["identity"], told["counters"]
    print(f"{name}: modem {told['model']} on {told['port']}, {identity['model'] or 'not identified'}")
    if identity["imei"]:
        print(f"  IMEI {identity['imei']}, SIM {identity['iccid'] or 'unknown'}, firmware {identity['firmware']}")
    if told["cell"]:
        print(f"  {told['registration']} in cell {told['cell']} of area {told['area']}, address {told['address']}")
    print(f"  sent {counters['sent']}, received {counters['received']}, started by itself {counters['reboots']} times")
    off_s = told["clock_off_s"]
    if off_s is not None and abs(off_s) >= _CLOCK_OFF_S:
        print(f"  the gateway's clock is {abs(off_s):.0f} s {'behind' if off_s > 0 else 'ahead of'} the network's")
    for climb in told["climbs"]:
        print(f"  {climb['rung']}: {climb['reason']}")
    print(f"  state: {said.what}")
    print(f"  next: {said.next_step}")

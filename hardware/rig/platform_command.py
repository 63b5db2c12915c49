"""`gatepost platform`: the platform stand-in for integrators, on 127.0.0.1."""

import asyncio
import json
import logging
import re
import secrets
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gateway_agent.clock import SystemClock
from gateway_agent.control import LAMP, SEND_LOG
from gateway_agent.errors import GatepostError
from gateway_agent.records import Command
from gateway_agent.uplink.identity import load_platform_identity, load_record
from gateway_agent.uplink.transfer_format import CONFIGURATION, UPDATE
from hardware.rig.platform import Platform
from hardware.rig.platform_desk import Arrival
from hardware.rig.platform_keys import PlatformKeys


@dataclass(frozen=True, slots=True)
class Access:
    """Who may speak: the platform's identity file, records to take, names to revoke, and whether all need new keys."""

    identity: Path
    records: tuple[Path, ...]
    revoked: tuple[str, ...]
    new_keys: bool


@dataclass(frozen=True, slots=True)
class Wishes:
    """What gateways are asked for: commands for whoever asks first, and files as (gateway, kind, file)."""

    commands: tuple[Command, ...]
    files: tuple[tuple[str, str, Path], ...]


_LAMP = re.compile(r"([a-z][a-z0-9_]{0,31})=(\d{1,3})(?:/(\d{1,4}))?", re.ASCII)


def command(
    port: Annotated[int, typer.Option(help="UDP port on 127.0.0.1; 0 takes any free one.", min=0, max=65535)] = 5683,
    database: Annotated[Path, typer.Option(help="SQLite file that takes what arrives.")] = Path("platform.sqlite"),
    lamp: Annotated[
        list[str] | None, typer.Option(help="Put a lamp command into the mailbox: NAME=PERCENT or NAME=PERCENT/FADE_S.")
    ] = None,
    send_log: Annotated[bool, typer.Option("--send-log", help="Ask for the last lines of the agent's log.")] = False,
    configuration: Annotated[
        list[str] | None, typer.Option(help="Offer a gateway a new pole.toml: GATEWAY=FILE.")
    ] = None,
    update: Annotated[
        list[str] | None, typer.Option(help="Offer a gateway a signed bundle for its nodes: GATEWAY=FILE.")
    ] = None,
    expires_s: Annotated[int, typer.Option(help="Seconds until those commands expire; 0 for never.", min=0)] = 600,
    identity: Annotated[
        Path | None, typer.Option(help="The platform's own keys (gatepost enrol platform).", dir_okay=False)
    ] = None,
    enrol: Annotated[
        list[Path] | None, typer.Option(help="Take a gateway's record (gatepost enrol gateway); kept from then on.")
    ] = None,
    revoke: Annotated[list[str] | None, typer.Option(help="Take nothing from this gateway any more.")] = None,
    new_keys: Annotated[
        bool, typer.Option("--new-keys", help="After a lost or restored database: every gateway agrees on new keys.")
    ] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Laboratory mode: without keys, readable and forgeable by anybody here.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per message.")] = False,
) -> None:
    """Receive what gateways send, store it, and answer as a city platform does, until Ctrl-C.

    Everything is protected by OSCORE; --clear is for trying things on one machine.

    Example: gatepost platform --identity keys/city.identity.toml --enrol keys/gp-east-12.record.toml
    """
    if clear == (identity is not None):
        raise typer.BadParameter("name the platform's keys with --identity (gatepost enrol platform), or write --clear")
    if clear and (enrol or revoke or new_keys):
        raise typer.BadParameter("--clear knows no gateways; leave --enrol, --revoke and --new-keys out")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("gatepost.platform").setLevel(logging.INFO)
    access = None if identity is None else Access(identity, tuple(enrol or ()), tuple(revoke or ()), new_keys)
    clock = SystemClock()
    expires_ms = clock.unix_ms() + expires_s * 1000 if expires_s else 0
    commands = [_lamp_command(text, expires_ms) for text in lamp or ()]
    if send_log:
        commands.append(Command(_new_id(), SEND_LOG, "gateway", {}, expires_ms))
    files = [_file(text, CONFIGURATION) for text in configuration or ()]
    files += (_file(text, UPDATE) for text in update or ())
    asyncio.run(_serve(database, port, Wishes(tuple(commands), tuple(files)), access, as_json))


def _lamp_command(text: str, expires_ms: int) -> Command:
    found = _LAMP.fullmatch(text)
    if found is None or int(found[2]) > 100 or int(found[3] or 0) > 3600:
        raise typer.BadParameter(f"{text}: write NAME=PERCENT or NAME=PERCENT/FADE_S, such as street_lamp=40/2")
    arguments = {"level_pct": int(found[2]), "fade_s": int(found[3] or 0)}
    return Command(_new_id(), LAMP, found[1], arguments, expires_ms)


def _new_id() -> str:
    return f"cli-{secrets.token_hex(4)}"


def _file(text: str, kind: str) -> tuple[str, str, Path]:
    gateway, _, path = text.partition("=")
    if not gateway or not Path(path).is_file():
        raise typer.BadParameter(f"{text}: write GATEWAY=FILE, such as gp-east-12=pole.toml; the file must be there")
    return gateway, kind, Path(path)


async def _serve(database: Path, port: int, wishes: Wishes, access: Access | None, as_json: bool) -> None:
    keys = None if access is None else await _keys(database, access)
    platform = await Platform.start(database, SystemClock(), port=port, keys=keys)
    try:
        for each in wishes.commands:
            platform.send(each)
        for gateway, kind, path in wishes.files:
            platform.offer(gateway, kind, path.read_bytes())
        platform.listeners.append(lambda arrival: print(_tell(arrival, as_json), flush=True))
        print(_greet(platform, database, keys, as_json), flush=True)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()
    finally:
        await platform.stop()


async def _keys(database: Path, access: Access) -> PlatformKeys:
    """The keys beside the database, with what was asked for done."""
    keys = PlatformKeys(Path(f"{database}.keys"), load_platform_identity(access.identity), SystemClock())
    for path in access.records:
        record = load_record(path)
        is_new = await keys.enrol(record, is_first=not access.new_keys)
        print(f"{record.gateway} is enrolled" if is_new else f"{record.gateway} was enrolled before", file=sys.stderr)
    if access.new_keys:
        keys.forget_contexts()
    for name in access.revoked:
        if not keys.revoke(name):
            raise GatepostError(f"no gateway {name} is enrolled; there are: {', '.join(keys.gateways) or 'none'}")
        print(f"{name} is revoked", file=sys.stderr)
    return keys


def _greet(platform: Platform, database: Path, keys: PlatformKeys | None, as_json: bool) -> str:
    gateways = None if keys is None else keys.gateways
    if as_json:
        return json.dumps({"url": platform.url, "database": str(database), "gateways": gateways})
    who = "IN THE CLEAR" if gateways is None else f"for {', '.join(gateways) or 'no gateway yet'}"
    return f"listening on {platform.url} {who}, storing into {database}; Ctrl-C ends"


def _tell(arrival: Arrival, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {
                "gateway": arrival.gateway,
                "epoch": arrival.epoch,
                "time_ms": arrival.time_ms,
                "records": [record.sequence for record in arrival.records],
                "readings": arrival.readings,
                "alarms": [{"point": alarm.point, "state": alarm.state} for alarm in arrival.alarms],
                "results": [{"id": result.command_id, "state": result.state} for result in arrival.results],
            }
        )
    words = [f"{arrival.gateway}: {len(arrival.records)} records, {arrival.readings} readings"]
    words += [f"ALARM {alarm.point} {'raised' if alarm.state else 'cleared'}" for alarm in arrival.alarms]
    words += [f"command {result.command_id} {result.state} {result.detail}".rstrip() for result in arrival.results]
    return ", ".join(words)

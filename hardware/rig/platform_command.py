"""`gatepost platform`: the platform stand-in for integrators, on 127.0.0.1 and in the clear."""

import asyncio
import json
import re
import secrets
import signal
from pathlib import Path
from typing import Annotated

import typer

from gateway_agent.clock import SystemClock
from gateway_agent.records import Command
from hardware.rig.platform import Platform
from hardware.rig.platform_desk import Arrival

_LAMP = re.compile(r"([a-z][a-z0-9_]{0,31})=(\d{1,3})(?:/(\d{1,4}))?", re.ASCII)


def command(
    port: Annotated[int, typer.Option(help="UDP port on 127.0.0.1; 0 takes any free one.", min=0, max=65535)] = 5683,
    database: Annotated[Path, typer.Option(help="SQLite file that takes what arrives.")] = Path("platform.sqlite"),
    lamp: Annotated[
        list[str] | None, typer.Option(help="Put a lamp command into the mailbox: NAME=PERCENT or NAME=PERCENT/FADE_S.")
    ] = None,
    expires_s: Annotated[int, typer.Option(help="Seconds until those commands expire; 0 for never.", min=0)] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per message.")] = False,
) -> None:
    """Receive what a gateway sends, store it, and answer as a city platform does, until Ctrl-C.

    In the clear, on the loopback address only. In pole.toml: url = "coap://127.0.0.1:5683", security = "clear".

    Example: gatepost platform --database city.sqlite --lamp street_lamp=40/2
    """
    clock = SystemClock()
    expires_ms = clock.unix_ms() + expires_s * 1000 if expires_s else 0
    commands = [_lamp_command(text, expires_ms) for text in lamp or ()]
    asyncio.run(_serve(database, port, commands, as_json))


def _lamp_command(text: str, expires_ms: int) -> Command:
    found = _LAMP.fullmatch(text)
    if found is None or int(found[2]) > 100 or int(found[3] or 0) > 3600:
        raise typer.BadParameter(f"{text}: write NAME=PERCENT or NAME=PERCENT/FADE_S, such as street_lamp=40/2")
    arguments = {"level_pct": int(found[2]), "fade_s": int(found[3] or 0)}
    return Command(f"cli-{secrets.token_hex(4)}", "lamp", found[1], arguments, expires_ms)


async def _serve(database: Path, port: int, commands: list[Command], as_json: bool) -> None:
    platform = await Platform.start(database, SystemClock(), port=port)
    try:
        for each in commands:
            platform.send(each)
        platform.listeners.append(lambda arrival: print(_tell(arrival, as_json), flush=True))
        print(_greet(platform, database, as_json), flush=True)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()
    finally:
        await platform.stop()


def _greet(platform: Platform, database: Path, as_json: bool) -> str:
    if as_json:
        return json.dumps({"url": platform.url, "database": str(database)})
    return f"listening on {platform.url}, storing into {database}; Ctrl-C ends"


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

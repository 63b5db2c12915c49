"""`gatepost scan`: what hangs on a bus, and giving one device another unit id."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from gateway_agent.config import load_pole
from gateway_agent.scan.findings import Found, Result, Standing
from gateway_agent.scan.fingerprint import Fingerprint, load_fingerprints
from gateway_agent.scan.port import ScanError, ScanPort
from gateway_agent.scan.readdress import device_to_move, move
from gateway_agent.scan.screen import live_view, tell
from gateway_agent.scan.search import Search
from protocols import modbus

Confirm = Callable[[str], bool]

_MOVE = re.compile(r"(\d{1,3}):(\d{1,3})")
_SERIOUS = frozenset({"swapped", "talker", "termination", "noise", "unsteady"})


def command(
    place: Annotated[
        str | None, typer.Argument(metavar="[PORT]", help="A serial port, a URL of pyserial, or a pole.toml.")
    ] = None,
    port: Annotated[str | None, typer.Option("--port", help="The same as an option.")] = None,
    bus: Annotated[str | None, typer.Option(help="Which bus of the pole.toml.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the rates with which known models leave the factory.")
    ] = False,
    profiles: Annotated[
        Path | None,
        typer.Option("--profiles", metavar="DIR", help="Device profiles of your own.", file_okay=False, exists=True),
    ] = None,
    move_ids: Annotated[
        str | None, typer.Option("--move", metavar="OLD:NEW", help="Give the device on id OLD the id NEW.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --move writes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, no progress.")] = False,
) -> None:
    """Find the devices on a bus: rates, parities, unit ids and models, and what is wrong with the line.

    Nothing else may use the port meanwhile. It reads only, unless --move is given. Ctrl-C ends it early and shows what
    is found. Exit code 0 when it came to its end, devices were found and nothing is amiss, else 1.

    Example: gatepost scan /dev/ttyUSB0
    """
    name = _port_name(place or port, bus)
    ids = None if move_ids is None else _ids(move_ids)
    console = Console(stderr=as_json, highlight=False)
    known = load_fingerprints(profiles)
    result = asyncio.run(scan(name, console, known, quick=quick, quiet=as_json))
    if as_json:
        moved = None if ids is None else asyncio.run(move_device(name, result, *ids, _confirm(yes)))
        print(json.dumps({**as_plain(result, name), "moved": moved}))
    else:
        tell(result, name, console)
        if ids is not None:
            moved = asyncio.run(move_device(name, result, *ids, _confirm(yes)))
            console.print(_told(moved))
    if not is_well(result):
        raise typer.Exit(1)


async def scan(name: str, console: Console, known: list[Fingerprint], *, quick: bool, quiet: bool) -> Result:
    """Search the port `name` and return what was found, also when Ctrl-C or a port that went away ended it.

    `known` are the models that are recognised. Raises ScanError when nothing can be found at all.
    """
    port = ScanPort(name)
    port.open()
    try:
        with Live(console=console, refresh_per_second=8, transient=True, auto_refresh=not quiet) as live:

            def show(search: Search) -> None:
                if not quiet:
                    live.update(live_view(search, name))

            search = Search(port, known, show, is_quick=quick)
            try:
                await search.run()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None:
                    task.uncancel()
            except ScanError as error:
                if not search.found:
                    raise
                console.print(str(error), style="yellow")
        return search.result()
    finally:
        port.close()


async def move_device(name: str, result: Result, old: int, new: int, confirm: Confirm) -> dict[str, Any] | None:
    """Move the device on `old` to `new`, if `confirm` agrees to the sentence that says what will be written.

    Returns what was moved, None when it was not agreed to. Raises ScanError with what to do.
    """
    one = device_to_move(result.found, old, new)
    if not confirm(f"Give the {one.model} on id {old} at {one.setting} the id {new}?"):
        return None
    port = ScanPort(name)
    port.open()
    try:
        await move(port, one, new)
    finally:
        port.close()
    return {"model": one.model, "line": str(one.setting), "from": old, "to": new}


def is_well(result: Result) -> bool:
    """Whether the search came to its end, something was found, and nothing has to be done."""
    fine = all(one.standing is Standing.ONE for one in result.found)
    return result.is_whole and bool(result.found) and fine and not any(sign.name in _SERIOUS for sign in result.signs)


def as_plain(result: Result, port: str) -> dict[str, Any]:
    """The result for programs."""
    return {
        "port": port,
        "devices": [_plain_device(one) for one in result.found],
        "talkers": [
            {"line": str(talker.setting), "model": talker.model, "bytes": talker.bytes_heard}
            for talker in result.talkers
        ],
        "signs": [asdict(sign) for sign in result.signs],
        "questions": result.questions,
        "bus_s": round(result.bus_s, 1),
        "found_s": round(result.found_s, 1),
        "plain_s": round(result.plain_s, 1),
        "is_whole": result.is_whole,
    }


def _plain_device(one: Found) -> dict[str, Any]:
    known = one.setting.is_known
    return {
        "unit": one.unit,
        "units": one.units,
        "baud": one.setting.baud if known else None,
        "parity": one.setting.parity if known else None,
        "standing": one.standing.name.lower(),
        "model": one.model,
        "profile": one.profile,
        "may_be": [{"profile": match.fingerprint.name, "bits": round(match.bits, 1)} for match in one.matches],
        "remark": one.remark,
    }


def _port_name(place: str | None, bus: str | None) -> str:
    if place is None:
        raise typer.BadParameter("say which port: gatepost scan /dev/ttyUSB0")
    if not place.endswith(".toml"):
        if bus is not None:
            raise typer.BadParameter("--bus belongs to a pole.toml; a port is one bus already")
        return place
    buses = {one.name: one for one in load_pole(Path(place)).buses}
    if bus is None and len(buses) == 1:
        return next(iter(buses.values())).port
    if bus not in buses:
        raise ScanError(f"{place}: say which bus with --bus; it has {', '.join(buses) or 'none'}")
    if buses[bus].rs485 != "auto":
        raise ScanError(f"{place}: bus {bus} has rs485 = {buses[bus].rs485!r}; scan it with a USB adapter")
    return buses[bus].port


def _ids(words: str) -> tuple[int, int]:
    """The two ids of OLD:NEW."""
    found = _MOVE.fullmatch(words)
    if found is None:
        raise typer.BadParameter(f"--move takes two ids, for example 1:17, not {words}")
    old, new = int(found[1]), int(found[2])
    if not modbus.MIN_UNIT <= new <= modbus.MAX_UNIT or old == new:
        raise typer.BadParameter(f"the new id is {modbus.MIN_UNIT} to {modbus.MAX_UNIT} and another than the old one")
    return old, new


def _confirm(yes: bool) -> Confirm:
    return (lambda sentence: True) if yes else (lambda sentence: typer.confirm(sentence, err=True))


def _told(moved: dict[str, Any] | None) -> str:
    if moved is None:
        return "Nothing was written."
    return f"{moved['model']} answers on id {moved['to']} now, no longer on {moved['from']}. Write it on the housing."

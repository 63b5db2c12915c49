"""`gatepost kit`: what a technician takes to the poles in one file, and what came of it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from gateway_agent.whole_file import write_whole
from hardware.flash.images import find_image
from hardware.kit import screen
from hardware.kit.kit_file import ENDING, Kit, open_kit
from hardware.kit.packing import build_applications, contents_of, read_update_key, write_kit
from hardware.kit.password import VARIABLE, PasswordError, password_to_open, password_to_set
from hardware.kit.plain import csv_bytes, plain_kit, plain_merged
from hardware.kit.planning import Plan, make_plan, read_keys
from hardware.kit.pole_shelf import make_keys
from hardware.kit.problems import KitProblems
from hardware.kit.results import Merged, merge
from hardware.kit.results_lines import read_results, results_beside
from hardware.kit.sealed_file import SealedFileError
from hardware.kit.work_order import read_work_order

_HELP = """Pack what a technician needs into one file, and put together what came back.

Example: gatepost kit make work-order.csv --firmware images
"""
app = typer.Typer(add_completion=False, no_args_is_help=True, help=_HELP)
Show = Callable[[int, int], None]
Row = Callable[[str], Show]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Also = Annotated[
    list[str] | None, typer.Option("--also", metavar="ID", help="Count what was done from this earlier kit too.")
]
_KitFile = Annotated[Path, typer.Argument(metavar="KIT", help="The kit, a file .gpkit.", dir_okay=False)]


@app.command("make")
def make(
    work_order: Annotated[Path, typer.Argument(metavar="WORK_ORDER", help="The CSV file, a line a terminal.")],
    firmware: Annotated[
        list[Path], typer.Option("--firmware", metavar="IMAGE|DIR", help="MicroPython's image, or a folder of them.")
    ],
    poles: Annotated[
        Path | None, typer.Option("--poles", help="The folder of the pole.toml files; else the work order's.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The kit; else beside the work order.")] = None,
    update_key: Annotated[
        Path | None, typer.Option("--update-key", help="The public keys of updates, for every node.")
    ] = None,
    guard: Annotated[bool, typer.Option("--guard", help="Refuse nodes that have no key.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Take images of unknown digest.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a kit that is there.")] = False,
    as_json: _Json = False,
) -> None:
    """Check a work order and its poles, make the keys that are missing, and pack everything into one file.

    Nothing is made before everything is right. The keys are encrypted with a password that is asked for, or taken from
    GATEPOST_KIT_PASSWORD. Exit code 0 when the kit is made, 1 when not.

    Example: gatepost kit make work-order.csv --firmware images
    """
    console = Console(stderr=as_json, highlight=False)
    target = out or work_order.with_suffix(ENDING)
    _check_target(target, replace)
    with _problems_for_programs(as_json), _bar(as_json) as bar:
        order = read_work_order(work_order)
        plan = make_plan(order, poles or work_order.parent, guard, bar("checking the orders"))
        images = tuple(find_image(place, trust) for place in firmware)
        signers = None if update_key is None else read_update_key(update_key)
        applications = build_applications(plan, bar("building the firmware"))
    contents = contents_of(plan, images, applications, signers)
    has_keys = any(one.order.has_node_key or one.order.has_broadcast_key for one in plan.orders)
    password, is_new = password_to_set([target.stem, *_names_in(plan)]) if has_keys else (None, False)
    made = []
    for path in make_keys(plan.missing_keys):
        made.append(path)
        console.print(f"key made: {path}", markup=False, soft_wrap=True)
    with _problems_for_programs(as_json):
        keys = read_keys(plan)
    kit = write_kit(target, contents, keys, password)
    if as_json:
        told = {
            "ok": True,
            **plain_kit(kit, target),
            "keys_made": [str(path) for path in made],
            "notes": list(plan.notes),
        }
        print(json.dumps({**told, "password": password} if is_new else told))
        return
    _tell_made(console, kit, target, plan, password if is_new else None)


@app.command("show")
def show(
    kit_file: _KitFile,
    terminal: Annotated[str | None, typer.Option("--terminal", metavar="CODE", help="Only this order, whole.")] = None,
    results: Annotated[
        list[Path] | None, typer.Option("--results", help="What was done; else the .gpresults beside the kit.")
    ] = None,
    unlock: Annotated[bool, typer.Option("--unlock", help="Ask for the password, and see that the keys open.")] = False,
    profiles: Annotated[
        Path | None, typer.Option("--profiles", metavar="FOLDER", help="Write the kit's device profiles there.")
    ] = None,
    also: _Also = None,
    all_rows: Annotated[bool, typer.Option("--all", help="Every order, however many.")] = False,
    as_json: _Json = False,
) -> None:
    """Check that a kit is whole, and show what is to be done and what is done already.

    The password is not needed for that; with --unlock, or GATEPOST_KIT_PASSWORD, the keys are opened too.

    Example: gatepost kit show work-order.gpkit
    """
    kit = _opened(kit_file, unlock)
    if profiles is not None:
        _write_profiles(kit, profiles)
    beside = results_beside(kit_file)
    found = results or ([beside] if beside.exists() else [])
    merged = merge((kit.kit_id, *(also or ())), kit.orders(), [read_results(path) for path in found])
    if terminal is not None:
        wanted = kit.order(terminal)
        merged = Merged(tuple(one for one in merged.orders if one.order is wanted), (), merged.warnings)
    if as_json:
        print(json.dumps({**plain_kit(kit, kit_file), **plain_merged(merged)}))
        return
    console = Console(highlight=False)
    if terminal is not None:
        screen.tell_order(console, merged.orders[0].order)
        screen.tell_tries(console, merged.orders[0])
        return
    screen.tell_orders(console, merged.orders, all_rows=all_rows)
    console.print()
    screen.tell_contents(console, kit)
    console.print()
    screen.tell_merged(console, merged)
    if not found:
        console.print(f"gatepost flash --kit {kit_file} --batch does one after the other", markup=False, soft_wrap=True)


@app.command("results")
def results(
    kit_file: _KitFile,
    files: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="The files .gpresults that came back.")],
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the table there, for a table program.")] = None,
    also: _Also = None,
    all_rows: Annotated[bool, typer.Option("--all", help="Every order, however many.")] = False,
    as_json: _Json = False,
) -> None:
    """Put together what several technicians did from one kit: done, failed and why, open, twice.

    Exit code 0 when every order is done and nothing has to be looked at, else 1.

    Example: gatepost kit results work-order.gpkit monday.gpresults tuesday.gpresults --csv done.csv
    """
    kit = open_kit(kit_file, None)
    merged = merge((kit.kit_id, *(also or ())), kit.orders(), [read_results(path) for path in files])
    console = Console(stderr=as_json, highlight=False)
    if csv_file is not None:
        _write(csv_file, csv_bytes(merged))
    if as_json:
        print(json.dumps({"kit": kit.kit_id, **plain_merged(merged)}))
    else:
        screen.tell_orders(console, merged.orders, all_rows=all_rows)
        console.print()
        screen.tell_merged(console, merged)
    if not merged.is_finished:
        raise typer.Exit(1)


def _tell_made(console: Console, kit: Kit, target: Path, plan: Plan, password: str | None) -> None:
    merged = merge((kit.kit_id,), kit.orders(), [])
    screen.tell_orders(console, merged.orders)
    console.print()
    screen.tell_contents(console, kit)
    console.print()
    screen.tell_notes(console, plan.notes)
    size = target.stat().st_size / 1e6
    console.print(f"{target}: {len(kit.orders())} orders, {size:.1f} MB, whole", markup=False, soft_wrap=True)
    if password is not None:
        console.print(f"its password: [bold]{password}[/]  It is shown only now. Tell it by another way than the file.")


def _names_in(plan: Plan) -> Iterator[str]:
    """What whoever finds the kit can read in it."""
    for pole in plan.poles:
        yield pole.pole.pole.gateway
    for one in plan.orders:
        yield from (one.order.terminal, one.order.node)


def _opened(path: Path, unlock: bool) -> Kit:
    kit = open_kit(path, None)
    if kit.has_keys and (unlock or VARIABLE in os.environ):
        return open_kit(path, password_to_open(path.name))
    if unlock:
        raise PasswordError(f"{path} has no keys, so there is nothing to unlock; it needs no password")
    return kit


def _check_target(target: Path, replace: bool) -> None:
    if target.exists() and not replace:
        raise SealedFileError(f"{target} is there already", "name another file with --out, or add --replace")
    if not target.parent.is_dir():
        raise SealedFileError(f"there is no folder {target.parent}", "make it, or name another file with --out")


def _write_profiles(kit: Kit, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SealedFileError(f"{folder} cannot be made ({error.strerror})", "name another folder") from error
    for name, text in kit.profiles().items():
        _write(folder / f"{Path(name).name}.toml", text.encode("utf-8"))


def _write(path: Path, data: bytes) -> None:
    try:
        write_whole(path, data)
    except OSError as error:
        raise SealedFileError(f"{path} cannot be written ({error.strerror})", "name another file") from error


@contextmanager
def _problems_for_programs(as_json: bool) -> Iterator[None]:
    """With `as_json`, what is wrong with a work order is printed as an object; else it is raised as it is."""
    try:
        yield
    except KitProblems as error:
        if not as_json:
            raise
        print(json.dumps({"ok": False, "problems": [asdict(problem) for problem in error.problems]}))
        raise typer.Exit(1) from error


@contextmanager
def _bar(quiet: bool) -> Iterator[Row]:
    """Gives a maker of rows: `row("what")` is a function that is told how many of how many are done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:

        def row(description: str) -> Show:
            task = progress.add_task(description, total=None)
            return partial(_advance, progress, task)

        yield row


def _advance(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)

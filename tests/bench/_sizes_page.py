"""Writes docs/sizes.md: what the node's firmware takes, as `make bench ARGS=firmware` has measured it.

`make sizes` measures first, some ten minutes; `make sizes ARGS=FILE` takes the JSON lines of a run kept in FILE.
"""

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from hardware.rig.machine import build_flash
from hardware.rig.machine.lockstep import Host
from tests.bench import firmware
from tests.firmware.workbench import table_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/sizes.md"
BUDGETS = ROOT / "firmware/budgets.toml"

Row = dict[str, str | int | float]

_BOARD_BYTES = 165_264
_HEAP_BYTES = 1 << 20
_CORE = (
    "node.app node.board node.clock node.log node.boot_state node.start node.line node.slots node.register_map "
    "node.events node.supervisor node.event_keeper node.event_registers node.status_registers node.boot_registers "
    "node.files node.settings_file node.server node.update_gate protocols.node_table"
)
_POLLING = "node.inputs node.units node.client node.poller"
_PARTS = {
    "core: pole bus, events, log, settings, safe mode": ("", _CORE),
    "polling of a sensor bus, input pins": (_CORE, _POLLING),
    "lamp: programme, groups, faults": (_CORE + " " + _POLLING, "node.lamp_service node.schedule_file"),
    "lamp by a driver on the bus, beside": (_CORE + " " + _POLLING + " node.lamp_service", "node.lamp"),
    "lamp by 0-10 V and relay, beside": (_CORE + " " + _POLLING + " node.lamp_service", "node.lamp_pins"),
    "serial sensor by frames": (_CORE + " " + _POLLING, "node.frames"),
    "4-20 mA, pulses, tilt as points": (_CORE + " " + _POLLING, "node.own_points node.current_loop node.pulses"),
    "manhole with tilt": (_CORE + " " + _POLLING, "node.cover_watch node.manhole node.manhole_registers"),
    "keyed writes": (_CORE, "node.guard"),
    "update, while one is under way": (_CORE, "node.update"),
}


def main(words: list[str]) -> None:
    """Write the page from the lines of a kept run, or from a run of now."""
    lines = Path(words[0]).read_text(encoding="utf-8").splitlines() if words else []
    rows = [json.loads(line) for line in lines if line.startswith("{")] if words else list(_told(firmware.run([])))
    PAGE.write_text(page(rows, part_sizes()), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written")


def page(rows: Iterable[Row], parts: Iterable[tuple[str, int, int]]) -> str:
    """The page's text; `parts` are (name, bytes of heap, bytes of flash)."""
    budgets = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))
    text = [
        "# Sizes of the node",
        "",
        "Made by `make sizes` from `make bench ARGS=firmware`, in the MicroPython machine of the rig, whose heap",
        "figures are those of a 32-bit board. Limits stand in `firmware/budgets.toml`, and tests hold them. A stock",
        "ESP32 shows 165,264 bytes of heap free, 147,664 with Wi-Fi on. `lamp-air` and `manhole` are the nodes of",
        "`hardware/poles/demo.toml` with all their devices. The machine runs in the rig's time, where computing takes",
        "none: loading the modules, some seconds on an ESP32, is not in `first_reading_ms`. `served_requests` is a",
        "figure of the computer that measured.",
        "",
        "| case | metric | value | limit | unit |",
        "|---|---|--:|--:|---|",
    ]
    for row in rows:
        case, metric = str(row["case"]), str(row["metric"])
        limit = budgets.get(case, {}).get(metric, budgets["bundle"].get(metric))
        shown = "" if limit is None else f"{limit:,}"
        text.append(f"| {case} | {metric} | {row['value']:,} | {shown} | {row['unit']} |")
    text += [
        "",
        "What each part takes of the heap when it is loaded, and of the flash:",
        "",
        "| part | heap | flash |",
        "|---|--:|--:|",
    ]
    text += [f"| {name} | {heap:,} | {flash:,} |" for name, heap, flash in parts]
    text += ["", f"What is left of {_BOARD_BYTES:,} bytes is for tables, slots, events and what a day needs.", ""]
    return "\n".join(text)


def part_sizes() -> Iterator[tuple[str, int, int]]:
    """Each part's name, heap with what it imports beyond what it stands on, and the flash of that."""
    with tempfile.TemporaryDirectory() as folder:
        flash = build_flash(Path(folder), table_of((1, 1)))
        for name, (ground, own) in _PARTS.items():
            host = Host({"heap_bytes": _HEAP_BYTES, "flash": str(flash), "hide": True})
            try:
                host.script("import sys\nsys.path.insert(0, 'slot_a')")
                before = _load(host, ground)
                after = _load(host, own)
            finally:
                host.close()
            yield name, after[0] - before[0], _flash_bytes(flash, after[1] - before[1])


def _load(host: Host, names: str) -> tuple[int, set[str]]:
    """Bytes of heap in use and the modules that are there, when these have been imported."""
    for name in names.split():
        reply = host.script(f"import {name}")
        if reply.ended is not None and reply.ended[0] == "crash":
            raise RuntimeError(reply.ended[1])
    printed = host.script("import sys\nprint(' '.join(sys.modules))").printed
    return int(host.information()["lines"][2]), set(printed[0].split())


def _flash_bytes(flash: Path, modules: Iterable[str]) -> int:
    files = [flash / "slot_a" / f"{name.replace('.', '/')}.mpy" for name in modules]
    return sum(file.stat().st_size for file in files if file.is_file())


def _told(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        print(json.dumps(row), flush=True)
        yield row


if __name__ == "__main__":
    main(sys.argv[1:])

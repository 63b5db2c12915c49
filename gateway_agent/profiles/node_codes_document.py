"""The text of docs/node-codes.md: every number that a node tells, what it means and what to do about it.

Names, numbers and meanings are those of the modules of `protocols` that hold them; what to do stands here.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = """# The numbers of a node

Made by `make gen` from `protocols/*_codes.py` and `gateway_agent/profiles/node_codes_document.py`; do not edit.

A node speaks in numbers; the agent's log, alarms and commands have them as sentences. Where each stands among the
registers is told in [node-map.md](node-map.md), what a node does in [node.md](node.md). Where nothing stands under
"what to do", nothing is to be done.
"""


@dataclass(frozen=True, slots=True)
class Group:
    """One table: the constants of a module of `protocols` from `first` to `last` in its order, and what to do by name.

    `is_bit`: the numbers are bits of a register. `names` has the names that are not those of the constants.
    """

    title: str
    module: str
    first: str
    last: str
    mends: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    is_bit: bool = False
    names: Mapping[str, str] = field(default_factory=dict)


_FLASH = "the flash is full or worn: change the board"
_SEND_AGAIN = "send it again; the node goes on at the block it had"
_BUILD_AGAIN = "build the bundle again with `make bundle`"
_SENSOR = "look at the sensor, its cable and its air path"
_GROUPS = (
    Group(
        "Why the node has started",
        "start_codes",
        "POWER",
        "EXCEPTION",
        {
            "POWER": "nothing; if it comes by itself again and again, look at the supply under load",
            "PANIC": "note the console's text over USB; if it comes again, give the node another version or board",
            "WATCHDOG": "the log tells which task; if it comes again, give the node another version",
            "EXCEPTION": "the log tells the error's first letters, the console file and line; report it",
        },
        "Register `start_reason` of the block boot, and the value of the event node-started.",
    ),
    Group(
        "What the node serves",
        "start_codes",
        "FULL_MODE",
        "SAFE_WITHOUT_TABLE",
        {
            "SAFE_AFTER_CRASHES": "it ends by itself after a good hour; send an update if the crashes come again",
            "SAFE_WITHOUT_TABLE": "`gatepost node-settings --no-table`, or write `node.tab` over USB",
        },
        "Register `safe_mode`. In safe mode pole bus, events, log, settings and update are served; the lamp is lit.",
    ),
    Group(
        "Why a slot was left",
        "start_codes",
        "NOT_LEFT",
        "CRASHED",
        {
            "TRIAL_ENDED": "try the update again when the supply is steady",
            "NOT_STARTING": _BUILD_AGAIN,
            "CRASHED": "the spare version runs; build a better one",
        },
        "Register `left_reason`; from 20 on it is a reason of an update's trial (below).",
    ),
    Group("Tasks", "task_codes", "SERVER", "CONSOLE", {}, "The value of the log's entry 2."),
    Group(
        "Events",
        "event_codes",
        "NODE_STARTED",
        "UPDATE_WENT_BACK",
        {
            "NODE_STARTED": "see why the node has started, above",
            "INPUT_RAISED": "send somebody, as the input's meaning demands",
            "DEVICE_LOST": "look at the device's supply, its A/B wires and unit id",
            "LAMP_FAILED": "see the lamp's reasons below",
            "EVENTS_LOST": "the gateway was away for too long, or an input chatters",
            "FLASH_FAILED": _FLASH,
            "SAFE_MODE": "see what the node serves, above",
            "UPDATE_WENT_BACK": "see the update's reasons below",
            "LAMP_FAULT_FIRST": "see the faults of the lamp below",
            "MANHOLE_ALARM_FIRST": "see the alarms of a manhole below",
        },
        "Numbers 20 to 29 are faults of the lamp, 40 to 53 alarms of the manhole, by the bit of the tables below.",
        names={"LAMP_FAULT_FIRST": "lamp-failure to lamp-cycling", "MANHOLE_ALARM_FIRST": "cover-open to sensor-fault"},
    ),
    Group(
        "Qualities",
        "quality",
        "GOOD",
        "SHORT_CIRCUIT",
        {
            "NEVER": "wait one period; then as for no-answer",
            "NO_ANSWER": "look at the device's supply, its A/B wires and unit id",
            "BAD_ANSWER": "look for noise, a missing terminator, a second device with the same unit id",
            "INVALID": "the device has no value: see its manual",
            "RANGE": "compare model and options in pole.toml with the device; a level probe may lack supply",
            "WARMING_UP": "wait for the profile's `warm_up_s`; in a manhole half an hour of it is a fault",
            "STALE": "the sensor stopped to send: look at its cable",
            "FAULT": "change the device, or see its manual",
            "NO_ECHO": "look for foam, a cobweb, water above the sensor",
            "STUCK": "the sensor talks but does not measure: clean or change it",
            "WIRE_BREAK": "below 3.6 mA: look for a broken wire or a probe without supply",
            "SHORT_CIRCUIT": "above 21 mA: look for a short in the loop or the sensor",
        },
        "The upper half of a slot's third register; only good makes a reading.",
    ),
    Group("Results of a lamp command", "lamp_codes", "NONE", "REFUSED"),
    Group(
        "Reasons of a lamp command",
        "lamp_codes",
        "NO_REASON",
        "OUTRANKED",
        {
            "LEVEL_OUT_OF_RANGE": "send 0 to 100, or 0xFFFF to end an override",
            "NO_LAMP": "give the node the table of its pole.toml",
            "EXPIRED": "send it again with a later `expires_s`; compare the clocks",
            "DRIVER_SILENT": "look at the driver's power and at the sensor bus",
            "DRIVER_REFUSED": "wrong profile or address of the driver",
            "NOT_KEPT": "look at the driver: it takes the level and shows another",
            "OUTRANKED": "end the emergency first",
        },
    ),
    Group("Which rule holds for the lamp", "lamp_codes", "SOURCE_BOOT", "SOURCE_DEFAULT"),
    Group("Why there is an override", "lamp_codes", "OVERRIDE_UNKNOWN", "OVERRIDE_EVENT"),
    Group(
        "Faults of the lamp",
        "lamp_codes",
        "LAMP_FAILURE",
        "CYCLING",
        {
            "LAMP_FAILURE": "change lamp or driver",
            "POWER_LOW": "a part of the modules is dead, or `full_w` in pole.toml is wrong",
            "POWER_HIGH": "something else hangs on the line, or `full_w` is wrong",
            "BURNS_BY_DAY": "the relay is welded, or somebody else commands the driver",
            "GEAR_SILENT": "look at the driver's power and at the sensor bus",
            "SUPPLY_LOST": "look at the branch's fuse",
            "SUN_TABLE_ENDED": "the lamp goes on; mend the gateway",
            "NO_SCHEDULE": "give the node `[[lamps]]` in pole.toml; until then it lights by fail-safe",
            "NO_TIME": "the gateway sets the time; is it running, is its own clock right?",
            "CYCLING": "change the discharge lamp, it is at its end",
        },
        "Bits of the register `faults`.",
        is_bit=True,
    ),
    Group("States of a manhole's cover", "manhole_codes", "UNKNOWN", "TURNED_OVER"),
    Group(
        "Alarms of a manhole",
        "manhole_codes",
        "COVER_OPEN",
        "SENSOR_FAULT",
        {
            "COVER_OPEN": "send somebody; close it, then acknowledge",
            "COVER_TURNED_OVER": "send somebody at once: an open shaft",
            "LEVEL_WARNING": "watch the level",
            "LEVEL_ALARM": "send somebody",
            "LEVEL_CRITICAL": "the shaft overflows or is about to",
            "CH4_LOW": "no one goes in before it is aired",
            "CH4_HIGH": "danger of explosion: keep away, call the gas service",
            "H2S_LOW": "no one goes in before it is aired",
            "H2S_HIGH": "poison: no one goes in without breathing gear",
            "CO_LOW": "no one goes in before it is aired",
            "CO_HIGH": "poison: no one goes in without breathing gear",
            "O2_LOW": "no one goes in before it is aired",
            "O2_HIGH": "danger of fire: keep flames away",
            "SENSOR_FAULT": _SENSOR,
        },
        "Bits of the register `alarms`; each stays until its cause is gone and somebody has acknowledged it.",
        is_bit=True,
    ),
    Group("What became of settings", "settings_codes", "NONE", "REFUSED"),
    Group(
        "Why settings were refused",
        "settings_codes",
        "NO_REASON",
        "NOTHING_SENT",
        {
            "NOT_WHOLE": "send them again",
            "VERSION": "bring gateway and firmware to the same release",
            "SECTION": "bring gateway and firmware to the same release",
            "TABLE": "`gatepost check` the pole.toml; bring gateway and firmware to the same release",
            "FLASH": _FLASH,
            "MEMORY": "restart the node and send them again",
            "OTHER_TERMINAL": "the unit ids of two nodes are mixed up, or the board was changed: compare the label",
            "NOTHING_SENT": "send the file before putting it into force",
        },
    ),
    Group("Commands of an update", "update_codes", "BEGIN", "ABANDON"),
    Group("States of an update", "update_codes", "IDLE", "WENT_BACK"),
    Group(
        "Reasons of an update",
        "update_codes",
        "NONE",
        "CANNOT_START",
        {
            "TOO_LARGE": "leave out what the node does not need",
            "BAD_MANIFEST": _BUILD_AGAIN,
            "BAD_SIGNATURE": "sign with the key that the node was provisioned with",
            "NO_KEY": "give the node `update.key` over USB",
            "OTHER_BOARD": "take the bundle of this node's board",
            "OTHER_BYTECODE": "compile with the mpy-cross that fits the node's MicroPython",
            "TOO_OLD": "build a newer version; an old one is refused on purpose",
            "BAD_PATH": _BUILD_AGAIN,
            "TOO_MANY_FILES": _BUILD_AGAIN,
            "WRONG_LENGTH": "the file was cut off on its way to the gateway: copy it again",
            "BAD_FILE": "send the bundle again",
            "FLASH_FAILED": _FLASH,
            "INTERRUPTED": _SEND_AGAIN,
            "ABANDONED": _SEND_AGAIN,
            "NO_MEMORY": "restart the node and send it again",
            "FLASH_FULL": "leave out what the node does not need, or what else was put on its flash",
            "GATEWAY_SILENT": "look at the pole bus, then try again",
            "DEVICES_SILENT": "does the old version still read it? then report it; else mend the device and try again",
            "RESTARTED": "try again when the supply is steady",
            "CRASHED": "the log tells the error; report it",
            "CANNOT_START": _BUILD_AGAIN,
        },
    ),
    Group(
        "Why a guarded write was refused",
        "auth_codes",
        "NONE",
        "FLASH_FAILED",
        {
            "WRONG_TAG": "does the gateway have this node's key? if yes, somebody else writes on this bus",
            "OLD_COUNTER": "the gateway learns the counter by itself; if it goes on, somebody repeats recorded writes",
            "NOT_WHOLE": "write the whole block",
            "NO_KEY": "provision the node with the broadcast key of its pole",
            "FLASH_FAILED": _FLASH,
        },
    ),
    Group(
        "The log",
        "log_codes",
        "STARTED",
        "IDENTITY_BROKEN",
        {
            "IDENTITY_BROKEN": "write the identity again over USB: `gatepost flash`",
            "STARTED": "see why the node has started, above",
            "SAFE_MODE": "see what the node serves, above",
            "SETTINGS_REFUSED": "see why settings were refused, above",
            "SLOT_LEFT": "see why a slot was left, above",
            "EVENTS_LOST": "the gateway was away for too long, or an input chatters",
            "TASK_MISSING": "if it comes again, give the node another version",
            "EXCEPTION": "report it with the console's text",
            "FLASH_FAILED": "error 28: it is full, remove what is not the node's; else it is worn: change the board",
            "TABLE_BROKEN": "`gatepost node-settings`, with `--no-table` where it listens as unit 247",
            "MEMORY_SHORT": "give the node fewer devices, or report it",
        },
        "File 60003; the agent reads it and puts each entry into its own log.",
    ),
    Group(
        "What is wrong with a node table",
        "errors",
        "SHORT",
        "VERSION",
        {
            "SHORT": "send settings again, or write `node.tab` again over USB",
            "CRC": "send settings again, or write `node.tab` again over USB",
            "LENGTH": "send settings again, or write `node.tab` again over USB",
            "VALUE": "bring gateway and firmware to the same release",
            "VERSION": "bring gateway and firmware to the same release",
        },
        "The value of the log's entry 9, where no table is found whole; the others are told by the agent of answers.",
    ),
)


def untold_constants(protocols: Path) -> list[str]:
    """The numbers of `protocols/*_codes.py` that are in no table, or in one without a meaning."""
    told: set[tuple[str, str]] = set()
    for group in _GROUPS:
        told.update((group.module, name) for name, _, meaning in _chosen(group, protocols) if meaning)
    return [
        f"{file.stem}.{name}"
        for file in sorted(protocols.glob("*_codes.py"))
        for name, _, _ in _constants(file)
        if (file.stem, name) not in told
    ]


def node_codes_document(protocols: Path) -> str:
    """The whole document; `protocols` is the folder of the modules."""
    return "\n".join([_HEAD, *(_table(group, _chosen(group, protocols)) for group in _GROUPS)])


def _chosen(group: Group, protocols: Path) -> list[tuple[str, int, str]]:
    """The constants of a group."""
    constants = list(_constants(protocols / f"{group.module}.py"))
    names = [name for name, _, _ in constants]
    return constants[names.index(group.first) : names.index(group.last) + 1]


def _table(group: Group, chosen: list[tuple[str, int, str]]) -> str:
    unknown = group.mends.keys() - {name for name, _, _ in chosen}
    if unknown:
        raise LookupError(f"protocols/{group.module}.py has no {', '.join(sorted(unknown))} among {group.title}")
    lines = [f"## {group.title}", ""]
    if group.note:
        lines += [group.note, ""]
    head = "bit" if group.is_bit else "number"
    lines += [f"| {head} | name | meaning | what to do |", "|--:|---|---|---|"]
    for place, (name, number, meaning) in enumerate(chosen):
        # The first of a group begins with what the whole group is.
        told = meaning.partition(": ")[2] if place == 0 and ": " in meaning else meaning
        called = group.names.get(name, name.lower().replace("_", "-"))
        lines.append(f"| {number} | {called} | {told[:1].upper()}{told[1:]} | {group.mends.get(name, '')} |")
    lines.append("")
    return "\n".join(lines)


def _constants(file: Path) -> Iterator[tuple[str, int, str]]:
    """Name, number and docstring of each integer constant of a module, in its order."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for statement, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int(number))):
                match after:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        yield name, number, " ".join(text.split())
                    case _:
                        yield name, number, ""

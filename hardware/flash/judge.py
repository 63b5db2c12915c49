"""Whether a node is what was ordered: its own report, held against the order, point by point.

Nothing passes by silence: a line that the node does not tell is a check that failed.
"""

from collections.abc import Iterator

from gateway_agent.provision import digest
from hardware.bundle.boards import board_number
from hardware.flash.console import DeviceReport, NodeReport
from hardware.flash.node_file import UPDATE_KEY_BYTES
from hardware.flash.orders import Job
from hardware.flash.results import Check
from protocols import node_table_layout

_AGAIN = "flash the node again; if it stays, take another board"
_ANSWERED, _WAITING = "answered", "waiting"
_MISSING = "not told"
_OK = "ok"
_NO_TABLE = (["safe"], ["2"])
"""The mode of a node that waits for its settings."""
_NEEDED = frozenset({"flash", "table"})
"""Self tests without which nothing passes; every other that the node tells of has to be right as well."""


def judge(job: Job, mac: str, report: NodeReport, *, with_bus: bool) -> tuple[Check, ...]:
    """Every check of a node, those of its sensor bus only `with_bus`."""
    checks = [*_identity(job, mac, report), *_firmware(job, report), *_tests(report)]
    return (*checks, *(_devices(job, report) if with_bus else ()))


def table_digest(table: bytes | None) -> str:
    """How a node names its table: eight hexadecimal digits, "none" without one."""
    return "none" if table is None else f"{digest(table):08x}"


def device_count(table: bytes | None) -> int:
    """How many devices stand in a table."""
    return 0 if table is None else table[node_table_layout.DEVICE_COUNT_AT]


def is_waiting(report: NodeReport) -> bool:
    """Whether the node has devices that it has not asked yet."""
    return any(device.standing == _WAITING for device in report.devices)


def _identity(job: Job, mac: str, report: NodeReport) -> Iterator[Check]:
    order = job.order
    yield _same(report, "identity", "whole", "identity", _AGAIN)
    yield _same(report, "terminal", order.terminal, "terminal", "it answers for another terminal: " + _AGAIN)
    yield _same(report, "mac", mac, "MAC", "another board answers than was flashed: is the port the right one?")
    for name, key in (("node_key", order.node_key), ("broadcast_key", order.broadcast_key)):
        yield _same(report, name, "no" if key is None else "yes", name.replace("_", " "), _AGAIN)
    keys = len(order.update_key or b"") // UPDATE_KEY_BYTES
    yield _same(report, "update_keys", str(keys), "update keys", _AGAIN)


def _firmware(job: Job, report: NodeReport) -> Iterator[Check]:
    yield _same(report, "firmware", job.application.version_text, "firmware", _AGAIN)
    wanted = str(board_number(job.order.board))
    yield _same(report, "board", wanted, "board", f"it runs the firmware of another board: say --board, then {_AGAIN}")
    if job.image.version != "unknown":
        yield _same(report, "micropython", job.image.version, "MicroPython", _AGAIN)
    yield _same(report, "table", table_digest(job.order.table), "table", _AGAIN)
    told = report.fields.get("mode", _MISSING)
    is_right = told.split()[:1] == ["full"] if job.order.table else (told.split()[:1], told.split()[-1:]) == _NO_TABLE
    yield Check("mode", is_right, told, "read why in its log: gatepost node-log, then " + _AGAIN)


def _tests(report: NodeReport) -> Iterator[Check]:
    for name in sorted(_NEEDED - report.tests.keys()):
        yield Check(f"test {name}", False, _MISSING, _AGAIN)
    for name, told in report.tests.items():
        yield Check(f"test {name}", told.split()[:1] == [_OK], told, _AGAIN)


def _devices(job: Job, report: NodeReport) -> Iterator[Check]:
    wanted = device_count(job.order.table)
    told = len(report.devices)
    if told != wanted:
        yield Check("devices", False, f"{told} of the {wanted} in its table are told of", _AGAIN)
    for device in report.devices:
        yield Check(_name(device), device.standing == _ANSWERED, device.standing, _device_mend(device))


def _name(device: DeviceReport) -> str:
    return f"device {device.number}, " + (f"unit {device.unit}" if device.unit else "on pins")


def _device_mend(device: DeviceReport) -> str:
    if device.standing == _WAITING:
        return "it was not asked in time: ask the node once more with --check"
    return (
        "check its power, A and B (swapped?) and its unit id (gatepost scan); where nothing is connected yet: --no-bus"
    )


def _same(report: NodeReport, field: str, wanted: str, name: str, mend: str) -> Check:
    told = report.fields.get(field, _MISSING)
    return Check(name, told == wanted, told if told == wanted else f"{told}, not {wanted}", mend)

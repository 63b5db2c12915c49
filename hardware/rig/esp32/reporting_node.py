"""A node in a few lines: at UART0 it answers "?" with what it makes of its flash, as firmware does (console.md).

For runs of hundreds of boards, where a node machine (`node_application`) would cost seconds each. It reads identity,
manifest and table from the flash that it was started from, and tells nothing else than that; its sensor bus is not
there, so that all its devices are silent unless `devices_answer`.
"""

import time
from collections.abc import Callable, Iterator

from gateway_agent.provision import digest
from hardware.flash.esp_image import micropython_version
from hardware.flash.layout import Found, read_back
from hardware.flash.node_file import UPDATE_KEY_BYTES
from hardware.flash.problem import FlashProblem
from protocols import bundle, factory_record, node_table_layout
from protocols.crc import crc16

_PROMPT = b"\r\nMicroPython; no file system\r\n>>> "
_MANIFEST, _TABLE, _UPDATE_KEY = "slot_a/manifest.bin", "node.tab", "update.key"
_VERSION_AT, _BOARD_AT = 8, 16


class ReportingNode:
    """One start of one node. Make it by `start`, which is an Application once `mac` is bound to it."""

    def __init__(self, report: tuple[tuple[str, str], ...] | None, say: Callable[[bytes], None]) -> None:
        self._report = report
        self._say = say
        self._line = b""
        self._began_s = time.monotonic()

    @classmethod
    async def start(
        cls, flash: bytes, say: Callable[[bytes], None], *, mac: bytes, devices_answer: bool = True
    ) -> "ReportingNode":
        """Read the flash; one that holds no file system gives MicroPython's prompt and no answers."""
        try:
            found = read_back(flash)
        except FlashProblem:
            say(_PROMPT)
            return cls(None, say)
        return cls(tuple(_report(found, flash, mac, devices_answer)), say)

    def receive(self, data: bytes) -> None:
        """Answer each "?" that stands alone on its line."""
        *lines, self._line = (self._line + data).replace(b"\n", b"\r").split(b"\r")
        for line in lines:
            if line == b"?" and self._report is not None:
                self._answer(self._report)

    async def stop(self) -> None:
        """Nothing runs."""

    def _answer(self, report: tuple[tuple[str, str], ...]) -> None:
        lines = [
            f"{key}: {value}" for key, value in (*report, ("uptime_s", str(int(time.monotonic() - self._began_s))))
        ]
        counted = "".join(line + "\n" for line in lines).encode()
        end = f"-- end {crc16(counted, 0, len(counted)):04X} --"
        self._say("".join(line + "\r\n" for line in ("-- gatepost node --", *lines, end)).encode())


def _report(found: Found, flash: bytes, mac: bytes, devices_answer: bool) -> Iterator[tuple[str, str]]:
    record = found.nvs.get((factory_record.NVS_NAMESPACE, factory_record.NVS_KEY))
    blob = record if isinstance(record, bytes) else None
    terminal = factory_record.field(blob, factory_record.TERMINAL_CODE) if blob is not None else None
    yield "report", "1"
    yield "terminal", terminal.decode("ascii", "replace") if terminal is not None else "none"
    yield "mac", mac.hex(":")
    manifest, table = found.files.get(_MANIFEST, b""), found.files.get(_TABLE)
    is_manifest = manifest[: len(bundle.MAGIC)] == bundle.MAGIC
    yield "board", str(int.from_bytes(manifest[_BOARD_AT : _BOARD_AT + 2], "big")) if is_manifest else "0"
    yield "firmware", _version(manifest) if is_manifest else "none"
    yield "micropython", micropython_version(flash) or "unknown"
    yield "mode", "full 0" if table is not None else "safe 2"
    yield "table", "none" if table is None else f"{digest(table):08x}"
    yield "identity", "none" if blob is None else "whole" if factory_record.is_whole(blob) else "broken"
    for key, kind in (("node_key", factory_record.NODE_KEY), ("broadcast_key", factory_record.BROADCAST_KEY)):
        is_there = blob is not None and factory_record.field(blob, kind) is not None
        yield key, "yes" if is_there else "no"
    yield "update_keys", str(len(found.files.get(_UPDATE_KEY, b"")) // UPDATE_KEY_BYTES)
    for number in range(table[node_table_layout.DEVICE_COUNT_AT] if table is not None else 0):
        yield f"device {number}", _device(table or b"", number, devices_answer)
    yield "test table", "ok"
    yield "test flash", "ok"


def _version(manifest: bytes) -> str:
    major, minor = manifest[_VERSION_AT : _VERSION_AT + 2]
    patch = int.from_bytes(manifest[_VERSION_AT + 2 : _VERSION_AT + 4], "big")
    return f"{major}.{minor}.{patch}"


def _device(table: bytes, number: int, answers: bool) -> str:
    """One device of a node table: the unit id is the first byte of its entry, the count of its points the last."""
    devices_at = int.from_bytes(table[node_table_layout.DEVICES_AT : node_table_layout.DEVICES_AT + 2], "big")
    entry_at = devices_at + number * node_table_layout.DEVICE_BYTES
    unit, points = table[entry_at], table[entry_at + node_table_layout.DEVICE_BYTES - 1]
    place = f"unit {unit}" if unit else "pins"
    return f"{place} {'answered' if answers else 'silent'}, {points if answers else 0} of {points} points good"

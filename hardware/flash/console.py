"""Asks a running node over its USB port who it is and whether it works: protocols/spec/console.md.

    with serial.serial_for_url(port, 115200, timeout=0.1) as line:
        report = ask_node(line, timeout_s=10)
        print(report.fields["terminal"], report.tests)

Whatever else comes (the boot log, a traceback, half a line) is passed over; a damaged answer is asked for again.
Try it without hardware: `NodeMachine.connect_console` and `type` (hardware/rig/machine) are the other end.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from gateway_agent.errors import GatepostError
from protocols.crc import crc16

# A CR before the request ends whatever noise stands in the node's line; the request goes out in one piece.
_ASK = b"\r?\r"
_SCAN = b"\rscan\r"
_AGAIN_S = 2.0
_SCAN_AGAIN_S = 15.0
_READ_BYTES = 256
_LONGEST_LINE = 512
_FIRST = b"-- gatepost node --"
_LAST = re.compile(rb"-- end ([0-9A-F]{4}) --")
_DEVICE = re.compile(
    r"(?:unit (?P<unit>\d{1,3})|pins) (?P<standing>[a-z]+), (?P<good>\d+) of (?P<points>\d+) points good"
    r"(?:, (?P<warming>\d+) warming up)?"
)
_PROMPT = b">>> "


class ConsoleError(GatepostError):
    """The node could not be asked; `what` says what happened, `mend` what to do next."""

    def __init__(self, what: str, mend: str) -> None:
        self.what, self.mend = what, mend
        super().__init__(f"{what}; {mend}")


class Port(Protocol):
    """A serial port as pyserial's, with a short timeout of its own: `read` returns empty when that is over."""

    def read(self, size: int = 1, /) -> bytes:
        """Up to `size` bytes."""
        ...

    def write(self, data: bytes, /) -> int | None:
        """Send `data`."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One device of the node's table, by its number there; `unit` is 0 for one of pins.

    `standing`: "answered", "silent", "garbled" (something comes that is no answer) or "waiting" (not asked yet).
    """

    number: int
    unit: int
    standing: str
    good: int
    points: int
    warming_up: int = 0


@dataclass(frozen=True, slots=True)
class NodeReport:
    """`fields` by name as the node wrote them, `devices` in its table's order, `tests` by name: "ok", perhaps with a
    remark in brackets, or "failed: " and why."""  # fmt: skip

    fields: dict[str, str]
    devices: tuple[DeviceReport, ...]
    tests: dict[str, str]

    @property
    def failed_tests(self) -> dict[str, str]:
        """Those of `tests` that are not ok."""
        return {name: told for name, told in self.tests.items() if told.split()[:1] != ["ok"]}


class AnswerReader:
    """Finds whole answers in what comes from the port. `damaged` counts those whose CRC was wrong."""

    def __init__(self) -> None:
        self.damaged = 0
        self.is_inside = False
        self._rest = b""
        self._lines: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[list[tuple[str, str]]]:
        """Take in bytes; gives the lines, as (key, value), of each answer that they complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LONGEST_LINE:]
        for line in lines:
            answer = self._take(line.rstrip(b"\r"))
            if answer is not None:
                yield answer

    def _take(self, line: bytes) -> list[tuple[str, str]] | None:
        if line.endswith(_FIRST):
            self.is_inside, self._lines = True, []
            return None
        if not self.is_inside:
            return None
        last = _LAST.fullmatch(line)
        if last is None:
            self._lines.append(line)
            return None
        self.is_inside = False
        body = b"".join(one + b"\n" for one in self._lines)
        if crc16(body, 0, len(body)) != int(last[1], 16):
            self.damaged += 1
            return None
        pairs = (one.decode("ascii", "replace").partition(": ") for one in self._lines)
        return [(key, value) for key, _, value in pairs]


def ask_node(port: Port, *, timeout_s: float, on_text: Callable[[str], None] | None = None) -> NodeReport:
    """What the node tells of itself. `on_text` gets all that comes, as it comes.

    Raises ConsoleError when no whole report has come after `timeout_s`, and the port's own errors (OSError).
    """
    for answer in _answers(port, _ASK, timeout_s, _AGAIN_S, on_text):
        if answer and answer[0][0] == "report":
            return read_report(answer)
    raise AssertionError("unreachable: _answers ends by ConsoleError")


def scan_bus(port: Port, *, timeout_s: float = 180.0, on_text: Callable[[str], None] | None = None) -> tuple[int, ...]:
    """The unit ids that answer on the node's sensor bus, in their order; to ask all of them takes a minute.

    Raises ConsoleError when the node refuses, or has not ended after `timeout_s`.
    """
    for answer in _answers(port, _SCAN, timeout_s, _SCAN_AGAIN_S, on_text):
        fields = dict(answer)
        if "scan" not in fields:
            continue
        if fields["scan"] != "done":
            raise ConsoleError(
                f"the node does not scan its sensor bus ({fields['scan'].removeprefix('refused: ')})",
                "look at the node's report, and give it a table with a sensor bus (gatepost flash)",
            )
        return tuple(int(word) for word in fields.get("answered", "").split() if word.isdecimal())
    raise AssertionError("unreachable: _answers ends by ConsoleError")


def read_report(answer: list[tuple[str, str]]) -> NodeReport:
    """A report out of the lines of an answer. Raises ConsoleError for a device's line that cannot be read."""
    fields: dict[str, str] = {}
    tests: dict[str, str] = {}
    devices: list[DeviceReport] = []
    for key, value in answer:
        if key.startswith("test "):
            tests[key.removeprefix("test ")] = value
        elif key.startswith("device "):
            devices.append(_device(key.removeprefix("device "), value))
        else:
            fields[key] = value
    return NodeReport(fields, tuple(devices), tests)


def _device(number: str, told: str) -> DeviceReport:
    found = _DEVICE.fullmatch(told)
    if found is None or not number.isdecimal():
        raise ConsoleError(
            f"the node tells of a device in words that are not known here (device {number}: {told})",
            "its firmware is newer than this program: take the gatepost that belongs to it",
        )
    unit, good, points, warming = (int(found[name] or 0) for name in ("unit", "good", "points", "warming"))
    return DeviceReport(int(number), unit, found["standing"], good, points, warming)


def _answers(
    port: Port, request: bytes, timeout_s: float, again_s: float, on_text: Callable[[str], None] | None
) -> Iterator[list[tuple[str, str]]]:
    """Whole answers one after the other; asks again when one was damaged, or nothing has come for `again_s`."""
    reader = AnswerReader()
    now = time.monotonic()
    end, ask_at, damaged = now + timeout_s, now, 0
    tail = b""
    while now < end:
        if now >= ask_at or reader.damaged > damaged:
            damaged = reader.damaged
            port.write(request)
            ask_at = now + again_s
        data = port.read(_READ_BYTES)
        now = time.monotonic()
        if data:
            if reader.is_inside or request == _SCAN:  # a scan tells by dots that it goes on
                ask_at = now + again_s
            tail = (tail + data)[-_LONGEST_LINE:]
            if on_text is not None:
                on_text(data.decode("ascii", "replace"))
            yield from reader.feed(data)
    raise _silence(reader, tail, timeout_s)


def _silence(reader: AnswerReader, tail: bytes, timeout_s: float) -> ConsoleError:
    if reader.damaged or reader.is_inside:
        return ConsoleError(
            f"the node answers, but no answer came whole within {timeout_s:.0f} s",
            "plug the cable in again, without a hub, and ask again",
        )
    if tail.rstrip(b"?\r\n ").endswith(_PROMPT.strip()):
        return ConsoleError(
            "MicroPython is at its prompt, the node's firmware does not run",
            "press EN and ask again; if it stays, flash the node again",
        )
    if not tail:
        return ConsoleError(
            f"nothing at all came from the node within {timeout_s:.0f} s",
            "see that the port is the node's and the cable carries data, press EN, and ask again",
        )
    line = next((one.strip() for one in reversed(tail.decode("ascii", "replace").splitlines()) if one.strip()), "")
    return ConsoleError(
        f"the node does not answer within {timeout_s:.0f} s; the last that came was: {line[:120]}",
        "press EN and ask again; if it stays, flash the node again",
    )

"""A modem that answers as a recording of tests/modem_transcripts has it, behind a port in virtual time.

It keeps to no order: each command is answered as the recording answers it, the first time by its first answer and so
on, the last one for good. A command that the recording lacks is refused.
The datagrams of the recording do not come by themselves: they are `arrivals`, for the test to `arrive`.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TRANSCRIPTS = Path(__file__).parents[2] / "modem_transcripts"
HOST, PORT = "192.0.2.7", 5683
VALUES = {
    "host": HOST,
    "port": str(PORT),
    "imei": "867725030000017",
    "imsi": "460040000000017",
    "iccid": "89860400000000000017",
    "tac": '"1A2B"',
    "ci": '"00C0FFEE"',
    "act": "9",
    "cid": "1",
    "address": "10.21.0.7",
    "local": "10.21.0.7",
    "rssi": "21",
    "rsrp": "60",
    "date": '"26/11/28',
    "time": '09:30:00+32"',
    "signal": "-812",
    "sid": "2",
    "count": "12",
}


@dataclass
class Answer:
    """What follows a command: its lines, what comes by itself, and the raw bytes sent at its prompt."""

    lines: list[bytes] = field(default_factory=list)
    later: list[bytes] = field(default_factory=list)
    data: bytes | None = None
    behind: list[bytes] = field(default_factory=list)


class RecordedModem:
    """A port, see `gateway_agent.modem.port.Port`. `sent` are the commands that it had."""

    byte_s = 0.0

    def __init__(self, recording: Path, on_data: Callable[[bytes], None]) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.starts_with: list[bytes] = []
        self.arrivals: list[bytes] = []
        self.sent: list[str] = []
        self.data: list[bytes] = []
        self._on_data = on_data
        self._wanted: Answer | None = None
        self._held = b""
        self._read(recording)

    def _read(self, recording: Path) -> None:
        answer, happening = Answer(later=self.starts_with), ""
        for line in recording.read_text(encoding="utf-8").splitlines():
            mark, _, content = line.partition(" ")
            content = re.sub(r"\{(\w+)\}", lambda name: VALUES.get(name[1].rstrip("0123456789"), "7"), content)
            if mark == ">":
                answer, happening = Answer(), ""
                self.answers.setdefault(_bare(content), []).append(answer)
            elif mark == ">>":
                answer.data = bytes.fromhex(content)
            elif mark == "<" and content != "...":
                where = answer.lines if answer.data is None else answer.behind
                where.append(b"> " if content == ">" else content.replace("...", "").encode() + b"\r\n")
            elif mark == "@" and not content.startswith("up"):
                happening = content
            elif mark == "~" and happening.startswith("down"):
                self.arrivals.append(content.encode() + b"\r\n")
            elif mark == "~" and not happening.startswith(("closed", "lost")):
                answer.later.append(content.encode() + b"\r\n")
            elif mark == "~~":
                self.arrivals[-1] += bytes.fromhex(content)
            elif mark == "<<":
                answer.lines.append(bytes.fromhex(content))

    def write(self, data: bytes) -> None:
        """Answer what was sent, a little later."""
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            self.data.append(data)
            self._say(wanted.behind, wanted.later)
            return
        for command in data.decode("latin-1").split("\r"):
            if command:
                self.sent.append(command)
                self._answer(command)

    def arrive(self, number: int) -> None:
        """Let a datagram of the recording come."""
        self._on_data(self.arrivals[number])

    def _answer(self, command: str) -> None:
        known = self.answers.get(_bare(command))
        if known is None:
            self._say([b"ERROR\r\n"], [])
            return
        answer = known.pop(0) if len(known) > 1 else known[0]
        if answer.data is not None:
            self._wanted = answer
            self._say(answer.lines, [])
        else:
            self._say(answer.lines, answer.later)

    def _say(self, lines: list[bytes], later: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        if lines:
            loop.call_later(0.005, self._on_data, b"\r\n" + b"".join(lines))
        if later:
            loop.call_later(0.4, self._on_data, b"\r\n" + b"".join(later))


def _bare(text: str) -> str:
    """What is compared: no spaces, no quotation marks, and one local port for all."""
    return re.sub(r"\b40[01]\d\d\b", "40123", text.replace(" ", "").replace('"', ""))

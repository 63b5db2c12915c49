"""The host's side of a node's console: over a pipe to the real firmware in real time, and against any bytes."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.flash import console
from hardware.flash.console import (
    AnswerReader,
    ConsoleError,
    DeviceReport,
    NodeReport,
    ask_node,
    read_report,
    scan_bus,
)
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_real
from hardware.rig.machine import NodeMachine, build_flash
from protocols import factory_record
from protocols.crc import crc16
from tests.firmware.workbench import SENSOR_UART, Device, identity, table_of

BOOT_LOG = b"\x00\xffets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x12\r\nload:0x3fff0030,len:4892\r\n"
Found = TypeVar("Found")


def sheet(*lines: str) -> bytes:
    """An answer as a node writes it."""
    body = b"".join(line.encode() + b"\n" for line in lines)
    text = b"-- gatepost node --\n" + body + b"-- end %04X --\n" % crc16(body, 0, len(body))
    return b"\r\n" + text.replace(b"\n", b"\r\n")


class Scripted:
    """A port behind which somebody answers each request with the next of `answers`, after what came of itself."""

    def __init__(self, *answers: bytes, first: bytes = b"") -> None:
        self.requests: list[bytes] = []
        self._answers = list(answers)
        self._waiting = first

    def write(self, data: bytes) -> int:
        self.requests.append(data)
        if self._answers:
            self._waiting += self._answers.pop(0)
        return len(data)

    def read(self, size: int = 1) -> bytes:
        data, self._waiting = self._waiting[:7], self._waiting[7:]
        assert size >= 7
        return data


class Pipe:
    """A serial port of pyserial's kind at one end of a pair of sockets."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.settimeout(0.05)

    def write(self, data: bytes) -> int:
        return self._end.send(data)

    def read(self, size: int = 1) -> bytes:
        try:
            return self._end.recv(size)
        except TimeoutError:
            return b""


def over_a_pipe(folder: Path, ask: Callable[[Pipe], Found]) -> Found:
    """What `ask` gets from a node that is switched on in the same moment, in real time."""
    build_flash(folder, table_of((1, 2)))

    async def main(clock: RigClock) -> Found:
        nvs = identity({factory_record.TERMINAL_CODE: b"T-1", factory_record.NODE_KEY: bytes(range(32))})
        machine = await NodeMachine.start("node", folder, clock=clock, nvs=nvs)
        sensors = Bus("sensors", 9600)
        machine.connect_uart(SENSOR_UART, sensors)
        Device(sensors, 1, {0: 5, 1: 6})
        near, far = socket.socketpair()
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        machine.connect_console(lambda data: far.sendall(data) and None)
        loop.add_reader(far, lambda: machine.type(far.recv(4096)))
        far.send(BOOT_LOG)
        with near, far:
            asking = loop.run_in_executor(None, ask, Pipe(near))
            await machine.power_on()
            try:
                return await asking
            finally:
                loop.remove_reader(far)
                await machine.stop()

    return run_real(main)


def test_a_node_is_asked_through_a_pipe_while_it_starts(tmp_path: Path) -> None:
    heard: list[str] = []

    report = over_a_pipe(tmp_path, lambda port: ask_node(port, timeout_s=30, on_text=heard.append))
    assert (report.fields["terminal"], report.fields["identity"], report.fields["node_key"]) == ("T-1", "whole", "yes")
    (device,) = report.devices
    assert (device.unit, device.points) == (1, 2)
    assert report.failed_tests == {}
    assert "POWERON_RESET" in "".join(heard)


REPORT = sheet("report: 1", "terminal: T-1", "device 0: unit 5 silent, 0 of 3 points good", "test flash: failed: full")


def test_a_damaged_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_AGAIN_S", 0.1)
    port = Scripted(REPORT.replace(b"T-1", b"T-2"), REPORT[:-30], BOOT_LOG + REPORT, first=BOOT_LOG + b">>> half a l")
    report = ask_node(port, timeout_s=10)
    assert report == NodeReport(
        {"report": "1", "terminal": "T-1"}, (DeviceReport(0, 5, "silent", 0, 3),), {"flash": "failed: full"}
    )
    assert report.failed_tests == {"flash": "failed: full"}
    assert port.requests == [b"\r?\r"] * 3


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (b"", "nothing at all came"),
        (BOOT_LOG, "the last that came was: load:0x3fff0030"),
        (BOOT_LOG + b"MicroPython v1.24.0\r\n>>> ", "MicroPython is at its prompt"),
        (REPORT[:-20], "no answer came whole"),
    ],
)
def test_a_node_that_does_not_answer_is_told_in_words(said: bytes, what: str) -> None:
    with pytest.raises(ConsoleError, match=what) as told:
        ask_node(Scripted(first=said), timeout_s=0.2)
    assert told.value.mend in str(told.value)


def test_a_scan_gives_ids_or_the_reason_for_none() -> None:
    done = b"........\r\n" + sheet("scan: done", "answered: 1 7 247")
    assert scan_bus(Scripted(REPORT + done), timeout_s=5) == (1, 7, 247)
    nobody = sheet("scan: done", "answered: none")
    assert scan_bus(Scripted(nobody), timeout_s=5) == ()
    with pytest.raises(ConsoleError, match=r"does not scan its sensor bus \(safe mode\)"):
        scan_bus(Scripted(sheet("scan: refused: safe mode")), timeout_s=5)


def test_a_device_in_words_of_a_later_firmware_is_refused() -> None:
    with pytest.raises(ConsoleError, match="newer than this program"):
        read_report([("report", "1"), ("device 0", "tends its garden")])


@given(noise=st.binary(max_size=300), tail=st.binary(max_size=40), cut=st.integers(1, 64))
def test_any_bytes_before_an_answer_are_passed_over(noise: bytes, tail: bytes, cut: int) -> None:
    reader = AnswerReader()
    data = noise + b"\n" + REPORT + tail
    answers = [answer for at in range(0, len(data), cut) for answer in reader.feed(data[at : at + cut])]
    assert answers[-1][1] == ("terminal", "T-1")

"""`gatepost scan`, on buses in software."""

import asyncio
import io
import json
import socket
import threading
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from gateway_agent.commands import scan as scan_command
from gateway_agent.errors import GatepostError
from gateway_agent.scan.findings import Result
from gateway_agent.scan.port import ScanError, ScanPort
from gateway_agent.scan.question import Kind, Question, judge
from gateway_agent.scan.screen import live_view, tell
from gateway_agent.scan.setting import Setting, set_by_a_box
from hardware.rig import modbus_side
from tests.gateway_agent.scan.bus_under_scan import BusUnderScan, on_bus

POLE = """
[pole]
gateway = "gp-1"
[[buses]]
name = "sensors"
port = "/dev/none-a"
[[buses]]
name = "nodes"
port = "/dev/none-b"
rs485 = "rts"
[journal]
path = "{folder}/journal.sqlite"
[uplink]
url = "coap://127.0.0.1:9"
security = "clear"
"""


def _application() -> typer.Typer:
    application = typer.Typer()
    application.command()(scan_command.command)
    return application


def _invoke(*words: str):
    return CliRunner().invoke(_application(), list(words))


def _two_devices() -> tuple[Result, str]:
    """The result of a quick scan, and what was on the screen in the middle of it."""

    async def search(world: BusUnderScan):
        world.hang("peacefair-pzem-016", 1, Setting(9600))
        world.hang("xy-md02", 17, Setting(9600))
        search = world.search()
        running = asyncio.create_task(search.run())
        await asyncio.sleep(30)
        screen = Console(file=io.StringIO(), width=120)
        screen.print(live_view(search, "/dev/ttyUSB0"))
        await running
        return search.result(), screen.file.getvalue()

    return on_bus(search)


def test_the_screen_tells_what_is_done_and_found_and_the_end_what_it_cost():
    result, screen = _two_devices()
    assert "every id at 9600 8N1" in screen
    assert "Peacefair PZEM-016" in screen
    console = Console(file=io.StringIO(), width=120)
    tell(result, "/dev/ttyUSB0", console)
    told = console.file.getvalue()
    assert "XY-MD02" in told
    assert f"2 found with {result.questions} questions" in told


def test_json_names_each_device_and_the_exit_code_says_that_all_is_well(monkeypatch):
    result, _ = _two_devices()
    monkeypatch.setattr(scan_command, "scan", lambda *given, **named: _done(result))
    answer = _invoke("--port", "/dev/ttyUSB0", "--json")
    assert answer.exit_code == 0
    told = json.loads(answer.stdout)
    assert [(one["unit"], one["profile"], one["standing"]) for one in told["devices"]] == [
        (1, "peacefair-pzem-016", "one"),
        (17, "xy-md02", "one"),
    ]
    assert told["is_whole"]
    assert told["moved"] is None


async def _done(result: Result) -> Result:
    return result


def test_a_move_that_is_not_agreed_to_writes_nothing():
    async def scenario(world: BusUnderScan):
        device = world.hang("xy-md02", 1, Setting(9600))
        search = world.search()
        await search.run()
        world.port.close()
        asked = []

        def refuse(sentence: str) -> bool:
            asked.append(sentence)
            return False

        refused = await scan_command.move_device(world.socket.path, search.result(), 1, 17, refuse)
        agreed = await scan_command.move_device(world.socket.path, search.result(), 1, 18, lambda sentence: True)
        return refused, asked, agreed, device.unit

    refused, asked, agreed, unit = on_bus(scenario)
    assert refused is None
    assert asked == ["Give the XY-MD02 on id 1 at 9600 8N1 the id 17?"]
    assert agreed == {"model": "XY-MD02", "line": "9600 8N1", "from": 1, "to": 18}
    assert unit == 18


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "say which port"),
        (("/dev/ttyUSB0", "--bus", "a"), "--bus belongs to a pole.toml"),
        (("/dev/ttyUSB0", "--move", "1-17"), "--move takes two ids"),
        (("/dev/ttyUSB0", "--move", "1:248"), "the new id is 1 to 247"),
        (("/dev/ttyUSB0", "--move", "3:3"), "another than the old one"),
    ],
)
def test_words_that_are_off_are_told_with_exit_code_2(words, what):
    answer = _invoke(*words)
    assert answer.exit_code == 2
    assert what in " ".join(answer.output.replace("│", " ").split())


def test_a_port_that_is_not_there_is_told_with_the_next_step():
    with pytest.raises(GatepostError, match="is not there; plug the adapter in"):
        asyncio.run(scan_command.scan("/dev/none-at-all", Console(file=io.StringIO()), [], quick=True, quiet=True))


@pytest.mark.parametrize(
    ("bus", "reason"), [(None, "say which bus with --bus; it has sensors, nodes"), ("nodes", "scan it with a USB")]
)
def test_a_pole_toml_names_the_port_of_its_bus(tmp_path: Path, bus, reason):
    pole = tmp_path / "pole.toml"
    pole.write_text(POLE.format(folder=tmp_path))
    with pytest.raises(ScanError, match="/dev/none-a is not there"):
        _invoke_raising(str(pole), "--bus", "sensors")
    with pytest.raises(ScanError, match=reason):
        _invoke_raising(str(pole), *([] if bus is None else ["--bus", bus]))


def _invoke_raising(*words: str) -> None:
    CliRunner().invoke(_application(), list(words), catch_exceptions=False)


def test_a_port_behind_a_socket_is_asked_at_the_setting_of_its_box():
    listener = socket.create_server(("127.0.0.1", 0))
    question = Question(7, 3, 0, 2)

    def serve() -> None:
        box, _ = listener.accept()
        with box:
            if box.recv(64) == question.frame():
                box.sendall(modbus_side.pack(7, bytes([3, 4, 0, 1, 0, 2])))
            box.recv(64)

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()

    async def ask():
        port = ScanPort(f"socket://127.0.0.1:{listener.getsockname()[1]}")
        port.open()
        try:
            assert not port.has_settings
            return await port.ask(question.frame(), set_by_a_box(), 5.0)
        finally:
            port.close()

    verdict = judge(asyncio.run(ask()).data, question)
    serving.join(5)
    listener.close()
    assert (verdict.kind, verdict.registers) == (Kind.GOOD, (1, 2))
    assert str(set_by_a_box()) == "as its box is set"

"""`gatepost doctor --modem`, on an emulated modem and on what an agent tells."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway_agent.commands import doctor
from gateway_agent.config import PoleConfig, load_pole
from gateway_agent.errors import GatepostError
from gateway_agent.modem.diagnosis import Diagnosis
from gateway_agent.status import StatusServer
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.modem.emulator import Emulator
from hardware.rig.modem.radio import Radio
from hardware.rig.modem.uart import Uart

POLE = """
[pole]
gateway = "gp-1"
[[buses]]
name = "a"
port = "/dev/bus"
[journal]
path = "{folder}/journal.sqlite"
[uplink]
url = "coap://127.0.0.1:9"
security = "clear"
[[uplink.bearers]]
name = "radio"
kind = "nb-iot"
modem = "bc660k"
port = "{port}"
apn = "cmnbiot"
"""


def pole_at(folder: Path, port: str = "rig://doctor") -> PoleConfig:
    file = folder / "pole.toml"
    file.write_text(POLE.format(folder=folder, port=port), encoding="utf-8")
    return load_pole(file)


def examined(folder: Path, *, faults: tuple[str, ...] = (), seconds: float = 400) -> tuple[Diagnosis, Emulator]:
    """The diagnosis of a modem with these faults, and the modem."""
    pole = pole_at(folder)

    async def main(clock: RigClock) -> tuple[Diagnosis, Emulator]:
        uart = Uart()
        uart.as_url("doctor")
        module = Emulator("bc660k", uart, Radio("cat1"), clock=clock)
        module.start()
        for fault in faults:
            module.faults.inject(fault)
        shown: list[str] = []
        found = await doctor.examine(pole, list(pole.uplink.ways), folder / "none", seconds, clock, shown.append)
        module.stop()
        module.radio.close()
        uart.close()
        assert [name for name, _, _ in found] == ["radio"]
        json.dumps(found[0][2])
        assert shown
        return found[0][1], module

    return run_virtual(main)


def test_a_modem_that_works_is_said_to_be_well(tmp_path: Path) -> None:
    said, _ = examined(tmp_path)
    assert (said.kind, said.is_well) == ("well", True)
    assert "dBm (RSRP)" in said.what


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("sim-absent", "no-sim", "put the SIM in"),
        ("sim-dead", "sim-dead", "have the operator replace it"),
        ("sim-pin", "pin-missing", "write the PIN as pin of the bearer"),
        ("denied", "denied", "ask the operator whether SIM and contract are active"),
        ("deaf", "silent", "look at supply, power key"),
        ("unplugged", "port-missing", "plug the modem in"),
        ("searching", "no-network", "look at the antenna"),
    ],
)
def test_what_is_wrong_is_said_with_the_next_step(tmp_path: Path, fault: str, kind: str, words: str) -> None:
    said, module = examined(tmp_path, faults=(fault,))
    assert (said.kind, said.is_well) == (kind, False)
    assert words in said.next_step
    assert module.counters["restarts: command"] == 0
    assert module.counters["power keys"] == 0


def test_the_running_agent_is_asked_first(tmp_path: Path) -> None:
    pole = pole_at(tmp_path, "/dev/none")
    known = {
        "cause": "unanswered",
        "reason": "4 exchanges were sent, none was answered",
        "for_s": 1.0,
        "signal": {"rsrp_dbm": -95, "rssi_dbm": None},
        "counters": {"sent": 9},
        "unanswered": 4,
        "awaits_answer": True,
        "answered_ms": 1_780_000_000_000,
        "disturbances_today": 2,
        "daily_cap": 24,
    }
    status = {"uplink": {"bearers": [{"name": "fibre", "modem": None}, {"name": "radio", "modem": known}]}}

    async def main(clock: RigClock) -> Diagnosis:
        async with StatusServer(tmp_path / "s", lambda: status):
            found = await doctor.examine(pole, list(pole.uplink.ways), tmp_path / "s", 60, clock, print)
        return found[0][1]

    assert run_virtual(main).kind == "platform-silent"


def test_something_else_on_the_socket_is_refused(tmp_path: Path) -> None:
    pole = pole_at(tmp_path, "/dev/none")

    async def main(clock: RigClock) -> None:
        async with StatusServer(tmp_path / "s", lambda: {"uplink": {}}):
            with pytest.raises(GatepostError, match="no agent of this version"):
                await doctor.examine(pole, list(pole.uplink.ways), tmp_path / "s", 60, clock, print)

    run_virtual(main)


def run(*words: str) -> tuple[int, str, str]:
    application = typer.Typer()
    application.command()(doctor.command)
    ended = CliRunner().invoke(application, words)
    return ended.exit_code, ended.stdout, str(ended.exception or "") + ended.stderr


def test_the_command_tells_a_port_that_is_not_there(tmp_path: Path) -> None:
    pole_at(tmp_path, "/dev/none")
    file, socket = str(tmp_path / "pole.toml"), str(tmp_path / "s")
    code, told, _ = run(file, "--modem", "--status", socket, "--json")
    assert code == 1
    modem = json.loads(told)["modems"][0]
    assert (modem["bearer"], modem["kind"], modem["is_well"]) == ("radio", "port-missing", False)
    code, told, _ = run(file, "--modem", "--status", socket, "--seconds", "5")
    assert "state: modem port /dev/none is missing" in told
    assert "next: plug the modem in" in told


@pytest.mark.parametrize(
    ("words", "change", "complaint"),
    [
        ((), lambda text: text, "say what to examine: --modem"),
        (("--modem", "--bearer", "fibre"), lambda text: text, "no bearer fibre has a modem; those that have are radio"),
        (("--modem",), lambda text: text.partition("[[uplink")[0], "no bearer has a modem"),
    ],
)
def test_words_that_do_not_fit_the_pole_are_refused(
    tmp_path: Path, words: tuple[str, ...], change: Callable[[str], str], complaint: str
) -> None:
    file = tmp_path / "pole.toml"
    file.write_text(change(POLE.format(folder=tmp_path, port="/dev/none")), encoding="utf-8")
    code, _, problem = run(str(file), *words)
    assert code
    assert complaint in problem


def test_what_the_doctor_learns_the_agent_knows(tmp_path: Path) -> None:
    examined(tmp_path, faults=("denied",))
    kept = json.loads((tmp_path / "journal.sqlite.modem.radio").read_text(encoding="utf-8"))
    assert [climb["rung"] for climb in kept["climbs"]] == ["wait"]


def test_asyncio_is_left_clean(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> int:
        pole = pole_at(tmp_path, "/dev/none")
        await doctor.examine(pole, list(pole.uplink.ways), tmp_path / "s", 5, clock, print)
        return len(asyncio.all_tasks())

    assert run_virtual(main) == 1

"""The emulator as a program of its own, and its pins as a hook command of the gateway would press them."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hardware.rig.clock import RigClock, run_real
from hardware.rig.modem.emulator import Emulator
from hardware.rig.modem.pins import PinServer, main, press
from hardware.rig.modem.radio import Radio
from hardware.rig.modem.uart import Uart

PROGRAM = [sys.executable, "-m", "hardware.rig.modem"]


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[tuple[Path, Emulator]]:
    """A modem whose pins are served by another thread."""
    path = tmp_path / "pins"
    ready, ended, made = threading.Event(), [], []

    async def serve(clock: RigClock) -> None:
        over = asyncio.Event()
        modem = Emulator("ec800", Uart(), Radio("cat1"))
        async with PinServer(modem, path):
            modem.start()
            made.append(modem)
            ended.append(lambda: clock.loop.call_soon_threadsafe(over.set))
            ready.set()
            await over.wait()
            modem.stop()

    thread = threading.Thread(target=run_real, args=(serve,))
    thread.start()
    assert ready.wait(10)
    yield path, made[0]
    ended[0]()
    thread.join(10)
    assert not thread.is_alive()


def test_the_pins_switch_supply_key_and_wake(pins: tuple[Path, Emulator]) -> None:
    path, modem = pins
    assert press(path, ["state"]) == "ok booting"
    assert press(path, ["supply-off"]) == "ok off"
    assert press(path, ["supply-on"]) == "ok booting"
    assert press(path, ["power-key"]) == "ok booting"
    assert press(path, ["wake"]) == "ok booting"
    assert press(path, ["inject", "deaf"]) == "ok booting"
    assert modem.faults.lasts("deaf")
    assert press(path, ["clear", "deaf"]) == "ok booting"
    assert not modem.faults.lasts("deaf")
    assert modem.counters["power keys"] == modem.counters["wake pins"] == 1


def test_the_command_tells_what_was_off(pins: tuple[Path, Emulator], capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = pins
    assert main([str(path), "power-key"]) == 0
    assert main([str(path), "inject", "nosuch"]) == 1
    assert 'no fault "nosuch"' in capsys.readouterr().out
    assert main([str(path), "inject"]) == 1
    assert main([str(path.with_name("nobody")), "wake"]) == 1
    assert "is the emulator running?" in capsys.readouterr().err
    assert main([str(path), "explode"]) == 2
    assert main([]) == 2


def test_the_program_prints_what_passes_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    link = tmp_path / "modem"
    with subprocess.Popen(
        [*PROGRAM, "--model", "ec800", "--radio", "cat1", "--link", str(link)], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        try:
            assert program.stdout.readline() == f"ec800 on cat1 at {link}, 115200 baud; Ctrl-C ends\n"
            with serial.Serial(str(link), 115200, timeout=1) as host:
                host.write(b"ATI\r")
                assert program.stdout.readline().endswith(" > ATI\n")
        finally:
            program.send_signal(signal.SIGINT)
        rest, _ = program.communicate(timeout=10)
    assert "boots: 1" in rest
    assert program.returncode == 0
    assert not link.exists()


def test_the_program_refuses_words_that_are_off(tmp_path: Path) -> None:
    for words, told in (
        (["--model", "nokia"], 'no modem "nokia": take one of bc95'),
        (["--radio", "5g"], 'no radio "5g": take one of nbiot-good'),
        (["--fault", "glued=often"], "a rate is a number"),
    ):
        ended = subprocess.run(
            [*PROGRAM, *words, "--link", str(tmp_path / "modem")],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ended.returncode == 2
        assert told in ended.stderr

"""The node on each board: its pins, what it switches on first, and when it lets go of the line."""

import asyncio
from pathlib import Path

import pytest

from gateway_agent.boards import board_names, load_board
from hardware.bundle.firmware_files import firmware_files
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine, build_flash, run_script
from protocols import node_map
from tests.firmware.workbench import START_UNIX_S, Device, Master, table_of

TABLE = table_of((1, 2))


def run_on(board: str, folder: Path) -> list[tuple[float, int, int]]:
    """Run a node on `board` for some seconds, read it, and return each change of a pin: when, pin, level."""
    ports = load_board(board)
    changes: list[tuple[float, int, int]] = []
    build_flash(folder, TABLE, board=board)

    async def main(clock: RigClock) -> None:
        loop = asyncio.get_running_loop()
        machine = await NodeMachine.start("node", folder, clock=clock)
        machine.on_pin = lambda pin, level: changes.append((loop.time(), pin, level))
        sensors, pole = Bus("sensors", 9600), Bus("pole", 19200)
        machine.connect_uart(ports.sensor_port.uart, sensors)
        machine.connect_uart(ports.pole_bus.uart, pole)
        Device(sensors, 1, {0: 11, 1: 12})
        master = Master(pole)
        try:
            await machine.power_on()
            await asyncio.sleep(3.2)
            identity = await master.read(node_map.IDENTITY, node_map.IDENTITY_REGISTERS)
            assert identity[node_map.IDENTITY_BOARD] == ports.board.number
            assert (await master.slot(1)).value == 12
            await asyncio.sleep(0.1)
        finally:
            await machine.stop()
        assert machine.ends == []

    run_virtual(main, start_unix_ms=START_UNIX_S * 1000)
    return changes


@pytest.mark.parametrize("name", board_names())
def test_the_firmware_runs_on_every_board(tmp_path: Path, name: str) -> None:
    board = load_board(name)
    changes = run_on(name, tmp_path)
    levels = {pin: level for _, pin, level in changes}
    for enable in board.enable:
        assert levels.get(enable.pin, 0) == enable.level
    known = {pin for _, pin in board.fixed_pins()}
    assert set(levels) <= known


def test_the_line_is_released_one_character_after_the_last_bit(tmp_path: Path) -> None:
    board = load_board("esp32-devkitc")
    assert board.pole_bus.direction is not None
    changes = [(at, level) for at, pin, level in run_on("esp32-devkitc", tmp_path) if pin == board.pole_bus.direction]
    character_ms = 10_000 / 19200
    assert changes.pop(0)[1] == 0  # listening from the first moment
    answers = list(zip(changes[::2], changes[1::2], strict=True))
    assert len(answers) == 2
    for (start, up), (end, down), registers in zip(*zip(*answers, strict=True), (12, 4), strict=True):
        assert (up, down) == (1, 0)
        over_ms = (end - start) * 1000 - (5 + 2 * registers) * character_ms
        print(f"released {over_ms:.2f} ms after the last bit, a character is {character_ms:.2f} ms")
        assert character_ms <= over_ms <= character_ms + 2


LATE = """
from node import line

class Port:
    baud = 9600
    has_parity = False
    stop_bits = 1
    heard = None
    echoes = False
    level = None
    answers = [False, False, True, True]

    def write(self, frame):
        pass

    def txdone(self):
        return self.answers.pop(0)

    def value(self, level):
        self.level = level

port = Port()
port.uart = port.direction = port
late = line.Line(port)
print(late.begin_send(bytearray(8), 8), port.level)
for _ in range(4):
    print(late.end_send(), port.level)
port.answers = [True]
late.begin_send(bytearray(8), 8)
print(late.end_send(), port.level)
"""


def test_a_transmitter_that_is_late_has_its_character_of_time_after_it_is_done() -> None:
    said = run_script(dict(firmware_files(beside=[LATE])), LATE).split("\n")
    nine_characters, one_character = "10", "2"  # in milliseconds, rounded up
    assert said[:6] == [f"{nine_characters} 1", *[f"{one_character} 1"] * 3, "0 0", "0 0"], said

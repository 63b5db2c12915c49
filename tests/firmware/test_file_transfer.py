"""Files of a node read and written by the gateway's own line, and the clock told to all nodes at once."""

import asyncio
import struct
from pathlib import Path

import pytest

from gateway_agent.collect.direction import AutoDirection
from gateway_agent.collect.line import SerialLine
from gateway_agent.collect.node_service import TIME_REGISTERS, time_registers
from gateway_agent.collect.owner import BusOwner, Urgency
from gateway_agent.collect.request import Broadcast, Fault, NoAnswerError, Read, ReadFile, WriteFile
from gateway_agent.collect.unit import Timing, UnitLink
from gateway_agent.config import BusConfig
from hardware.rig.serial_url import SerialPort
from protocols import modbus, node_map
from tests.firmware.workbench import NODE, Workbench, on_bench, table_of

PROGRAM = """
import asyncio
import sys

sys.path.insert(0, "slot_a")

from node import board, clock, files, line, register_map, server, slots

kept = bytearray(20000)
time = bytearray(6)


def reader(file, record, count, buffer, at):
    for index in range(2 * count):
        buffer[at + index] = kept[2 * record + index]
    return 0


def writer(file, record, count, buffer, at):
    for index in range(2 * count):
        kept[2 * record + index] = buffer[at + index]
    return 0


def fill(image):
    image[:6] = time


def take(offset, count, buffer, at):
    time[:] = buffer[at : at + 6]
    return 0


class Seat:
    def check_in(self):
        pass


files.add(900, 900, reader, writer)
now = clock.Clock()
registers = register_map.RegisterMap(now, slots.Slots(1, now))
registers.add(0x40, 3, fill, take, 2)  # the time, to unit 0 as well
asyncio.run(server.Server(line.Line(board.open_pole_port(19200, 0, 1)), 17, registers).run(Seat()))
"""
PROBE = Read(NODE, 3, node_map.TIME, 1)


def test_a_file_goes_to_the_node_and_comes_back(tmp_path: Path) -> None:
    content = bytes(index * 7 & 0xFF for index in range(4 * 244))

    async def body(bench: Workbench) -> None:
        (tmp_path / "main.py").write_text(PROGRAM)
        await bench.power_on()
        port = SerialPort("gateway", bench.pole)
        config = BusConfig(name="pole", port=port.path, baud=19200)
        owner = BusOwner(config, SerialLine(config, bench.clock, AutoDirection()))
        task = asyncio.create_task(owner.run())
        await asyncio.sleep(0.1)
        link = UnitLink(owner, NODE, config.line, Timing(300, 5, 2), {1})
        for at in range(0, len(content), 244):
            await link.write(WriteFile(NODE, 900, at // 2, content[at : at + 244]), Urgency.SERVICE)
        registers: list[int] = []
        for record in range(0, len(content) // 2, 61):
            registers += (await link.read_file(ReadFile(NODE, 900, record, 61), PROBE, Urgency.SERVICE)).registers
        assert struct.pack(f">{len(registers)}H", *registers) == content
        with pytest.raises(NoAnswerError) as caught:
            await link.read_file(ReadFile(NODE, 901, 0, 1), PROBE, Urgency.SERVICE)
        assert (caught.value.fault, caught.value.exception_code) == (Fault.EXCEPTION, modbus.ILLEGAL_DATA_ADDRESS)
        await link.broadcast(Broadcast(node_map.TIME, TIME_REGISTERS, time_registers), Urgency.SERVICE)
        assert abs(await bench.master.health(node_map.TIME_UNIX_S) - bench.clock.unix_ms() // 1000) <= 1
        assert owner.line.counters.silent == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        port.close()

    on_bench(tmp_path, table_of((1, 1)), body, programs=[PROGRAM])

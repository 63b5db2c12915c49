"""Another implementation's device: pymodbus's own serial server answers our collector."""

import asyncio

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway_agent.collect.direction import AutoDirection
from gateway_agent.collect.line import SerialLine
from gateway_agent.collect.owner import BusOwner, Urgency
from gateway_agent.collect.request import Fault, NoAnswerError, Read, Write
from gateway_agent.collect.unit import Timing, UnitLink
from gateway_agent.config import BusConfig
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.serial_url import SerialPort


def test_a_pymodbus_server_is_read_written_and_refuses() -> None:
    async def main(clock: RigClock) -> None:
        line = Bus("oracle", 19200)
        ours, theirs = SerialPort("ours", line), SerialPort("theirs", line)
        device = SimDevice(5, simdata=[SimData(100, values=[7, 8, 9, 65535, 1], datatype=DataType.REGISTERS)])
        server = ModbusSerialServer(device, framer=FramerType.RTU, port=theirs.path, baudrate=19200)
        await server.serve_forever(background=True)
        config = BusConfig(name="oracle", port=ours.path, baud=19200)
        owner = BusOwner(config, SerialLine(config, clock, AutoDirection()))
        task = asyncio.create_task(owner.run())
        await asyncio.sleep(0.1)
        link = UnitLink(owner, 5, config.line, Timing(200), {5, 3})
        assert (await link.read(Read(5, 3, 100, 5), Urgency.POLL)).registers == (7, 8, 9, 65535, 1)
        assert (await link.read(Read(5, 4, 101, 3), Urgency.POLL)).registers == (8, 9, 65535)
        await link.write(Write(5, 101, 2, lambda _end_ms: [300, 40000]), Urgency.COMMAND)
        assert (await link.read(Read(5, 3, 100, 5), Urgency.POLL)).registers == (7, 300, 40000, 65535, 1)
        try:
            await link.read(Read(5, 3, 5000, 3), Urgency.POLL)
        except NoAnswerError as error:
            assert (error.fault, error.exception_code) == (Fault.EXCEPTION, 2)
        else:
            raise AssertionError("the server has no such registers")
        assert owner.line.counters.silent == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.shutdown()
        ours.close()
        theirs.close()

    run_virtual(main)

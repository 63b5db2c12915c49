"""A lamp schedule on its way: the gateway's own sender, its own line, and the real node, with and without a key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway_agent.collect.direction import AutoDirection
from gateway_agent.collect.line import SerialLine
from gateway_agent.collect.owner import BusOwner
from gateway_agent.collect.unit import Timing, UnitLink
from gateway_agent.config import BusConfig
from gateway_agent.lighting.sender import ScheduleSender
from gateway_agent.node_keys import WriteSeal
from hardware.rig.serial_url import SerialPort
from protocols import factory_record, lamp_schedule, node_map
from tests.firmware.lamp_bench import Driver, lamp_table, send_schedule, told
from tests.firmware.test_lamp_schedule import writer_of
from tests.firmware.workbench import NODE, RefusedError, Workbench, identity, on_bench

KEY = bytes(range(32))


@asynccontextmanager
async def sender_on(bench: Workbench, schedules: list[bytes], key: bytes | None) -> AsyncIterator[ScheduleSender]:
    """The gateway's sender; it gives the first of `schedules`."""
    port = SerialPort("gateway", bench.pole)
    config = BusConfig(name="pole", port=port.path, baud=19200)
    owner = BusOwner(config, SerialLine(config, bench.clock, AutoDirection()))
    task = asyncio.create_task(owner.run())
    await asyncio.sleep(0.2)
    seal = None if key is None else WriteSeal(key)
    link = UnitLink(owner, NODE, config.line, Timing(300, 5, 2), {node_map.LAMP_SCHEDULE_REGISTERS}, seal=seal)
    yield ScheduleSender(link, "lamp_node", lambda _unix_ms: schedules[0], bench.clock)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    port.close()


@pytest.mark.parametrize(("node_has_key", "gateway_has_key"), [(False, False), (True, True), (True, False)])
def test_a_node_gets_the_schedule_that_it_lacks_once(tmp_path: Path, node_has_key: bool, gateway_has_key: bool) -> None:
    table = lamp_table()
    schedules = [writer_of(table, days=count).schedule() for count in (15, 16)]
    nvs = identity({factory_record.NODE_KEY: KEY}) if node_has_key else {}

    async def body(bench: Workbench) -> None:
        Driver(bench)
        await bench.power_on()
        async with sender_on(bench, schedules, KEY if gateway_has_key else None) as sender:
            for _ in range(2):
                await sender.look()
                await asyncio.sleep(61)
                assert sender.view is not None
                if node_has_key and not gateway_has_key:
                    assert sender.view.digest == 0
                    assert "does not take its lamp schedule" in (sender.problem or "")
                    continue
                assert (sender.view.digest, sender.problem) == (lamp_schedule.digest(schedules[0]), None)
                if len(schedules) > 1:
                    schedules.pop(0)

    on_bench(tmp_path, table, body, nvs=nvs)


def test_a_gateway_that_does_not_know_the_time_sends_no_schedule(tmp_path: Path) -> None:
    table = lamp_table()
    schedule = writer_of(table).schedule()

    async def body(bench: Workbench) -> None:
        Driver(bench)
        await bench.power_on()
        async with sender_on(bench, [schedule], None) as sender:
            for is_trusted, digest in ((False, 0), (True, lamp_schedule.digest(schedule))):
                bench.clock.is_trusted = is_trusted
                await sender.look()
                await asyncio.sleep(61)
                assert sender.view is not None
                assert sender.view.digest == digest
                assert ("does not know the time" in (sender.problem or "")) is not is_trusted

    on_bench(tmp_path, table, body)


def test_a_schedule_without_a_tag_darkens_no_keyed_node(tmp_path: Path) -> None:
    table = lamp_table()
    good, dark = writer_of(table).schedule(), writer_of(table, default_level=0, groups=1).schedule()

    async def body(bench: Workbench) -> None:
        Driver(bench)
        await bench.power_on()
        async with sender_on(bench, [good], KEY) as sender:
            await sender.look()
        with pytest.raises(RefusedError):
            await send_schedule(bench.master, dark)
        assert (await told(bench.master)).digest == lamp_schedule.digest(good)

    on_bench(tmp_path, table, body, nvs=identity({factory_record.NODE_KEY: KEY}))

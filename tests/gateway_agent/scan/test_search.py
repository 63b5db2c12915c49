import asyncio

import pytest

from gateway_agent.commands.scan import as_plain, is_well
from gateway_agent.profiles.load import profile_directory
from gateway_agent.scan.findings import Standing
from gateway_agent.scan.fingerprint import load_fingerprints
from gateway_agent.scan.setting import Setting
from hardware.rig.line_faults import BitFlips, LineFaults
from tests.gateway_agent.scan.bus_under_scan import BusUnderScan, on_bus


async def _quickly(world: BusUnderScan):
    search = world.search()
    await search.run()
    return search.result()


def test_devices_at_their_factory_rates_are_found_and_recognised():
    async def scan(world: BusUnderScan):
        world.hang("peacefair-pzem-016", 1, Setting(9600))
        world.hang("eastron-sdm120", 1, Setting(2400))
        world.hang("xy-md02", 77, Setting(9600))
        return await _quickly(world)

    result = on_bus(scan)
    assert [(str(one.setting), one.ids, one.profile) for one in result.found] == [
        ("2400 8N1", "1", "eastron-sdm120"),
        ("9600 8N1", "1", "peacefair-pzem-016"),
        ("9600 8N1", "77", "xy-md02"),
    ]
    assert result.is_whole
    assert is_well(result)
    assert result.bus_s < result.plain_s / 4


def test_a_device_at_another_rate_and_parity_is_found_and_said_to_be_so():
    async def scan(world: BusUnderScan):
        world.hang("eastron-sdm120", 163, Setting(4800, "E"), delay_ms=130)
        search = world.search(is_quick=False)
        await search.run()
        return search.result()

    (found,) = on_bus(scan).found
    assert (str(found.setting), found.unit, found.profile) == ("4800 8E1", 163, "eastron-sdm120")
    assert found.remark == "set to 4800 8E1, leaves the factory at 2400 8N1"


def test_a_model_of_ones_own_is_known_by_its_profile(tmp_path):
    text = (profile_directory() / "xy-md02.toml").read_text(encoding="utf-8")
    (tmp_path / "my-sensor.toml").write_text(text.replace("XY-MD02", "MY-SENSOR"), encoding="utf-8")
    shipped, known = load_fingerprints(), load_fingerprints(tmp_path)
    assert [one.name for one in known] == [*(one.name for one in shipped), "my-sensor"]
    assert known[-1].model == "MY-SENSOR"
    text = text.replace("XY-MD02", "OTHER")
    (tmp_path / "xy-md02.toml").write_text(text, encoding="utf-8")
    assert [one.model for one in load_fingerprints(tmp_path) if one.name == "xy-md02"] == ["OTHER"]


def test_a_module_with_four_ids_is_one_device():
    async def scan(world: BusUnderScan):
        world.hang("4mz-hh4", 1, Setting(9600))
        world.hang("4mz-hh4", 60, Setting(9600))
        return await _quickly(world)

    assert [(one.ids, one.profile) for one in on_bus(scan).found] == [("1-4", "4mz-hh4"), ("60-63", "4mz-hh4")]


@pytest.mark.parametrize("delays_ms", [(12, 12), (12, 14), (12, 160)])
def test_two_devices_on_one_id_are_seen_and_never_taken_for_one(delays_ms):
    async def scan(world: BusUnderScan):
        world.hang("xy-md02", 1, Setting(9600), delays_ms[0])
        world.hang("xy-md02", 1, Setting(9600), delays_ms[1], temperature=-31)
        world.hang("peacefair-pzem-016", 9, Setting(9600))
        return await _quickly(world)

    result = on_bus(scan)
    assert [(one.unit, one.standing) for one in result.found] == [(1, Standing.TWO), (9, Standing.ONE)]
    assert "unplug one" in result.found[0].remark
    assert not is_well(result)


def test_a_device_that_answers_after_the_wait_is_found_all_the_same():
    async def scan(world: BusUnderScan):
        world.hang("peacefair-pzem-016", 1, Setting(9600), delay_ms=5)
        slow = [world.hang("greenioiot-micro-station", unit, Setting(9600), delay_ms=20 * unit) for unit in (7, 13, 19)]
        return await _quickly(world), slow

    result, slow = on_bus(scan)
    assert [one.unit for one in result.found] == [1, *(device.unit for device in slow)]


def test_slow_devices_that_have_a_rate_to_themselves_are_found():
    """Their answers fall between two questions, or into one; nobody else at that rate makes the search look closer."""
    slow = [
        ("qdy30a", 205, Setting(1200), 7),
        ("renke-rs-fsxcs", 4, Setting(2400), 85.4),
        ("renke-rs-fsxcs", 48, Setting(4800), 86.7),
        ("qdy30a", 58, Setting(19200), 166.8),
    ]

    async def scan(world: BusUnderScan):
        for profile, unit, setting, delay_ms in slow:
            world.hang(profile, unit, setting, delay_ms)
        search = world.search(is_quick=False)
        await search.run()
        return search.result()

    found = {(one.profile, one.unit, one.setting) for one in on_bus(scan).found}
    assert found == {(profile, unit, setting) for profile, unit, setting, _ in slow}


def test_a_dead_device_hides_nobody():
    async def scan(world: BusUnderScan):
        world.hang("xy-md02", 5, Setting(9600))
        world.hang("peacefair-pzem-016", 1, Setting(9600)).powered = False
        return await _quickly(world)

    assert [one.unit for one in on_bus(scan).found] == [5]


def test_bytes_after_each_question_at_every_rate_mean_swapped_wires():
    async def scan(world: BusUnderScan):
        loop = asyncio.get_running_loop()
        wires = world.bus.attach("wires")
        world.bus.tap(lambda frame: frame.drop != "wires" and loop.call_soon(_answer_with_a_break, world, wires))
        return await _quickly(world)

    def _answer_with_a_break(world: BusUnderScan, wires):
        wires.configure(world.socket.drop.settings.baud)
        wires.send(b"\x00")

    result = on_bus(scan)
    (sign,) = result.signs
    assert sign.name == "swapped"
    assert "swap A and B" in sign.next_step
    assert result.found == ()
    assert result.bus_s < 20


@pytest.mark.parametrize(
    ("sensor", "frame", "model"),
    [
        ("ultrasonic", bytes([0xFF, 0x07, 0xA1, 0xA7]), "A02YYUW"),
        ("stranger", bytes([0x10, 0x20, 0x30]), "like no sensor"),
    ],
)
def test_a_sensor_that_speaks_by_itself_is_named_and_the_search_ends_soon(sensor, frame, model):
    async def scan(world: BusUnderScan):
        drop = world.bus.attach(sensor, baud=9600)

        async def speak():
            while True:
                drop.send(frame)
                await asyncio.sleep(0.3)

        speaking = asyncio.create_task(speak())
        try:
            search = world.search(is_quick=False)
            await search.run()
            return search.result()
        finally:
            speaking.cancel()

    result = on_bus(scan)
    assert [sign.name for sign in result.signs] == ["talker"]
    assert model in result.signs[0].what
    assert not result.is_whole
    assert result.bus_s < 60


def test_answers_that_break_more_the_longer_they_are_point_to_the_line():
    async def scan(world: BusUnderScan):
        meter = world.hang("peacefair-pzem-016", 1, Setting(9600))
        meter.drop.faults = LineFaults(3, BitFlips(rate=0.0025))
        return await _quickly(world)

    result = on_bus(scan)
    assert [one.profile for one in result.found] == ["peacefair-pzem-016"]
    assert {sign.name for sign in result.signs} <= {"noise", "unsteady"}
    assert result.signs


def test_what_was_found_is_kept_when_the_search_is_cancelled():
    async def scan(world: BusUnderScan):
        world.hang("peacefair-pzem-016", 1, Setting(9600))
        search = world.search(is_quick=False)
        running = asyncio.create_task(search.run())
        await asyncio.sleep(20)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return search.result()

    result = on_bus(scan)
    assert not result.is_whole
    plain = as_plain(result, "rig://x")
    assert [(one["unit"], one["baud"], one["profile"]) for one in plain["devices"]] == [(1, 9600, "peacefair-pzem-016")]

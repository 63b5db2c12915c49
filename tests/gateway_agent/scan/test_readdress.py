import pytest

from gateway_agent.scan.port import ScanError
from gateway_agent.scan.readdress import device_to_move, move
from gateway_agent.scan.setting import Setting
from tests.gateway_agent.scan.bus_under_scan import BusUnderScan, on_bus

_RATE = Setting(9600)


async def _found(world: BusUnderScan):
    search = world.search()
    await search.run()
    return search.result().found


@pytest.mark.parametrize(
    ("profile", "setting"),
    [
        ("peacefair-pzem-016", Setting(9600)),
        ("eastron-sdm120", Setting(2400)),
        ("qdy30a", Setting(9600)),
        ("renke-rs-fsxcs", Setting(4800)),
        ("xy-md02", Setting(9600)),
    ],
)
def test_a_device_is_given_another_id_and_answers_there(profile, setting):
    async def scenario(world: BusUnderScan):
        device = world.hang(profile, 1, setting)
        await move(world.port, device_to_move(await _found(world), 1, 17), 17)
        return device.unit, [(one.unit, one.profile) for one in await _found(world)]

    assert on_bus(scenario) == (17, [(17, profile)])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (5, 17, "nobody answers on id 5"),
        (1, 9, "id 9 is taken by Peacefair PZEM-016"),
        (3, 17, "two devices on this id (3): nothing is written"),
        (60, 17, "does not say how 4MZ-HH4 is given an id"),
        (61, 17, "move its first id, 60"),
        (30, 17, "only a model that is known for sure"),
    ],
)
def test_a_move_that_is_not_safe_is_refused_with_the_reason(old, new, reason):
    async def scenario(world: BusUnderScan):
        world.hang("xy-md02", 1, _RATE)
        world.hang("xy-md02", 3, _RATE)
        world.hang("xy-md02", 3, _RATE, delay_ms=14, temperature=3)
        world.hang("peacefair-pzem-016", 9, _RATE)
        world.hang("4mz-hh4", 60, _RATE)
        unknown = world.hang("xy-md02", 30, _RATE, temperature=900, humidity=1900)
        unknown.settings.write(0, 0x0101, [99])
        device_to_move(await _found(world), old, new)

    with pytest.raises(ScanError) as refusal:
        on_bus(scenario)
    assert reason in str(refusal.value)


def test_nothing_is_written_when_a_second_device_came_after_the_scan():
    async def scenario(world: BusUnderScan):
        device = world.hang("xy-md02", 1, _RATE)
        one = device_to_move(await _found(world), 1, 17)
        late = world.hang("xy-md02", 1, _RATE, delay_ms=15, humidity=2)
        with pytest.raises(ScanError, match="nothing was written"):
            await move(world.port, one, 17)
        return device.unit, late.unit

    assert on_bus(scenario) == (1, 1)


def test_nothing_is_written_when_the_new_id_is_taken_meanwhile():
    async def scenario(world: BusUnderScan):
        device = world.hang("xy-md02", 1, _RATE)
        one = device_to_move(await _found(world), 1, 17)
        world.hang("xy-md02", 17, _RATE)
        with pytest.raises(ScanError, match="somebody answers on id 17"):
            await move(world.port, one, 17)
        return device.unit

    assert on_bus(scenario) == 1


def test_a_device_that_keeps_its_id_until_it_is_switched_off_is_told_so():
    async def scenario(world: BusUnderScan):
        device = world.hang("xy-md02", 1, _RATE)
        one = device_to_move(await _found(world), 1, 17)
        device.settings.write = lambda *given: None
        with pytest.raises(ScanError) as told:
            await move(world.port, one, 17)
        return str(told.value)

    told = on_bus(scenario)
    assert "still answers on 1" in told
    assert "Switch its power off and on" in told


def test_a_device_that_is_gone_after_the_write_is_told_with_the_way_back():
    async def scenario(world: BusUnderScan):
        device = world.hang("xy-md02", 1, _RATE)
        one = device_to_move(await _found(world), 1, 17)
        device.settings.write = lambda *given: setattr(device, "unit", 99)
        with pytest.raises(ScanError) as told:
            await move(world.port, one, 17)
        return str(told.value)

    assert "answers neither there nor on 1" in on_bus(scenario)

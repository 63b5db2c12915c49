"""A manhole: the cover and the alarms as pure logic under both interpreters, and in a whole node."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway_agent.collect.manhole import command_manhole
from gateway_agent.provision import node_table, slots
from hardware.rig.accelerometer import Lis3dh
from hardware.rig.machine import package_files, run_script
from protocols import event_codes, manhole_codes, node_map, quality
from protocols import node_table_layout as layout
from protocols.node_table_writer import NodeTableWriter
from tests.firmware.sensor_tables import pole_of
from tests.firmware.update_bench import linked
from tests.firmware.workbench import NODE, START_UNIX_S, Device, Workbench, on_bench

ROOT = Path(__file__).parents[2]
RAISED, CLEARED = event_codes.MANHOLE_ALARM_FIRST, event_codes.MANHOLE_ALARM_CLEARED
CH4, O2, LEVEL = 0, 1, 2
RULES = (
    (CH4, manhole_codes.CH4_LOW, False, 100, 80, 3),
    (CH4, manhole_codes.CH4_HIGH, False, 250, 200, 0),
    (O2, manhole_codes.O2_LOW, True, 195, 200, 3),
    (O2, manhole_codes.O2_HIGH, False, 235, 230, 3),
    (LEVEL, manhole_codes.LEVEL_ALARM, False, -100, -200, 2),
)


def gas_table(cover: int = layout.NONE) -> bytes:
    """Three register points and the rules above; a contact as slot 3 that may be the cover."""
    writer = NodeTableWriter(9600, node_unit=NODE)
    writer.add_device(1000, 1, 200, 5, 1)
    writer.add_request(1, 3, 0, 3)
    for register in range(3):
        writer.add_point("s16", -1, -1000, 1000, register=register)
    writer.add_device(1000)
    writer.add_pin(32, True, "up", 50, False)
    writer.set_manhole(cover, 100, 70, 4, 900, 2000, 30, RULES)
    return writer.table()


# One step is a second: what the points hold (a number is good, a string a quality), the cover's angle, what is
# acknowledged, and what is expected: events as (code, slot, value), and the latched alarms.
G, W = "good", "warming-up"
Steps = list[dict[str, Any]]


def hold(seconds: int, **step: Any) -> Steps:
    """The same for some seconds, without an event."""
    return [{**step, "events": []} for _ in range(seconds)]


GAS_STEPS: Steps = [
    *hold(40, ch4=W, o2=W, level=-500),  # warming up is neither zero nor a fault
    *hold(3, ch4=110, o2=205, level=-500),
    {"ch4": 110, "o2": 205, "level": -500, "events": [[RAISED + manhole_codes.CH4_LOW, CH4, 110]]},
    *hold(5, ch4=90, o2=205, level=-500),  # between the two limits: it stays
    *hold(5, ch4="no-answer", o2=205, level=-500),  # no value: it stays
    {
        "ch4": 260,
        "o2": 205,
        "level": -500,
        "events": [[RAISED + manhole_codes.CH4_HIGH, CH4, 260]],
        "latched": 1 << manhole_codes.CH4_LOW | 1 << manhole_codes.CH4_HIGH,
    },
    {"ch4": 199, "o2": 205, "level": -500, "events": [[CLEARED, CH4, manhole_codes.CH4_HIGH]]},
    {
        "ch4": 79,
        "o2": 205,
        "level": -500,
        "events": [[CLEARED, CH4, manhole_codes.CH4_LOW]],
        "latched": 1 << manhole_codes.CH4_LOW | 1 << manhole_codes.CH4_HIGH,  # until somebody has seen them
    },
    {
        "ch4": 0,
        "o2": 205,
        "level": -500,
        "acknowledge": 1 << manhole_codes.CH4_HIGH,
        "events": [[event_codes.MANHOLE_ACKNOWLEDGED, event_codes.NO_SLOT, 1 << manhole_codes.CH4_HIGH]],
        "latched": 1 << manhole_codes.CH4_LOW,
    },
    *hold(3, ch4=0, o2=194, level=-500),
    {"ch4": 0, "o2": 194, "level": -500, "events": [[RAISED + manhole_codes.O2_LOW, O2, 194]]},
    *hold(3, ch4=0, o2=198, level=-500),
    {
        "ch4": 0,
        "o2": 198,
        "level": -500,
        "acknowledge": 0xFFFF,
        "events": [
            [
                event_codes.MANHOLE_ACKNOWLEDGED,
                event_codes.NO_SLOT,
                1 << manhole_codes.CH4_LOW | 1 << manhole_codes.O2_LOW,
            ]
        ],
        "latched": 1 << manhole_codes.O2_LOW,  # its cause still stands
    },
    {"ch4": 0, "o2": 201, "level": -500, "events": [[CLEARED, O2, manhole_codes.O2_LOW]], "latched": 0},
    *hold(3, ch4=0, o2=240, level=-500),
    {"ch4": 0, "o2": 240, "level": -500, "events": [[RAISED + manhole_codes.O2_HIGH, O2, 240]]},
    {"ch4": 0, "o2": 220, "level": -500, "events": [[CLEARED, O2, manhole_codes.O2_HIGH]]},
    *hold(30, ch4=0, o2=205, level="no-echo"),
    {
        "ch4": 0,
        "o2": 205,
        "level": "no-echo",
        "events": [[RAISED + manhole_codes.SENSOR_FAULT, LEVEL, quality.NO_ECHO]],
    },
    {
        "ch4": 0,
        "o2": 205,
        "level": -500,
        "events": [[CLEARED, event_codes.NO_SLOT, manhole_codes.SENSOR_FAULT]],
    },
    *hold(2, ch4=0, o2=205, level=-50),
    {"ch4": 0, "o2": 205, "level": -50, "events": [[RAISED + manhole_codes.LEVEL_ALARM, LEVEL, -50]]},
    {"ch4": 0, "o2": 205, "level": -201, "events": [[CLEARED, LEVEL, manhole_codes.LEVEL_ALARM]]},
]

WARM_STEPS: Steps = [
    *hold(1830, ch4=W, level=-500),  # half an hour, and the hold of a fault
    {"ch4": W, "events": [[RAISED + manhole_codes.SENSOR_FAULT, CH4, quality.WARMING_UP]]},
    {"ch4": 0, "events": [[CLEARED, event_codes.NO_SLOT, manhole_codes.SENSOR_FAULT]]},
    *hold(1800, ch4=W),
]
COVER = 3
OPEN, OVER = RAISED + manhole_codes.COVER_OPEN, RAISED + manhole_codes.COVER_TURNED_OVER
COVER_STEPS: Steps = [
    *hold(4, tilt=0, state=manhole_codes.UNKNOWN),  # nothing is learned yet
    {"tilt": 0, "learned": True, "events": [[event_codes.COVER_LEARNED, COVER, 0]], "state": manhole_codes.CLOSED},
    *hold(4, tilt=95, state=manhole_codes.CLOSED),
    *hold(4, tilt=105, state=manhole_codes.CLOSED),  # not long enough
    *hold(2, tilt=60, state=manhole_codes.CLOSED),
    *hold(4, tilt=130, state=manhole_codes.CLOSED),
    {"tilt": 130, "events": [[OPEN, COVER, 130]], "state": manhole_codes.OPEN},
    *hold(3, tilt=80, state=manhole_codes.OPEN),  # between the limits
    {"tilt": 1200, "events": [[OVER, COVER, 1200]], "state": manhole_codes.TURNED_OVER},
    {"tilt": 300, "events": [[CLEARED, COVER, manhole_codes.COVER_TURNED_OVER]], "state": manhole_codes.OPEN},
    {"tilt": 20, "events": [[CLEARED, COVER, manhole_codes.COVER_OPEN]], "state": manhole_codes.CLOSED},
    {"tilt": 950, "events": [[OVER, COVER, 950], [OPEN, COVER, 950]], "state": manhole_codes.TURNED_OVER},
    *hold(3, tilt=880, state=manhole_codes.TURNED_OVER),  # it lies about at the limit: that is told once
    *hold(3, tilt=910, state=manhole_codes.TURNED_OVER),
    {"tilt": 840, "events": [[CLEARED, COVER, manhole_codes.COVER_TURNED_OVER]], "state": manhole_codes.OPEN},
]

RUNNER = """
class Slots:
    def __init__(self):
        self.values = [0] * 8
        self.qualities = bytearray(8)

class Events:
    def __init__(self):
        self.seen = []
    def add(self, code, slot, value):
        self.seen.append([code, slot, value])

class Angle:
    is_learned = False
    is_known = True
    from_background = 0
    from_upright = 0

def play(manhole, quality, table, steps, has_angle):
    slots, events, angle = Slots(), Events(), Angle() if has_angle else None
    watched = manhole.Manhole(table, slots, events, angle)
    names = ("ch4", "o2", "level")
    for second in range(len(steps)):
        step = steps[second]
        for slot in range(3):
            held = step.get(names[slot], (0, 205, -500)[slot])
            is_number = not isinstance(held, str)
            slots.qualities[slot] = quality.GOOD if is_number else quality.NAMES.index(held)
            slots.values[slot] = held if is_number else 0
        if angle:
            angle.is_learned = angle.is_learned or step.get("learned", False)
            angle.from_background = step.get("tilt", 0)
        events.seen = []
        watched.tick(second)
        if "acknowledge" in step:
            watched.acknowledge(step["acknowledge"])
        assert events.seen == step["events"], (second, step, events.seen)
        assert watched.latched == step.get("latched", watched.latched), (second, watched.latched)
        assert watched.state == step.get("state", watched.state), (second, watched.state)
    return len(steps)
"""


def load_firmware(name: str) -> ModuleType:
    """A module of firmware/node that is pure logic, under CPython."""
    spec = importlib.util.spec_from_file_location(f"firmware_{name}", ROOT / f"firmware/node/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("cover", "steps"), [(layout.NONE, GAS_STEPS), (layout.NONE, WARM_STEPS), (COVER, COVER_STEPS)]
)
def test_the_rules_of_a_manhole(cover: int, steps: Steps) -> None:
    scope: dict[str, Any] = {}
    exec(RUNNER, scope)
    assert scope["play"](load_firmware("manhole"), quality, gas_table(cover), steps, cover == COVER) == len(steps)


@pytest.mark.parametrize(("cover", "steps"), [(layout.NONE, GAS_STEPS), (COVER, COVER_STEPS)])
def test_the_rules_of_a_manhole_under_micropython(cover: int, steps: Steps) -> None:
    files = package_files(ROOT / "protocols", "protocols")
    files["node/__init__.py"] = ""
    files["node/manhole.py"] = (ROOT / "firmware/node/manhole.py").read_text()
    files["case.tab"] = gas_table(cover)
    files["steps.json"] = json.dumps(steps)
    script = f"""{RUNNER}
import gc, json
from node import manhole
from protocols import quality
with open("steps.json") as file:
    steps = json.load(file)
with open("case.tab", "rb") as file:
    table = file.read()
print(play(manhole, quality, table, steps, {cover == COVER}))
slots, events = Slots(), Events()
slots.values[1] = 205
slots.values[2] = -500
watched = manhole.Manhole(table, slots, events, None)
watched.tick(0)
gc.collect()
gc.disable()
before = gc.mem_alloc()
for second in range(200):
    watched.tick(second)
print(gc.mem_alloc() - before)
"""
    assert run_script(files, script).split() == [str(len(steps)), "0"]


def test_a_cover_that_is_shaken_is_not_turned_and_nothing_is_learned_meanwhile() -> None:
    cover = load_firmware("cover_angle").CoverAngle(4)
    for index in range(400):
        cover.add(600 if index % 2 else -600, 0, 1000)  # shaken, the mean lies flat
    assert cover.is_learned
    assert cover.from_background == 0
    for index in range(4):
        cover.add(0, 500 if index % 2 else -500, 900)
    assert cover.from_background <= 10
    moving = load_firmware("cover_angle").CoverAngle(4)
    for index in range(400):
        angle = index // 4 * 30
        moving.add(angle, 0, 1000)
    assert not moving.is_learned
    assert moving.is_lost  # at last its mean is three g: no direction of anything
    kept = load_firmware("cover_angle").CoverAngle(4, cover.background())
    assert kept.is_learned
    upside_down = load_firmware("cover_angle").CoverAngle(4)
    for _ in range(100):
        upside_down.add(0, 0, -1000)
    assert (upside_down.is_learned, upside_down.from_upright) == (False, 1800)


def play_gas(kept: bytes | None, values: list[int]) -> tuple[list[list[int]], Any]:
    """What a manhole that knows `kept` tells of these seconds of CH4, and the manhole."""
    scope: dict[str, Any] = {}
    exec(RUNNER, scope)
    slots, events = scope["Slots"](), scope["Events"]()
    slots.values[O2], slots.values[LEVEL] = 205, -500
    watched = load_firmware("manhole").Manhole(gas_table(), slots, events, None, kept)
    for second, value in enumerate(values):
        slots.values[CH4] = value
        watched.tick(second)
    return events.seen, watched


def test_an_alarm_that_had_gone_before_a_restart_is_told_when_it_comes_again() -> None:
    high = [RAISED + manhole_codes.CH4_HIGH, CH4, 260]
    low = [RAISED + manhole_codes.CH4_LOW, CH4, 260]
    seen, watched = play_gas(None, [0, *[260] * 4, 0])
    assert seen[:2] == [high, low]
    assert watched.latched
    assert not watched.standing
    again, watched = play_gas(watched.keep(), [0, *[260] * 4])
    assert again == [high, low]
    still, _watched = play_gas(watched.keep(), [*[260] * 5, 0])
    assert [event[0] for event in still] == [CLEARED, CLEARED]  # those that stood are not told twice


def cut_while_a_cover_opens(folder: Path, cut_at: int) -> tuple[int, int, bool]:
    """Open a cover's contact, cut the power before the flash operation `cut_at` of that (0: never), start again.

    Gives the operations on the flash, how often the alarm was told, and whether it is latched.
    """
    found = []

    async def body(bench: Workbench) -> None:
        Device(bench.sensors, 1, {CH4: 0, O2: 205, LEVEL: 0xFE0C})
        bench.machine.set_pin(32, 0)
        await bench.power_on()
        await asyncio.sleep(3)
        before = bench.machine.flash_operations
        bench.machine.cut_at_operation(cut_at)
        bench.machine.set_pin(32, 1)
        await asyncio.sleep(10)
        operations = bench.machine.flash_operations - before
        bench.machine.kill()
        bench.machine.cut_at_operation(0)
        told: set[tuple[int, int]] = set()
        for start in range(2):
            if start:
                bench.machine.kill()
            await bench.power_on()
            await asyncio.sleep(10)
            while events := await bench.master.events():
                (ago,) = await bench.master.read(node_map.EVENTS_EPOCHS_AGO, 1)
                epoch = await bench.epoch() - ago
                told |= {(epoch, event.sequence) for event in events if event.code == OPEN}
                await bench.master.acknowledge(epoch, events[-1].sequence)
        alarms = (await bench.master.read(node_map.MANHOLE_ALARMS, 1))[0]
        found.append((operations, len(told), bool(alarms >> manhole_codes.COVER_OPEN & 1)))

    folder.mkdir()
    on_bench(folder, gas_table(COVER), body)
    return found[0]


def test_an_alarm_is_lost_at_no_moment_at_which_the_power_goes(tmp_path: Path) -> None:
    operations, told, is_latched = cut_while_a_cover_opens(tmp_path / "whole", 0)
    assert (told, is_latched) == (1, True)
    assert operations >= 10  # the event's copy and the alarms'
    for cut_at in range(1, operations + 1):
        _operations, told, is_latched = cut_while_a_cover_opens(tmp_path / str(cut_at), cut_at)
        assert 1 <= told <= 2, cut_at  # told twice, where the flash knew the event and not yet the alarm
        assert is_latched, cut_at


def test_gas_alarms_of_a_node_have_their_time_and_outlive_its_silence(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        gases = Device(bench.sensors, 1, {CH4: 0, O2: 205, LEVEL: 0xFE0C})

        async def raised() -> list[int]:
            return [event.code - RAISED for event in await bench.master.events() if RAISED <= event.code < CLEARED]

        async def latched() -> int:
            return (await bench.master.read(node_map.MANHOLE_ALARMS, 1))[0]

        await bench.power_on()
        await asyncio.sleep(10)
        assert await raised() == []
        gases.registers[O2] = 190
        await asyncio.sleep(10)
        (event,) = [one for one in await bench.master.events() if one.code == RAISED + manhole_codes.O2_LOW]
        assert (event.time_state, event.slot, event.value) == (0, O2, 190)
        assert 10 <= event.unix_s <= 20  # seconds of this start, before anyone has told the time
        now_s = bench.clock.unix_ms() // 1000
        await bench.master.set_time(bench.clock.unix_ms())
        (event,) = [one for one in await bench.master.events() if one.code == RAISED + manhole_codes.O2_LOW]
        assert event.time_state == 1
        assert 4 <= now_s - event.unix_s <= 10
        gases.is_mute = True
        await asyncio.sleep(60)
        assert await latched() == 1 << manhole_codes.O2_LOW | 1 << manhole_codes.SENSOR_FAULT
        gases.is_mute = False
        gases.registers[O2] = 240
        await asyncio.sleep(130)
        assert await raised() == [manhole_codes.O2_LOW, manhole_codes.SENSOR_FAULT, manhole_codes.O2_HIGH]
        gases.registers[O2] = 209
        await bench.master.write(node_map.MANHOLE_COMMAND, 1 << manhole_codes.O2_LOW)
        await asyncio.sleep(5)
        assert await latched() == 1 << manhole_codes.O2_HIGH | 1 << manhole_codes.SENSOR_FAULT

    on_bench(tmp_path, gas_table(), body)


MANHOLE = {"cover": "d0/tilt", "hold_s": 10, "level": "d1/level", "pipe_m": 0.8, "depth_m": 2.5, "fault_s": 60}


def test_a_manhole_node_with_tilt_and_level(tmp_path: Path) -> None:
    pole = pole_of(("st-lis3dh", {}), ("generic-4-20ma", {"pin": 36}), manhole=MANHOLE)
    tilt_slot, level_slot = 0, 2
    assert [slot.point_name for slot in slots(pole, "node")] == ["d0/tilt", "d0/inclination", "d1/level"]

    async def body(bench: Workbench) -> None:
        async def state() -> list[int]:
            return await bench.master.read(node_map.MANHOLE, node_map.MANHOLE_REGISTERS)

        async def seen(skip: int) -> list[tuple[int, int, int]]:
            return [(event.code, event.slot, event.value) for event in (await bench.master.events())[skip:]]

        def water(metres: float) -> None:
            bench.machine.set_adc(36, round((4000 + 16000 * metres / 5) * 120))

        sensor = Lis3dh(bench.machine)
        water(0.2)
        await bench.power_on()
        await bench.master.set_time(START_UNIX_S * 1000)
        assert (await state())[2:] == [0, 0]
        await asyncio.sleep(20)
        assert await state() == [manhole_codes.CLOSED, 0, 1, 0]
        assert await seen(1) == [(event_codes.COVER_LEARNED, tilt_slot, 0)]
        sensor.turn(25)
        await asyncio.sleep(20)
        tilted = await state()
        assert (tilted[0], tilted[3]) == (manhole_codes.OPEN, 1 << manhole_codes.COVER_OPEN)
        assert abs(tilted[1] - 250) <= 2
        water(0.85)
        await asyncio.sleep(20)
        assert (await state())[3] == sum(
            1 << bit for bit in (manhole_codes.COVER_OPEN, manhole_codes.LEVEL_WARNING, manhole_codes.LEVEL_ALARM)
        )
        # The power goes, the cover is closed meanwhile, the water falls: alarms are still there to be acknowledged.
        bench.machine.kill()
        water(0.2)
        sensor.plug()
        sensor.turn(0)
        await bench.power_on()
        await asyncio.sleep(20)
        closed = await state()
        assert closed[0] == manhole_codes.CLOSED
        assert closed[3] == 1 << manhole_codes.COVER_OPEN | 3 << manhole_codes.LEVEL_WARNING
        async with linked(bench) as gateway:
            outcome = await command_manhole(gateway.link, 0xFFFF, 0)
        assert outcome.state == "confirmed"
        assert (await state())[3] == 0
        sensor.turn(170)
        await asyncio.sleep(5)
        assert (await state())[0] == manhole_codes.TURNED_OVER
        sensor.turn(6)  # a new frame for the cover: learn again
        await asyncio.sleep(5)
        await bench.master.write(node_map.MANHOLE_COMMAND, 0xFFFF, 1)
        await asyncio.sleep(20)
        assert (await state())[:3] == [manhole_codes.CLOSED, 0, 1]
        sensor.unplug()
        await asyncio.sleep(90)
        assert (await state())[3] == 1 << manhole_codes.SENSOR_FAULT
        assert (await bench.master.slot(tilt_slot)).quality == quality.NO_ANSWER
        assert (await bench.master.slot(level_slot)).quality == quality.GOOD

    on_bench(tmp_path, node_table(pole, "node"), body)

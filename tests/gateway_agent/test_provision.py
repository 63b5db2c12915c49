"""Compiling pole.toml and profiles into a node's table: the node reads what the gateway would read."""

from array import array
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.config.schema import PoleConfig
from gateway_agent.profiles import load_profile, profile_names, resolve
from gateway_agent.profiles.decode import asks_again, decode
from gateway_agent.provision import ProvisionError, digest, node_table, slots
from gateway_agent.toml_source import parse_toml, validate
from hardware.rig.machine import package_files, run_script
from protocols import node_table as reader
from protocols import node_table_layout as layout
from protocols import quality

ROOT = Path(__file__).parents[2]

POLE = """
[pole]
gateway = "gp-test-1"
[[buses]]
name = "pole"
port = "/dev/ttyS0"
[journal]
path = "journal.sqlite"
[uplink]
url = "coap://127.0.0.1:5683"
security = "clear"
[[nodes]]
name = "lamp_node"
bus = "pole"
unit = 17
every_s = 2
sensor_bus = { baud = 9600, parity = "N", stop_bits = 1 }
[[nodes.devices]]
name = "meter"
profile = "peacefair-pzem-016"
unit = 3
every_s = 2
[[nodes.devices]]
name = "lamp"
profile = "ecodim-dali-gw2"
unit = 4
every_s = 10
options = { short_address = 2 }
[[nodes.devices]]
name = "air"
profile = "renke-rs-fsxcs"
unit = 5
every_s = 2
options = { wind_scale = -2, ch507 = "co2" }
[[nodes]]
name = "manhole_node"
bus = "pole"
unit = 18
every_s = 2
sensor_bus = { baud = 9600, parity = "N", stop_bits = 1 }
[[nodes.devices]]
name = "gas"
profile = "4mz-hh4"
unit = 1
every_s = 2
[[nodes.devices]]
name = "cover"
profile = "generic-door-switch"
every_s = 2
options = { pin = 33 }
[[nodes.devices]]
name = "level"
profile = "qdy30a"
unit = 9
every_s = 2
[[nodes]]
name = "quiet_node"
bus = "pole"
unit = 19
every_s = 2
[[nodes.devices]]
name = "door"
profile = "generic-door-switch"
every_s = 2
"""


def pole(text: str = POLE) -> PoleConfig:
    return validate(PoleConfig, parse_toml(text, Path("pole.toml")))


def test_slots_stand_in_the_order_device_request_address() -> None:
    manhole = slots(pole(), "manhole_node")
    assert [slot.index for slot in manhole] == list(range(6))
    assert [slot.point_name for slot in manhole] == [
        "gas/ch4",
        "gas/o2",
        "gas/co",
        "gas/h2s",
        "cover/open",
        "level/level",
    ]
    assert [(slot.exponent, slot.unit) for slot in manhole][3:] == [(-1, "ppm"), (0, "bool"), (-3, "m")]
    assert manhole[4].point.alarm
    assert {slot.period_ms for slot in manhole} == {2000}
    assert manhole[5].device_name == "level"


def test_the_table_has_the_slots_of_the_gateway() -> None:
    for node in ("lamp_node", "manhole_node", "quiet_node"):
        table = node_table(pole(), node)
        reader.check(table)
        planned = slots(pole(), node)
        assert reader.slot_count(table) == len(planned)
        for slot in planned:
            assert reader.slot_exponent(table, slot.index) == slot.exponent
            assert (reader.slot_type(table, slot.index) == layout.PIN) == (slot.point.pin is not None)
            assert bool(reader.slot_flags(table, slot.index) & layout.ALARM) == slot.point.alarm


def test_the_table_asks_what_the_profiles_say() -> None:
    table = node_table(pole(), "manhole_node")
    asked = [
        (
            reader.request_unit(table, request),
            reader.request_function(table, request),
            reader.request_address(table, request),
            reader.request_registers(table, request),
        )
        for request in range(reader.request_count(table))
    ]
    assert asked == [(1, 3, 0, 6), (2, 3, 0, 6), (3, 3, 0, 6), (4, 3, 0, 6), (9, 3, 2, 3)]
    assert reader.slot_pin(table, 4) == 33
    assert (reader.device_request_count(table, 1), reader.device_slot_count(table, 1)) == (0, 1)


def test_timing_and_lamp_come_from_the_profiles() -> None:
    table = node_table(pole(), "lamp_node")
    assert (reader.baud(table), reader.parity(table), reader.stop_bits(table)) == (9600, 0, 1)
    assert reader.device_period_ms(table, 1) == 10000
    assert (reader.device_zero_tries(table, 2), reader.device_zero_wait_ms(table, 2)) == (5, 2000)
    assert reader.lamp_present(table)
    assert reader.lamp_device(table) == 1
    assert (reader.lamp_write_unit(table), reader.lamp_write_address(table)) == (4, 3010)
    assert (reader.lamp_read_unit(table), reader.lamp_read_address(table)) == (4, 3014)
    level = next(slot for slot in slots(pole(), "lamp_node") if slot.point_name == "lamp/level")
    assert reader.lamp_read_slot(table) == level.index
    assert reader.lamp_value(table, 10) == 170
    assert not reader.lamp_present(node_table(pole(), "manhole_node"))


def test_equal_configurations_give_equal_bytes_and_others_another_digest() -> None:
    table = node_table(pole(), "lamp_node")
    assert node_table(pole(), "lamp_node") == table
    assert digest(table) == int.from_bytes(table[8:12], "big")
    changed = node_table(pole(POLE.replace("wind_scale = -2", "wind_scale = -1")), "lamp_node")
    assert digest(changed) != digest(table)


def test_a_node_of_pins_needs_no_sensor_bus() -> None:
    assert reader.baud(node_table(pole(), "quiet_node")) == 0


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            'profile = "qdy30a"',
            'profile = "eastron-sdm120"\nserial = { baud = 2400 }',
            r"level \(Eastron SDM120\) cannot hang on the sensor bus of manhole_node \(9600 8N1\): "
            r"pole.toml sets it to 2400 8N1; set it to the bus",
        ),
        (
            '[[nodes.devices]]\nname = "gas"',
            '[[nodes.devices]]\nname = "two"\nprofile = "ecodim-dali-gw2"\nunit = 30\nevery_s = 2\n'
            '[[nodes.devices]]\nname = "three"\nprofile = "ecodim-dali-gw2"\nunit = 31\nevery_s = 2\n'
            '[[nodes.devices]]\nname = "gas"',
            "manhole_node has the lamps two and three, but a node drives one",
        ),
        (
            'unit = 18\nevery_s = 2\nsensor_bus = { baud = 9600, parity = "N", stop_bits = 1 }',
            "unit = 18\nevery_s = 2",
            "gas speaks Modbus, but manhole_node has no sensor_bus",
        ),
        (
            'unit = 18\nevery_s = 2\nsensor_bus = { baud = 9600, parity = "N", stop_bits = 1 }',
            'unit = 18\nevery_s = 2\nsensor_bus = { baud = 4800, parity = "E", stop_bits = 1 }',
            r"gas \(4MZ-HH4\) cannot hang on the sensor bus of manhole_node \(4800 8E1\): "
            "the line has baud 4800, the device takes 9600; the line has parity E, the device takes N",
        ),
    ],
)
def test_what_cannot_share_a_node_is_refused_with_the_reason(right: str, wrong: str, message: str) -> None:
    assert right in POLE
    with pytest.raises(ProvisionError, match=message):
        node_table(pole(POLE.replace(right, wrong)), "manhole_node")


def test_a_device_whose_choices_hold_the_bus_settings_is_taken() -> None:
    text = POLE.replace('profile = "qdy30a"', 'profile = "eastron-sdm120"')
    assert reader.slot_count(node_table(pole(text), "manhole_node")) == 5 + 17


def test_an_unknown_node_and_too_many_points_are_refused() -> None:
    with pytest.raises(ProvisionError, match="no node attic; its nodes: lamp_node, manhole_node, quiet_node"):
        slots(pole(), "attic")
    many = "".join(
        f'[[nodes.devices]]\nname = "m{index}"\nprofile = "eastron-sdm120"\nunit = {index}\nevery_s = 60\n'
        for index in range(20, 28)
    )
    sensor_bus = "unit = 19\nevery_s = 2\nsensor_bus = { baud = 9600 }"
    text = POLE.replace("unit = 19\nevery_s = 2", sensor_bus) + many
    with pytest.raises(ProvisionError, match="quiet_node has 137 points, but 128 slots"):
        node_table(pole(text), "quiet_node")


def one_device(name: str, options: dict[str, Any]) -> PoleConfig:
    serial = load_profile(name).device.serial
    line = serial and {"baud": serial.baud, "parity": serial.parity, "stop_bits": serial.stop_bits}
    node = {
        "name": "node",
        "bus": "pole",
        "unit": 17,
        "every_s": 2.0,
        "sensor_bus": line,
        "devices": [{"name": "device", "profile": name, "every_s": 2.0, "options": options}],
    }
    base = parse_toml(POLE.partition("[[nodes]]")[0], Path("pole.toml")).data
    return PoleConfig.model_validate({**base, "nodes": [node]})


READ = [
    name
    for name in profile_names()
    if name != "gatepost-node" and any(point.register is not None for point in resolve(load_profile(name)).points)
]
VARIANTS = [(name, {}) for name in READ] + [
    ("renke-rs-fsxcs", {"wind_scale": -2, "ch507": "co2", "base": 0}),
    ("qdy30a", {"unit_table": "qdy30a-b"}),
    ("ecodim-dali-gw2", {"short_address": 63}),
    ("dfrobot-a02yyuw", {"mount_height_mm": 700}),
]
COMPILED = [(name, options, node_table(one_device(name, options), "node")) for name, options in VARIANTS]


def plausible_word(random: Random) -> int:
    return random.choice([0, 1, 2, 3, 16, 17, 0x0400, 0x2400, 0x42C8, 0x7FFF, 0x8000, 0xFFFF, random.randrange(65536)])


@given(st.integers(0, 2**32), st.sampled_from(COMPILED))
def test_the_node_reads_every_answer_as_the_gateway_does(seed: int, case: tuple[str, dict[str, Any], bytes]) -> None:
    name, options, table = case
    random = Random(seed)
    values, qualities = array("i", [0] * 128), bytearray(128)
    for request in resolve(load_cached(name), options).requests():
        words = [plausible_word(random) for _ in range(request.count)]
        frame = b"".join(word.to_bytes(2, "big") for word in words)
        for point in request.points:
            slot = slot_of(name, options, point.name)
            again = reader.decode_point(table, slot, frame, 0, values, qualities)
            value, reason = decode(point, words, request.address)
            if value is not None and not -(2**31) <= value < 2**31:
                value, reason = None, quality.RANGE  # no slot holds it
            assert (values[slot], qualities[slot]) == (value or 0, reason)
            assert again == asks_again(point, words, request.address)


PROFILES: dict[str, Any] = {}
SLOTS: dict[str, dict[str, int]] = {}


def load_cached(name: str) -> Any:
    if name not in PROFILES:
        PROFILES[name] = load_profile(name)
    return PROFILES[name]


def slot_of(name: str, options: dict[str, Any], point_name: str) -> int:
    key = f"{name} {options}"
    if key not in SLOTS:
        SLOTS[key] = {slot.point.name: slot.index for slot in slots(one_device(name, options), "node")}
    return SLOTS[key][point_name]


SCRIPT = """
from protocols import node_table
for name in ("lamp_node", "manhole_node", "quiet_node"):
    with open(name + ".tab", "rb") as file:
        table = file.read()
    node_table.check(table)
    print(name, node_table.slot_count(table), node_table.request_count(table), len(table))
"""


def test_micropython_accepts_the_tables() -> None:
    files = package_files(ROOT / "protocols", "protocols")
    tables = {name: node_table(pole(), name) for name in ("lamp_node", "manhole_node", "quiet_node")}
    files.update({f"{name}.tab": table for name, table in tables.items()})
    expected = [
        f"{name} {reader.slot_count(table)} {reader.request_count(table)} {len(table)}"
        for name, table in tables.items()
    ]
    assert run_script(files, SCRIPT).splitlines() == expected

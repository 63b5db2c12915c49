"""The profiles that come with Gatepost: whole, sourced, and asking for what the public maps say."""

import math
from itertools import product

import pytest

from gateway_agent.profiles import load_profile, profile_names, resolve
from gateway_agent.profiles.load import profile_directory
from protocols.crc import crc16

ALL = profile_names()
READ = [name for name in ALL if name != "gatepost-node"]


def first_request(name: str) -> bytes:
    """The first request to a device as it goes on the wire."""
    profile = load_profile(name)
    serial = profile.device.serial
    assert serial is not None
    request = resolve(profile).requests()[0]
    body = bytes([serial.unit_id, request.function]) + request.address.to_bytes(2, "big")
    return with_crc(body + request.count.to_bytes(2, "big"))


def with_crc(body: bytes) -> bytes:
    return body + crc16(body, 0, len(body)).to_bytes(2, "little")


def test_there_are_the_profiles_of_the_first_slice() -> None:
    assert {
        "4mz-hh4",
        "eastron-sdm120",
        "ecodim-dali-gw2",
        "gatepost-node",
        "generic-door-switch",
        "greenioiot-micro-station",
        "peacefair-pzem-016",
        "qdy30a",
        "renke-rs-fsxcs",
        "xy-md02",
    } <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_profile_says_whether_it_was_verified(name: str) -> None:
    head = (profile_directory() / f"{name}.toml").read_text(encoding="utf-8").partition("[device]")[0]
    assert head.startswith("# Source: ")
    if name not in ("gatepost-node", "generic-door-switch"):
        assert "erified on a unit" in head


@pytest.mark.parametrize("name", READ)
def test_every_combination_of_options_gives_a_device(name: str) -> None:
    profile = load_profile(name)
    values = [option.bounds_or_choices for option in profile.options.values()]
    for combination in product(*values):
        resolved = resolve(profile, dict(zip(profile.options, combination, strict=True)))
        assert resolved.points
        assert len({point.name for point in resolved.points}) == len(resolved.points)
        of_requests = [point for request in resolved.requests() for point in request.points]
        assert len(of_requests) + sum(point.is_own for point in resolved.points) == len(resolved.points)


# DOMAIN.md section 9, whole frames with their check value.
@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("peacefair-pzem-016", "01 04 00 00 00 0A 70 0D"),
        ("renke-rs-fsxcs", "01 03 01 F4 00 10 04 08"),
        ("xy-md02", "01 04 00 01 00 02 20 0B"),
        ("4mz-hh4", "01 03 00 00 00 06 C5 C8"),
    ],
)
def test_the_first_request_is_the_published_one(name: str, frame: str) -> None:
    assert first_request(name).hex(" ").upper() == frame


def test_the_gas_module_is_asked_under_four_unit_ids() -> None:
    requests = resolve(load_profile("4mz-hh4")).requests()
    assert [(request.unit_offset, request.address, request.count) for request in requests] == [
        (0, 0, 6),
        (1, 0, 6),
        (2, 0, 6),
        (3, 0, 6),
    ]
    assert [request.points[0].name for request in requests] == ["ch4", "o2", "co", "h2s"]


def test_the_energy_reset_is_the_published_frame_and_guarded() -> None:
    action = load_profile("peacefair-pzem-016").actions["reset_energy"]
    assert with_crc(bytes([0x01]) + action.request()).hex(" ").upper() == "01 42 80 11"
    assert with_crc(bytes([0xF8]) + action.request()).hex(" ").upper() == "F8 42 C2 41"
    assert action.guard == "operator"


def test_actions_become_the_requests_of_the_standard() -> None:
    reset = load_profile("ecodim-dali-gw2").actions["reset"]
    assert reset.request() == bytes([6, 0, 32, 0, 0x55])


@pytest.mark.parametrize("name", ALL)
def test_what_is_written_once_is_guarded_and_never_polled(name: str) -> None:
    profile = load_profile(name)
    polled = {
        (register.function, address)
        for point in resolve(profile).points
        if (register := point.register) is not None
        for address in range(register.first, register.last + 1)
    }
    for setting in profile.configuration.values():
        assert setting.guard == "commissioning"
        if name != "qdy30a":  # its settings and its value share one block
            assert (setting.register_at.function, setting.register_at.address) not in polled


def test_the_lamp_is_full_at_254_and_off_at_0() -> None:
    lamp = resolve(load_profile("ecodim-dali-gw2")).lamp
    assert lamp is not None
    assert (lamp.function, lamp.address, lamp.read_back) == (6, 3000, "level")
    assert lamp.curve[0] == 0
    assert lamp.curve[100] == 254
    assert lamp.curve[50] == round(1 + 253 / 3 * (math.log10(50) + 1))


def test_a_meter_of_2400_baud_takes_other_settings_only_from_its_choices() -> None:
    serial = load_profile("eastron-sdm120").device.serial
    assert serial is not None
    assert serial.misfits(2400, "N", 1) == []
    assert serial.misfits(9600, "E", 1) == []
    assert serial.misfits(19200, "N", 1) == ["the line has baud 19200, the device takes 2400 or 1200 or 4800 or 9600"]
    fixed = load_profile("xy-md02").device.serial
    assert fixed is not None
    assert len(fixed.misfits(4800, "E", 2)) == 3


def test_the_slots_of_our_node_can_be_read_four_registers_each() -> None:
    slots = load_profile("gatepost-node").blocks["slots"]
    assert slots.entry is not None
    assert slots.entry.registers == 4
    assert slots.address + slots.registers == 0x0400

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusIOException

from gateway_agent.profiles.load import load_profile
from gateway_agent.profiles.model import Profile
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_real, run_virtual
from hardware.rig.devices import SimulatedDevice
from hardware.rig.line_faults import LineFaults, Mute, NoiseBefore
from hardware.rig.modbus_side import pack, unpack
from hardware.rig.pty_drop import PtyDrop
from hardware.rig.serial_url import SerialPort
from hardware.rig.truth import Truth
from hardware.rig.wrong_answers import WrongAnswers
from protocols import quality

PROFILE = """
# Source: made up for this test
[device]
model = "Rig Everything"
kind = "test"
serial = { baud = 9600, parity = "N", stop_bits = 1, unit_id = 5 }
timing = { reply_timeout_ms = 200, gap_ms = 20, retries = 2, warm_up_s = 30 }
requests = { max_gap = 3, max_registers = 20 }
[options.base]
title = "where the table begins"
default = 0
choices = [0, 100]
shift = { origin = 0, step = 1 }
[points.voltage]
title = "voltage"
register = { function = 4, address = 0, type = "f32" }
scale = -1
unit = "V"
range = [80, 260]
report = { every_s = 60 }
[points.energy]
title = "energy"
register = { function = 4, address = 4, type = "u32", word_order = "little" }
unit = "Wh"
range = [0, 4000000000]
report = { every_s = 60 }
[points.temperature]
title = "temperature"
register = { function = 3, address = 0, type = "s16", shift = "base" }
scale = -1
unit = "Cel"
range = [-40, 85]
invalid = [0x7FFF]
report = { every_s = 60 }
[points.ch4]
title = "methane"
register = { function = 3, type = "bits", unit_offset = 2, parts = [{ address = 0, bits = [7, 6] }, { address = 1 }] }
scale = -3
unit = "%LEL"
range = [0, 262]
status = "sensor"
decimals = { address = 0, bits = [11, 8], codes = { 0 = 0, 4 = 1, 8 = 2, 12 = 3 } }
report = { every_s = 60 }
[points.brightness]
title = "brightness"
register = { function = 3, address = 40, type = "u16" }
unit = "raw"
range = [0, 254]
report = { every_s = 60 }
[status.sensor]
address = 5
bits = [7, 0]
codes = { 0 = "warming-up", 1 = "good", 3 = "fault" }
[lamp]
write = { function = 6, address = 36 }
read_back = "brightness"
curve = "dali-log"
full_value = 254
settle_ms = 1000
[configuration.unit]
register = { function = 3, address = 256, type = "u16" }
write = 6
sets = "unit-id"
range = [1, 247]
guard = "commissioning"
[actions.reset_energy]
title = "sets the energy back"
function = 66
guard = "operator"
"""

Play = Callable[[RigClock, SimulatedDevice, AsyncModbusSerialClient], Awaitable[None]]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    path = tmp_path_factory.mktemp("profile") / "everything.toml"
    path.write_text(PROFILE.lstrip())
    return load_profile(path)


def with_a_master(
    profile: Profile, play: Play, options: dict[str, object] | None = None, pty: Path | None = None
) -> None:
    """Let pymodbus be the master of a bus with one device, over a `rig://` port or over a pty in real time."""

    async def main(clock: RigClock) -> None:
        bus = Bus("sensors")
        device = SimulatedDevice(profile, 5, "all", options, clock=clock, truth=Truth())
        device.connect(bus)
        port = SerialPort("sensors", bus) if pty is None else PtyDrop(bus, pty)
        client = AsyncModbusSerialClient(str(port.path), baudrate=9600, timeout=0.2, retries=0, reconnect_delay=0)
        assert await client.connect()
        try:
            await play(clock, device, client)
        finally:
            client.close()
            port.close()

    if pty is None:
        run_virtual(main)
    else:
        run_real(main)


async def refreshed(device: SimulatedDevice, **values: int) -> None:
    for point, value in values.items():
        device.set(point, value)
    device.refresh()
    await asyncio.sleep(0.6)


async def everything_reads_back(clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
    await refreshed(device, voltage=2304, energy=0x01020304, temperature=-123, ch4=0x1ABCD)
    now_ms = clock.unix_ms()
    truth = device.truth
    assert truth is not None
    answer = await client.read_input_registers(0, count=6, device_id=5)
    (voltage,) = struct.unpack(">f", struct.pack(">2H", *answer.registers[:2]))
    assert round(voltage * 10) == truth.value_at("all/voltage", now_ms) == 2304
    low, high = answer.registers[4:]
    assert high << 16 | low == truth.value_at("all/energy", now_ms) == 0x01020304
    await asyncio.sleep(0.03)
    answer = await client.read_holding_registers(0, count=1, device_id=5)
    assert answer.registers[0] - 65536 == truth.value_at("all/temperature", now_ms) == -123
    await asyncio.sleep(0.03)
    answer = await client.read_holding_registers(0, count=6, device_id=7)
    registers = answer.registers
    assert registers[0] >> 8 & 15 == 12
    assert (registers[0] >> 6 & 3) << 16 | registers[1] == truth.value_at("all/ch4", now_ms) == 0x1ABCD
    assert registers[5] == 1


def test_pymodbus_reads_what_the_truth_says(profile: Profile) -> None:
    with_a_master(profile, everything_reads_back)


def test_pymodbus_reads_what_the_truth_says_over_a_real_serial_device(profile: Profile, tmp_path: Path) -> None:
    with_a_master(profile, everything_reads_back, pty=tmp_path / "usb-rig")


def test_what_does_not_exist_gives_the_exception_of_the_standard(profile: Profile) -> None:
    async def play(_clock: RigClock, _device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        async def code(answer: Awaitable[object]) -> int:
            exception: int = (await answer).exception_code  # type: ignore[attr-defined]
            await asyncio.sleep(0.03)
            return exception

        assert await code(client.read_coils(0, device_id=5)) == 1
        assert await code(client.read_holding_registers(1000, device_id=5)) == 2
        assert await code(client.read_holding_registers(0, count=2, device_id=5)) == 2
        assert await code(client.read_input_registers(0, count=21, device_id=5)) == 3
        assert await code(client.write_register(0, 1, device_id=5)) == 2
        assert await code(client.write_register(36, 255, device_id=5)) == 3
        assert await code(client.read_holding_registers(0, device_id=6)) == 2

    with_a_master(profile, play)


def test_an_option_moves_the_registers(profile: Profile) -> None:
    async def play(_clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        await refreshed(device, temperature=215)
        assert (await client.read_holding_registers(100, device_id=5)).registers == [215]

    with_a_master(profile, play, {"base": 100})


def test_a_lamp_reads_back_its_value_after_the_fade_and_the_truth_says_when(profile: Profile) -> None:
    async def play(clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        assert device.lamp is not None
        assert device.lamp.level_pct == 100
        assert (await client.write_register(36, 126, device_id=5)).registers == [126]
        written_ms = clock.unix_ms()
        await asyncio.sleep(0.4)
        assert (await client.read_holding_registers(40, device_id=5)).registers == [254]
        await asyncio.sleep(0.8)
        assert (await client.read_holding_registers(40, device_id=5)).registers == [126]
        assert device.lamp.level_pct == pytest.approx(3, abs=0.1)
        assert device.truth is not None
        (_, change), *_ = [
            (value, begin)
            for begin, _, value in device.truth.values_between("all/brightness", written_ms, clock.unix_ms())
            if value == 126
        ]
        assert 600 < change - written_ms <= 1000

    with_a_master(profile, play)


def test_a_lamp_that_is_written_twice_ends_where_it_was_sent_last(profile: Profile) -> None:
    async def play(_clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        device.set("temperature", 9)
        await client.read_holding_registers(40, device_id=5)
        device.refresh()
        await asyncio.sleep(0.03)
        for value in (200, 0):
            await client.write_register(36, value, device_id=5)
            await asyncio.sleep(0.3)
        await asyncio.sleep(1)
        assert (await client.read_holding_registers(40, device_id=5)).registers == [0]
        assert device.lamp is not None
        assert device.lamp.level_pct == 0
        assert device.value("temperature") == 9

    with_a_master(profile, play)


def test_an_image_never_changes_within_half_a_second_after_an_answer(profile: Profile) -> None:
    async def play(clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        await refreshed(device, temperature=1)
        for pause in (0.0, 0.1, 0.3, 0.49, 0.51, 0.9):
            await client.read_holding_registers(0, device_id=5)
            answered_ms = clock.unix_ms()
            await asyncio.sleep(pause)
            asked_ms = clock.unix_ms()
            value = 100 + round(pause * 100)
            device.set("temperature", value)
            device.refresh()
            await asyncio.sleep(1)
            assert device.truth is not None
            ((begin, _, _),) = [
                span for span in device.truth.values_between("all/temperature", 0, clock.unix_ms()) if span[2] == value
            ]
            assert begin == pytest.approx(max(asked_ms, answered_ms + 500), abs=3)
        assert device.counts["put-off"] == 4

    with_a_master(profile, play)


def test_a_device_that_is_never_left_alone_still_measures_in_the_end(profile: Profile) -> None:
    async def play(_clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        device.set("temperature", 77)
        device.refresh()
        seen = set()
        for _ in range(30):
            seen.add((await client.read_holding_registers(0, device_id=5)).registers[0])
            device.set("temperature", 78)
            device.refresh()
            await asyncio.sleep(0.25)
        assert 78 in seen

    with_a_master(profile, play)


def test_a_point_without_a_value_shows_its_sentinel_and_the_truth_holds_nothing(profile: Profile) -> None:
    async def play(clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        await refreshed(device, temperature=5, voltage=2300)
        device.set_invalid("temperature")
        device.set_invalid("voltage")
        await refreshed(device)
        assert (await client.read_holding_registers(0, device_id=5)).registers == [0x7FFF]
        await asyncio.sleep(0.1)
        assert (await client.read_input_registers(0, count=2, device_id=5)).registers == [0x7FC0, 0]
        assert device.truth is not None
        assert device.truth.value_at("all/temperature", clock.unix_ms()) is None
        assert device.truth.value_at("all/voltage", clock.unix_ms()) is None

    with_a_master(profile, play)


def test_a_restarted_device_warms_up_before_its_figures_count(profile: Profile) -> None:
    async def play(clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        truth = device.truth
        assert truth is not None
        await refreshed(device, ch4=12)
        device.restart()
        await asyncio.sleep(1)
        assert (await client.read_holding_registers(5, device_id=7)).registers == [0]
        assert truth.value_at("all/ch4", clock.unix_ms()) is None
        await asyncio.sleep(30)
        assert (await client.read_holding_registers(5, device_id=7)).registers == [1]
        assert truth.value_at("all/ch4", clock.unix_ms()) == 12
        device.set_quality("ch4", quality.FAULT)
        await refreshed(device)
        await asyncio.sleep(0.6)
        assert (await client.read_holding_registers(5, device_id=7)).registers == [3]
        assert device.value("ch4") is None

    with_a_master(profile, play)


def test_other_decimals_give_the_same_quantity(profile: Profile) -> None:
    async def play(_clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        for code, value, raw, held in ((8, 12340, 1234, 12340), (0, 12340, 12, 12000), (12, 0, 0, 0), (4, 7, 0, 0)):
            device.set_codes("ch4", decimals=code)
            await refreshed(device, ch4=value)
            registers = (await client.read_holding_registers(0, count=2, device_id=7)).registers
            assert registers[0] >> 8 & 15 == code
            assert registers[1] == raw
            assert device.value("ch4") == held
            await asyncio.sleep(0.6)

    with_a_master(profile, play)


def test_a_request_that_comes_too_soon_is_not_heard(profile: Profile) -> None:
    async def play(_clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        await client.read_holding_registers(0, device_id=5)
        with pytest.raises(ModbusIOException):
            await client.read_holding_registers(0, device_id=5)
        assert device.counts["hurried"] == 1
        await asyncio.sleep(0.02)
        await client.read_holding_registers(0, device_id=5)

    with_a_master(profile, play)


def test_a_written_setting_takes_effect_after_the_answer(profile: Profile) -> None:
    async def play(_clock: RigClock, device: SimulatedDevice, client: AsyncModbusSerialClient) -> None:
        assert (await client.write_register(256, 9, device_id=5)).registers == [9]
        await asyncio.sleep(0.6)
        assert device.unit == 9
        assert (await client.read_holding_registers(256, device_id=9)).registers == [9]

    with_a_master(profile, play)


def raw_exchange(profile: Profile, frames: list[bytes], prepare: Callable[[SimulatedDevice], None]) -> list[bytes]:
    """What a device answers to frames that are sent half a second apart."""

    async def main(clock: RigClock) -> list[bytes]:
        bus = Bus("sensors", chunk_bytes=255)
        device = SimulatedDevice(profile, 5, "all", clock=clock)
        device.connect(bus)
        device.set("temperature", 1)
        device.refresh()
        prepare(device)
        answers: list[bytes] = []
        master = bus.attach("master", answers.append)
        for frame in frames:
            master.send(frame)
            await asyncio.sleep(0.5)
        return answers

    return run_virtual(main)


READ = pack(5, bytes.fromhex("03 0000 0001"))
READ_ENERGY = pack(5, bytes.fromhex("04 0004 0002"))


def test_a_vendors_action_is_done_and_confirmed(profile: Profile) -> None:
    done: list[str] = []
    request = pack(5, b"\x42")
    assert raw_exchange(profile, [request], lambda device: setattr(device, "on_action", done.append)) == [request]
    assert done == ["reset_energy"]


def test_a_broadcast_is_obeyed_and_not_answered(profile: Profile) -> None:
    seen: list[SimulatedDevice] = []
    assert raw_exchange(profile, [pack(0, bytes.fromhex("06 0024 0055"))], seen.append) == []
    assert seen[0].lamp is not None
    assert seen[0].lamp.wanted == 0x55


@given(st.integers(1, 247), st.binary(min_size=1, max_size=40), st.integers(0, 400), st.integers(1, 255))
def test_one_changed_byte_spoils_a_frame(unit: int, pdu: bytes, place: int, change: int) -> None:
    frame = pack(unit, pdu)
    assert unpack(frame) == (unit, pdu)
    spoilt = bytearray(frame)
    spoilt[place % len(frame)] ^= change
    assert unpack(bytes(spoilt)) is None


def test_a_damaged_request_is_counted_and_not_answered(profile: Profile) -> None:
    seen: list[SimulatedDevice] = []
    assert raw_exchange(profile, [READ[:-1] + b"\x00", READ[:5], b"\x05"], seen.append) == []
    assert seen[0].counts["damaged"] == 3


def test_the_line_faults_of_a_device_hit_its_answers(profile: Profile) -> None:
    def noisy(device: SimulatedDevice) -> None:
        assert device.drop is not None
        device.drop.faults = LineFaults(1, NoiseBefore())

    (answer,) = raw_exchange(profile, [READ], noisy)
    assert answer == b"\x00" + pack(5, bytes.fromhex("03 02 0001"))

    def mute(device: SimulatedDevice) -> None:
        assert device.drop is not None
        device.drop.faults = LineFaults(1, Mute())

    assert raw_exchange(profile, [READ], mute) == []
    assert raw_exchange(profile, [READ], lambda device: setattr(device, "powered", False)) == []


@pytest.mark.parametrize(
    ("kind", "unit", "pdu"),
    [
        ("function", 5, "03 04 0000 0000"),
        ("unit", 6, "04 04 0000 0000"),
        ("short", 5, "04 02 0000"),
        ("previous", 5, "03 02 0001"),
        ("busy", 5, "84 06"),
    ],
)
def test_wrong_answers_are_well_formed(profile: Profile, kind: str, unit: int, pdu: str) -> None:
    spoiler = WrongAnswers(3, kind)
    answers = raw_exchange(profile, [READ, READ_ENERGY], lambda device: setattr(device, "wrong", spoiler))
    assert unpack(answers[1]) == (unit, bytes.fromhex(pdu))
    assert spoiler.hits[kind] >= 1


def test_an_unknown_kind_of_wrong_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="rude"):
        WrongAnswers(3, "rude")


def test_a_setting_of_two_registers_is_taken_when_both_are_written() -> None:
    seen: list[SimulatedDevice] = []
    meter = load_profile("eastron-sdm120")
    unit_id = b"\x10" + struct.pack(">HHBf", 0x0014, 2, 4, 9.0)
    baud = b"\x10" + struct.pack(">HHBf", 0x001C, 2, 4, 2.0)

    async def main(clock: RigClock) -> list[bytes]:
        bus = Bus("mains", baud=2400, chunk_bytes=255)
        device = SimulatedDevice(meter, 1, "mains", clock=clock)
        device.connect(bus)
        seen.append(device)
        answers: list[bytes] = []
        master = bus.attach("master", answers.append)
        for pdu in (unit_id, baud):
            master.send(pack(device.unit, pdu))
            await asyncio.sleep(1)
        return answers

    answers = run_virtual(main)
    assert [unpack(answer) for answer in answers] == [(1, unit_id[:5]), (9, baud[:5])]
    assert seen[0].unit == 9
    assert seen[0].drop is not None
    assert seen[0].drop.settings.baud == 9600


def test_a_device_that_cannot_take_the_bus_settings_keeps_its_own() -> None:
    async def main(clock: RigClock) -> tuple[int, int]:
        bus = Bus("sensors", baud=2400)
        housing = SimulatedDevice(load_profile("xy-md02"), 1, "housing", clock=clock).connect(bus)
        air = SimulatedDevice(load_profile("renke-rs-fsxcs"), 2, "air", clock=clock).connect(bus)
        return housing.settings.baud, air.settings.baud

    assert run_virtual(main) == (9600, 2400)

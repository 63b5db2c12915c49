"""The node as server on the pole bus: its registers, its exceptions, its silence."""

import asyncio
import random
import struct
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.framer import FramerType

from hardware.rig.modbus_side import pack, unpack
from hardware.rig.serial_url import SerialPort
from protocols import modbus, node_map
from tests.firmware.workbench import NODE, Device, RefusedError, Workbench, on_bench, table_of

TABLE = table_of((1, 4))
_NOTHING = 0x0034  # between health and time


async def code_of(bench: Workbench, pdu: bytes) -> int:
    """The exception code that the node answers with, 0 for a good answer."""
    try:
        await bench.master.ask(pdu)
    except RefusedError as error:
        return error.code
    return 0


def test_identity_and_health_tell_who_and_how(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        identity = await bench.master.read(node_map.IDENTITY, node_map.IDENTITY_REGISTERS)
        assert identity[0] == node_map.IDENTITY_MAGIC_VALUE
        assert identity[1] == node_map.IDENTITY_MAP_VERSION_VALUE
        assert struct.pack(">2H", *identity[4:6]) == TABLE[8:12]
        assert identity[6:8] == [4, 1]
        health = await bench.master.read(node_map.HEALTH, node_map.HEALTH_REGISTERS, function=4)
        assert health[1] in (0, 1)
        assert health[2] == 1
        assert health[3] << 16 | health[4] > 10_000

    on_bench(tmp_path, TABLE, body)


def test_the_clock_is_set_to_the_end_of_the_request(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        assert (await bench.master.read(node_map.HEALTH_TIME_STATE, 1))[0] == 0
        for _ in range(20):
            await asyncio.sleep(0.0137)
            await bench.master.set_time(bench.clock.unix_ms())
            asked_ms = bench.clock.unix_ms()
            high, low, ms = await bench.master.read(node_map.HEALTH_UNIX_S, 3)
            # read 8 bytes, at 0.52 ms each, and 2 ms of silence later
            assert abs(((high << 16 | low) * 1000 + ms) - asked_ms - 6) <= 4
        assert (await bench.master.read(node_map.HEALTH_TIME_STATE, 1))[0] == 1

    on_bench(tmp_path, TABLE, body)


def test_a_broadcast_sets_the_clock_and_is_not_answered(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        seconds = bench.clock.unix_ms() // 1000
        frame = pack(0, struct.pack(">BHHBIH", 16, node_map.TIME, 3, 6, seconds, 0))
        assert await bench.master.say(frame) == b""
        assert abs(await bench.master.health(node_map.HEALTH_UNIX_S) - seconds) <= 1

    on_bench(tmp_path, TABLE, body)


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        (struct.pack(">BHH", 3, _NOTHING, 1), modbus.ILLEGAL_DATA_ADDRESS),
        (struct.pack(">BHH", 3, node_map.IDENTITY, 13), modbus.ILLEGAL_DATA_ADDRESS),
        (struct.pack(">BHH", 3, node_map.SLOTS, 17), modbus.ILLEGAL_DATA_ADDRESS),
        (struct.pack(">BHH", 4, node_map.SLOTS, 16), 0),
        (struct.pack(">BHH", 4, 0xFFFF, 2), modbus.ILLEGAL_DATA_ADDRESS),
        (struct.pack(">BHH", 3, 0, 0), modbus.ILLEGAL_DATA_VALUE),
        (struct.pack(">BHH", 3, 0, 126), modbus.ILLEGAL_DATA_VALUE),
        (struct.pack(">BHH", 1, 0, 1), modbus.ILLEGAL_FUNCTION),
        (b"\x2b\x0e\x01\x00", modbus.ILLEGAL_FUNCTION),
        (b"\x11", modbus.ILLEGAL_FUNCTION),
        (struct.pack(">BHH", 6, node_map.IDENTITY, 1), modbus.ILLEGAL_DATA_ADDRESS),
        (struct.pack(">BHH", 6, node_map.SLOTS, 1), modbus.ILLEGAL_DATA_ADDRESS),
        (struct.pack(">BHH", 6, node_map.TIME, 1), modbus.ILLEGAL_DATA_VALUE),
        (struct.pack(">BHHBIH", 16, node_map.TIME, 3, 6, 1, 1000), modbus.ILLEGAL_DATA_VALUE),
        (struct.pack(">BHHBIH", 16, node_map.TIME, 3, 6, 1, 999), 0),
        (struct.pack(">BHHBH", 16, node_map.TIME, 3, 2, 1), modbus.ILLEGAL_DATA_VALUE),
        (struct.pack(">BHHB", 16, node_map.TIME, 0, 0), modbus.ILLEGAL_DATA_VALUE),
        (struct.pack(">BHHBII", 16, node_map.EVENT_ACKNOWLEDGEMENT, 4, 8, 1, 1), modbus.ILLEGAL_DATA_VALUE),
        (struct.pack(">BHH", 6, node_map.SETTINGS + 1, 1), 0),
    ],
    ids=lambda item: item.hex() if isinstance(item, bytes) else str(item),
)
def test_what_cannot_be_served_gets_the_right_exception(tmp_path: Path, pdu: bytes, code: int) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        assert await code_of(bench, pdu) == code

    on_bench(tmp_path, TABLE, body)


def test_what_is_not_for_the_node_or_not_whole_gets_silence(tmp_path: Path) -> None:
    request = pack(NODE, struct.pack(">BHH", 3, 0, 2))
    flipped = bytearray(request)
    flipped[3] ^= 1
    silent = [pack(NODE + 1, request[1:-2]), request[:-1], request[:3], bytes(flipped), b"\x00", b"\xff" * 300]

    async def body(bench: Workbench) -> None:
        await bench.power_on()
        for frame in silent:
            assert await bench.master.say(frame) == b""
            assert unpack(await bench.master.say(request)) is not None
        assert await bench.master.health(node_map.HEALTH_SERVER_CRC_ERRORS) == 3

    on_bench(tmp_path, TABLE, body)


def test_an_exception_of_another_node_with_this_unit_id_is_not_answered(tmp_path: Path) -> None:
    """Two nodes that were given one unit id by mistake must not answer each other for ever."""

    async def body(bench: Workbench) -> None:
        await bench.power_on()
        for function in (0x80, 0x83, 0x90, 0xFF):
            assert await bench.master.say(pack(NODE, bytes((function, 2)))) == b""
        assert unpack(await bench.master.say(pack(NODE, struct.pack(">BHH", 3, 0, 2)))) is not None

    on_bench(tmp_path, TABLE, body)


def test_a_line_that_never_falls_silent_stops_nothing_else(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 10, 1: 20, 2: 30, 3: 40})
        await bench.power_on()
        device.asked.clear()
        end_s = bench.clock.loop.time() + 60
        while bench.clock.loop.time() < end_s:
            bench.master.drop.send(bytes((NODE, 3)) * 48)
            await asyncio.sleep(0.05)
        assert bench.machine.ends == []
        assert len(device.asked) >= 50
        await asyncio.sleep(1)
        assert unpack(await bench.master.say(pack(NODE, struct.pack(">BHH", 3, 0, 2)))) is not None

    on_bench(tmp_path, TABLE, body)


@pytest.mark.parametrize("noise", [b"\x00", b"\x11\x03\x00", bytes(60)], ids=len)
def test_noise_around_a_request_loses_nothing(tmp_path: Path, noise: bytes) -> None:
    request = pack(NODE, struct.pack(">BHH", 3, 0, 2))

    async def body(bench: Workbench) -> None:
        await bench.power_on()
        assert unpack(await bench.master.say(noise + request)) is not None
        assert unpack(await bench.master.say(request + noise[:2])) is not None

    on_bench(tmp_path, TABLE, body)


def test_a_request_that_comes_in_pieces_is_one_request(tmp_path: Path) -> None:
    request = pack(NODE, struct.pack(">BHHBIH", 16, node_map.TIME, 3, 6, 1_800_000_000, 0))

    async def body(bench: Workbench) -> None:
        await bench.power_on()
        for cut in range(1, len(request)):
            bench.master.drop.send(request[:cut])
            await asyncio.sleep(0.02)
            assert unpack(await bench.master.say(request[cut:])) is not None
            await asyncio.sleep(0.05)

    on_bench(tmp_path, TABLE, body)


def test_random_and_mutated_bursts_give_silence_or_a_whole_answer(tmp_path: Path) -> None:
    chance = random.Random(8)
    whole = [
        struct.pack(">BHH", 3, node_map.SLOTS, 8),
        struct.pack(">BHHBIH", 16, node_map.TIME, 3, 6, 1_800_000_000, 0),
        struct.pack(">BHHB5H", 16, node_map.LAMP_COMMAND, 5, 10, 1, 50, 0, 0, 0),
    ]

    def burst() -> bytes:
        if chance.random() < 0.3:
            return chance.randbytes(chance.randrange(1, 320))
        pdu = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(3)):
            pdu[chance.randrange(len(pdu))] = chance.randrange(256)
        frame = pack(NODE, bytes(pdu[: chance.randrange(1, len(pdu) + 1)]))
        return frame[: chance.randrange(1, len(frame) + 1)] if chance.random() < 0.2 else frame

    async def body(bench: Workbench) -> None:
        await bench.power_on()
        answered = 0
        for _ in range(600):
            answer = await bench.master.say(burst(), timeout_s=0.08)
            if answer:
                answered += 1
                frame = unpack(answer)
                assert frame is not None
                assert frame[0] == NODE
        used = bench.machine.info()["heap_used_bytes"]
        for _ in range(600):
            await bench.master.say(burst(), timeout_s=0.08)
        assert answered > 50
        assert bench.machine.info()["heap_used_bytes"] - used < 512
        assert (await bench.master.read(node_map.IDENTITY, 1))[0] == node_map.IDENTITY_MAGIC_VALUE

    on_bench(tmp_path, TABLE, body)


def test_pymodbus_reads_and_writes_the_node(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 10, 1: 20, 2: 30, 3: 40})
        await bench.power_on()
        port = SerialPort("firmware", bench.pole)
        client = AsyncModbusSerialClient(port.path, framer=FramerType.RTU, baudrate=19200, timeout=0.5, retries=0)
        try:
            assert await client.connect()
            slots = await client.read_holding_registers(node_map.SLOTS, count=16, device_id=NODE)
            assert slots.registers[1::4] == [10, 20, 30, 40]
            again = await client.read_input_registers(node_map.SLOTS, count=16, device_id=NODE)
            assert again.registers[1::4] == [10, 20, 30, 40]
            written = await client.write_registers(node_map.TIME, [27466, 0, 5], device_id=NODE)
            assert not written.isError()
            refused = await client.read_holding_registers(_NOTHING, count=1, device_id=NODE)
            assert refused.exception_code == modbus.ILLEGAL_DATA_ADDRESS
            single = await client.write_register(node_map.LAMP_COMMAND_LEVEL_PCT, 40, device_id=NODE)
            assert not single.isError()
        finally:
            client.close()
            port.close()
        assert device.asked

    on_bench(tmp_path, TABLE, body)


def test_polling_goes_on_while_the_node_serves(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 10, 1: 20, 2: 30, 3: 40})
        await bench.power_on()
        device.asked.clear()
        for _ in range(200):
            assert len(await bench.master.read(node_map.SLOTS, 16)) == 16
        assert len(device.asked) >= bench.clock.loop.time() - 2

    on_bench(tmp_path, TABLE, body)

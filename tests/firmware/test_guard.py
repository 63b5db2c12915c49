"""A node with a key: who may write, what a replay gets, what a restart forgets, what broadcasts need."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway_agent.collect.owner import Urgency
from gateway_agent.node_keys import GUARDED, WriteSeal
from hardware.rig.machine import Nvs
from hardware.rig.modbus_side import pack
from protocols import factory_record, log_codes, modbus, node_map
from tests.firmware.log_file import read_log
from tests.firmware.update_bench import linked
from tests.firmware.workbench import NODE, RefusedError, Workbench, identity, nvs_of, on_bench, table_of

TABLE = table_of((1, 1))
KEY, POLE_KEY = bytes(range(32)), bytes(range(100, 132))
WRONG_TAG, OLD_COUNTER, NOT_WHOLE, NO_KEY, FLASH_FAILED = 1, 2, 3, 4, 5


class Keyed:
    """A gateway that has the keys: it seals writes, and can send the same bytes again."""

    def __init__(self, bench: Workbench, key: bytes = KEY, pole_key: bytes = POLE_KEY) -> None:
        self.bench = bench
        self.seal = WriteSeal(key)
        self.pole_seal = WriteSeal(pole_key)

    def frame(self, address: int, fields: list[int], unit: int = NODE) -> bytes:
        """A sealed write as it goes on the line."""
        seal = self.seal if unit else self.pole_seal
        registers = seal.seal(unit, address, fields, self.bench.clock.unix_ms())
        head = struct.pack(">BHHB", 16, address, len(registers), 2 * len(registers))
        return pack(unit, head + struct.pack(f">{len(registers)}H", *registers))

    async def say(self, frame: bytes) -> int:
        """The exception code that comes for a frame, 0 for a good answer, -1 for silence."""
        answer = await self.bench.master.say(frame)
        if not answer:
            return -1
        return answer[2] if answer[1] & 0x80 else 0

    async def refusals(self) -> tuple[int, int]:
        """How many writes the node refused, and why the last one."""
        registers = await self.bench.master.read(node_map.AUTH, node_map.AUTH_REGISTERS)
        at = node_map.AUTH_REFUSED - node_map.AUTH
        return registers[at] << 16 | registers[at + 1], registers[at + 2]


def keyed_bench(folder: Path, body: Callable[[Workbench], Awaitable[None]], pole_key: bytes | None = POLE_KEY) -> None:
    """A bench whose node has keys."""
    fields = {factory_record.NODE_KEY: KEY} | ({factory_record.BROADCAST_KEY: pole_key} if pole_key else {})
    on_bench(folder, TABLE, body, nvs=identity(fields))


def time_fields(seconds: int) -> list[int]:
    """The fields of the block `time`."""
    return [seconds >> 16, seconds & 0xFFFF, 0]


async def clock_s(bench: Workbench) -> int:
    """The node's clock."""
    return await bench.master.health(node_map.HEALTH_UNIX_S)


def test_every_guarded_block_refuses_writes_without_a_tag(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        gateway = Keyed(bench)
        tried = 0
        for address, fields in GUARDED.items():
            for count in (fields, fields + 6):
                head = struct.pack(">BHHB", 16, address, count, 2 * count)
                code = await gateway.say(pack(NODE, head + bytes([0, 1] * count)))
                assert code in (modbus.ILLEGAL_DATA_VALUE, modbus.ILLEGAL_DATA_ADDRESS), hex(address)
                tried += code == modbus.ILLEGAL_DATA_VALUE
            code = await gateway.say(pack(NODE, struct.pack(">BHH", 6, address, 1)))
            assert code in (modbus.ILLEGAL_DATA_VALUE, modbus.ILLEGAL_DATA_ADDRESS), hex(address)
            tried += code == modbus.ILLEGAL_DATA_VALUE
        assert tried >= 3 * 5
        assert (await gateway.refusals())[0] == tried

    keyed_bench(tmp_path, body)


def test_a_right_tag_is_taken_once_and_a_replay_never(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        gateway = Keyed(bench)
        frame = gateway.frame(node_map.TIME, time_fields(1_800_000_000))
        assert await gateway.say(frame) == 0
        assert 0 <= await clock_s(bench) - 1_800_000_000 <= 1
        await asyncio.sleep(5)
        assert await gateway.say(frame) == modbus.ILLEGAL_DATA_VALUE
        assert (await gateway.refusals())[1] == OLD_COUNTER
        assert await clock_s(bench) >= 1_800_000_005
        assert await gateway.say(gateway.frame(node_map.TIME, time_fields(1_900_000_000))) == 0
        assert await clock_s(bench) >= 1_900_000_000

    keyed_bench(tmp_path, body)


@pytest.mark.parametrize("flipped", range(7, 25, 2))
def test_any_changed_byte_is_refused(tmp_path: Path, flipped: int) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        gateway = Keyed(bench)
        frame = bytearray(gateway.frame(node_map.TIME, time_fields(1_800_000_000)))
        frame[flipped] ^= 1
        assert await gateway.say(pack(NODE, bytes(frame[1:-2]))) == modbus.ILLEGAL_DATA_VALUE
        assert (await gateway.refusals())[1] == WRONG_TAG
        assert (await bench.master.read(node_map.HEALTH_TIME_STATE, 1))[0] == 0

    keyed_bench(tmp_path, body)


def test_a_tag_for_another_unit_or_key_is_refused(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        gateway, stranger = Keyed(bench), Keyed(bench, bytes(32))
        for frame in (
            pack(NODE, gateway.frame(node_map.TIME, time_fields(1_800_000_000), NODE + 1)[1:-2]),
            pack(NODE, gateway.frame(node_map.TIME, time_fields(1_800_000_000), 0)[1:-2]),
            stranger.frame(node_map.TIME, time_fields(1_800_000_000)),
        ):
            assert await gateway.say(frame) == modbus.ILLEGAL_DATA_VALUE
            assert (await gateway.refusals())[1] == WRONG_TAG

    keyed_bench(tmp_path, body)


def test_a_restart_takes_nothing_that_was_heard_before_it(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        gateway = Keyed(bench)
        heard = []
        for second in range(12):
            heard.append(gateway.frame(node_map.TIME, time_fields(1_800_000_000 + second)))
            assert await gateway.say(heard[-1]) == 0
        taken = 0
        for _ in range(5):
            bench.machine.kill()
            await bench.power_on()
            for frame in heard:
                taken += await gateway.say(frame) == 0
            counter = await bench.master.health(node_map.AUTH_COUNTER)
            assert await gateway.say(gateway.frame(node_map.TIME, time_fields(1_800_000_100))) != 0
            gateway.seal.told(counter)
            heard.append(gateway.frame(node_map.TIME, time_fields(1_800_000_100)))
            assert await gateway.say(heard[-1]) == 0
        print(f"{5 * len(heard)} replays over 5 restarts, {taken} taken")
        assert taken == 0

    keyed_bench(tmp_path, body)


def test_broadcasts_need_the_key_of_the_pole(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        gateway = Keyed(bench)
        plain = pack(0, struct.pack(">BHHB3H", 16, node_map.TIME, 3, 6, *time_fields(1_700_000_000)))
        assert await gateway.say(plain) == -1
        assert (await gateway.refusals()) == (1, NOT_WHOLE)
        frame = gateway.frame(node_map.TIME, time_fields(1_800_000_000), 0)
        assert await gateway.say(frame) == -1
        assert 0 <= await clock_s(bench) - 1_800_000_000 <= 1
        await asyncio.sleep(5)
        assert await gateway.say(frame) == -1
        assert (await gateway.refusals()) == (2, OLD_COUNTER)
        assert await clock_s(bench) >= 1_800_000_005

    keyed_bench(tmp_path, body)


def test_a_node_without_the_poles_key_takes_no_guarded_broadcast(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        gateway = Keyed(bench)
        assert await gateway.say(gateway.frame(node_map.TIME, time_fields(1_800_000_000), 0)) == -1
        assert (await gateway.refusals()) == (1, NO_KEY)
        assert (await bench.master.read(node_map.HEALTH_TIME_STATE, 1))[0] == 0

    keyed_bench(tmp_path, body, None)


def test_without_a_key_tags_are_neither_needed_nor_looked_at(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        await bench.master.write(node_map.TIME, *time_fields(1_800_000_000))
        await bench.master.write(node_map.TIME, *time_fields(1_800_000_010), *([0xABCD] * 6))
        assert 0 <= await clock_s(bench) - 1_800_000_010 <= 1
        with pytest.raises(RefusedError) as caught:
            await bench.master.read(node_map.AUTH, 1)
        assert caught.value.code == modbus.ILLEGAL_DATA_ADDRESS

    on_bench(tmp_path, TABLE, body)


@pytest.mark.parametrize("function", [5, 6, 15, 16, 22, 23])
def test_no_way_of_writing_passes_a_key(tmp_path: Path, function: int) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        gateway = Keyed(bench)
        for address, fields in GUARDED.items():
            pdu = {
                5: struct.pack(">BHH", 5, address, 0xFF00),
                6: struct.pack(">BHH", 6, address, 1),
                15: struct.pack(">BHHBB", 15, address, 8, 1, 0xFF),
                16: struct.pack(f">BHHB{fields}H", 16, address, fields, 2 * fields, *[1] * fields),
                22: struct.pack(">BHHH", 22, address, 0, 1),
                23: struct.pack(">BHHHHBH", 23, 0, 1, address, 1, 2, 1),
            }[function]
            assert await gateway.say(pack(NODE, pdu)) > 0, hex(address)
            assert await gateway.say(pack(0, pdu)) == -1
        assert (await bench.master.read(node_map.HEALTH_TIME_STATE, 1))[0] == 0
        assert (await bench.master.read(node_map.LAMP_STATE, 1))[0] == 0
        assert (await bench.master.read(node_map.SETTINGS_STATE, 1))[0] == 0
        assert (await bench.master.read(node_map.UPDATE, 1))[0] == 0

    keyed_bench(tmp_path, body)


RECORD = factory_record.pack({factory_record.NODE_KEY: KEY})
LOST: dict[str, Nvs | None] = {
    "a bit is wrong": nvs_of(RECORD[:20] + bytes([RECORD[20] ^ 1]) + RECORD[21:]),
    "half is there": nvs_of(RECORD[:30]),
    "nothing is in it": nvs_of(b""),
    "too long for a record": nvs_of(bytes(513)),
    "the NVS is erased": {},
    "the NVS cannot be read": None,
}


@pytest.mark.parametrize("how", LOST)
def test_a_node_that_has_lost_its_key_is_not_open_to_all(tmp_path: Path, how: str) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        bench.machine.kill()
        bench.machine.nvs = LOST[how]
        await bench.power_on()
        gateway = Keyed(bench)
        plain = pack(NODE, struct.pack(">BHHB3H", 16, node_map.TIME, 3, 6, *time_fields(1_700_000_000)))
        assert await gateway.say(plain) == modbus.ILLEGAL_DATA_VALUE
        for unit in (NODE, 0):
            await gateway.say(gateway.frame(node_map.TIME, time_fields(1_800_000_000), unit))
            assert (await gateway.refusals())[1] == NO_KEY
        assert (await bench.master.read(node_map.HEALTH_TIME_STATE, 1))[0] == 0
        assert log_codes.IDENTITY_BROKEN in [entry.code for entry in await read_log(bench.master)]

    keyed_bench(tmp_path, body)


@pytest.mark.parametrize("has_key", [True, False])
def test_a_gateway_with_a_key_notices_a_node_without_one(tmp_path: Path, has_key: bool) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        async with linked(bench, WriteSeal(KEY)) as gateway:
            assert await gateway.link.learn_counters(Urgency.SERVICE) is has_key
            assert gateway.link.lacks_key is not has_key

    if has_key:
        keyed_bench(tmp_path, body)
    else:
        on_bench(tmp_path, TABLE, body)


def test_a_dead_flash_lets_no_counter_pass(tmp_path: Path) -> None:
    """What cannot be remembered could be replayed: exception 4, and nothing is carried out."""

    async def body(bench: Workbench) -> None:
        (tmp_path / "auth.a").mkdir()
        await bench.power_on()
        gateway = Keyed(bench)
        frame = gateway.frame(node_map.TIME, time_fields(1_800_000_000))
        assert await gateway.say(frame) == modbus.SERVER_DEVICE_FAILURE
        assert (await gateway.refusals())[1] == FLASH_FAILED
        assert (await bench.master.read(node_map.HEALTH_TIME_STATE, 1))[0] == 0

    keyed_bench(tmp_path, body)


def auth_files(flash: Path) -> list[bytes]:
    """What the node keeps of its counters."""
    return [place.read_bytes() for place in sorted(flash.glob("auth.*"))]


def test_the_flash_is_written_seldom_for_counters(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        gateway = Keyed(bench)
        assert await gateway.say(gateway.frame(node_map.TIME, time_fields(1_800_000_000))) == 0
        kept = auth_files(tmp_path)
        for second in range(200):
            assert await gateway.say(gateway.frame(node_map.TIME, time_fields(1_800_000_000 + second))) == 0
        assert auth_files(tmp_path) == kept

    keyed_bench(tmp_path, body)


def test_a_broadcast_does_nothing_but_what_is_for_all(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        for address, fields in GUARDED.items():
            if address not in (node_map.TIME, node_map.BROADCAST):
                head = struct.pack(">BHHB", 16, address, fields, 2 * fields)
                assert await bench.master.say(pack(0, head + bytes([0, 1] * fields))) == b""
        assert await bench.master.say(pack(0, struct.pack(">BHH", 3, 0, 4))) == b""
        assert await bench.master.say(pack(0, b"\x15\x09\x06\xea\x61\x00\x00\x00\x01\x00\x00")) == b""
        assert (await bench.master.read(node_map.LAMP_STATE, 1))[0] == 0

    on_bench(tmp_path, TABLE, body)

"""Settings over the pole bus: validated before they replace the old; identity that nothing touches."""

import asyncio
import hashlib
import shutil
import struct
from pathlib import Path

import pytest

from gateway_agent.node_keys import WriteSeal
from gateway_agent.send_settings import FILE, send_settings
from protocols import factory_record, log_codes, modbus, node_map, node_settings, settings_codes, start_codes
from tests.firmware.boot_files import boot_block, copy_bytes, newest_body
from tests.firmware.log_file import read_file, read_log
from tests.firmware.settings_bench import put_into_force, settings_state, settings_with, write_blocks
from tests.firmware.update_bench import linked
from tests.firmware.workbench import NODE, Device, Master, RefusedError, Workbench, identity, on_bench, table_of

OLD = table_of((1, 1))
NEW = table_of((2, 3))
KEY = bytes(range(32))


async def slot_count(master: Master) -> int:
    """How many slots the node has."""
    return (await master.read(node_map.IDENTITY_SLOT_COUNT, 1))[0]


def test_new_settings_are_taken_and_stay(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 2, {0: 7, 1: 8, 2: 9})
        await bench.power_on()
        async with linked(bench) as gateway:
            outcome = await send_settings(gateway.link, "lamp_node", settings_with(NEW))
        assert outcome.result == "taken", outcome
        await asyncio.sleep(3)
        assert await slot_count(bench.master) == 3
        assert device.asked
        now = boot_block(await bench.master.read(node_map.BOOT, node_map.BOOT_REGISTERS))
        assert (now.settings_sequence, now.start_reason, now.crashes) == (1, start_codes.OWN_RESET, 0)
        entries = [(entry.code, entry.value) for entry in await read_log(bench.master)]
        assert (log_codes.SETTINGS_TAKEN, 1) in entries
        bench.machine.kill()
        await bench.power_on()
        assert await slot_count(bench.master) == 3
        assert newest_body(tmp_path, "settings") == settings_with(NEW)
        assert not (tmp_path / "settings.new").exists()

    on_bench(tmp_path, OLD, body)


def spoilt(content: bytes, at: int) -> bytes:
    """The same with one bit flipped."""
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


REFUSED = {
    "flipped": (spoilt(settings_with(NEW), 60), settings_codes.NOT_WHOLE),
    "short": (settings_with(NEW)[:-6], settings_codes.NOT_WHOLE),
    "magic": (spoilt(settings_with(NEW), 1), settings_codes.VERSION),
    "length": (settings_with(NEW)[:4] + b"\xff" * 4 + settings_with(NEW)[8:], settings_codes.VERSION),
    "unknown section": (node_settings.pack([(99, b"abc")]), settings_codes.SECTION),
    "no table": (node_settings.pack([]), settings_codes.TABLE),
    "broken table": (node_settings.pack([(node_settings.NODE_TABLE, NEW[:-1])]), settings_codes.TABLE),
    "other terminal": (settings_with(NEW, b"110108-0004711"), settings_codes.OTHER_TERMINAL),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_settings_that_are_not_right_are_refused_and_the_old_ones_stand(tmp_path: Path, kind: str) -> None:
    async def body(bench: Workbench) -> None:
        content, reason = REFUSED[kind]
        await bench.power_on()
        async with linked(bench) as gateway:
            outcome = await send_settings(gateway.link, "lamp_node", content)
        assert (outcome.result, outcome.reason) == ("refused", reason), outcome
        assert await slot_count(bench.master) == 1
        assert bench.machine.starts == 1
        assert newest_body(tmp_path, "settings") is None
        async with linked(bench) as gateway:
            assert (await send_settings(gateway.link, "lamp_node", settings_with(NEW))).result == "taken"

    on_bench(tmp_path, OLD, body)


def test_settings_are_put_into_force_only_when_something_has_come(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        await put_into_force(bench.master, 1)
        state = await settings_state(bench.master)
        assert (state.result, state.reason) == (settings_codes.REFUSED, settings_codes.NOTHING_SENT)

    on_bench(tmp_path, OLD, body)


def test_blocks_may_be_repeated_but_none_left_out(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        content = settings_with(NEW)
        content += bytes(len(content) % 2)
        await bench.power_on()
        with pytest.raises(RefusedError) as error:
            await write_blocks(bench.master, content, first=40)
        assert error.value.code == modbus.ILLEGAL_DATA_ADDRESS
        await write_blocks(bench.master, content[:80])
        await write_blocks(bench.master, content, first=40)
        with pytest.raises(RefusedError):
            await write_blocks(bench.master, content + bytes(40), first=len(content) + 20)
        assert (await settings_state(bench.master)).received_bytes == len(content)
        await put_into_force(bench.master, 9)
        await put_into_force(bench.master, 9)
        await asyncio.sleep(3)
        assert await slot_count(bench.master) == 3
        assert bench.machine.starts == 2

    on_bench(tmp_path, OLD, body)


SLOW_TO_TAKE = """
import sys
sys.path.insert(0, "slot_a")
import asyncio
from node import app, settings_file
at_once = settings_file.SettingsFile._take
async def slowly(self, seat):
    await asyncio.sleep_ms(500)
    return await at_once(self, seat)
settings_file.SettingsFile._take = slowly
app.main()
"""


def test_what_is_being_taken_cannot_be_exchanged(tmp_path: Path) -> None:
    """Between the check of the command's tag and the last byte on the flash the file must stay what it was."""

    async def body(bench: Workbench) -> None:
        whole = (tmp_path / "main.py").read_text()
        (tmp_path / "main.py").write_text(SLOW_TO_TAKE)
        await bench.power_on()
        (tmp_path / "main.py").write_text(whole)
        content = settings_with(NEW) + bytes(len(settings_with(NEW)) % 2)
        await write_blocks(bench.master, content)
        await put_into_force(bench.master, 1)
        for first in (0, 40):
            with pytest.raises(RefusedError) as error:
                await write_blocks(bench.master, bytes(first) + b"other content of someone", first=first)
            assert error.value.code == modbus.SERVER_DEVICE_BUSY
        await asyncio.sleep(3)
        assert await slot_count(bench.master) == 3
        assert newest_body(tmp_path, "settings") == settings_with(NEW)

    on_bench(tmp_path, OLD, body, programs=[SLOW_TO_TAKE])


def test_a_node_with_a_key_takes_only_what_its_gateway_has_sent(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        async with linked(bench) as stranger:
            outcome = await send_settings(stranger.link, "lamp_node", settings_with(NEW))
        assert outcome.result == "failed", outcome
        seal = WriteSeal(KEY)
        sealed = seal.seal(NODE, node_map.SETTINGS, [7], bench.clock.unix_ms(), hashlib.sha256(b"else").digest())
        with pytest.raises(RefusedError):
            await bench.master.write(node_map.SETTINGS, *sealed)
        await asyncio.sleep(2)
        assert bench.machine.starts == 1
        assert newest_body(tmp_path, "settings") is None
        async with linked(bench, seal) as gateway:
            outcome = await send_settings(gateway.link, "lamp_node", settings_with(NEW))
        assert outcome.result == "taken", outcome
        await asyncio.sleep(3)
        assert await slot_count(bench.master) == 3

    on_bench(tmp_path, OLD, body, nvs=identity({factory_record.NODE_KEY: KEY}))


def test_settings_that_this_firmware_cannot_read_give_way_to_those_of_the_provisioning(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        content = node_settings.pack([(node_settings.NODE_TABLE, NEW[:4] + b"\xff\xff" + NEW[6:])])
        (tmp_path / "settings.a").write_bytes(copy_bytes(1, content))
        await bench.power_on()
        assert await slot_count(bench.master) == 1
        broken = [entry.code for entry in await read_log(bench.master) if entry.code == log_codes.TABLE_BROKEN]
        assert len(broken) == 1

    on_bench(tmp_path, OLD, body)


def test_a_node_without_a_table_is_mended_over_the_pole_bus(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        (tmp_path / "node.tab").write_bytes(b"nothing of use")
        await bench.power_on()
        bench.master.unit = 247
        content = settings_with(NEW)
        await write_blocks(bench.master, content + bytes(len(content) % 2))
        await put_into_force(bench.master, 1)
        await asyncio.sleep(3)
        bench.master.unit = 17
        assert await slot_count(bench.master) == 3

    on_bench(tmp_path, OLD, body)


def test_a_damaged_copy_gives_way_to_the_one_before(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        for table in (NEW, table_of((2, 5))):
            async with linked(bench) as gateway:
                assert (await send_settings(gateway.link, "lamp_node", settings_with(table))).result == "taken"
            await asyncio.sleep(3)
        assert await slot_count(bench.master) == 5
        bench.machine.kill()
        newest = tmp_path / "settings.b"
        newest.write_bytes(spoilt(newest.read_bytes(), 100))
        await bench.power_on()
        assert await slot_count(bench.master) == 3

    on_bench(tmp_path, OLD, body)


def test_the_settings_in_force_can_be_read(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        with pytest.raises(RefusedError):
            await read_file(bench.master, FILE, 0, 4)
        content = settings_with(NEW)
        await write_blocks(bench.master, content + bytes(len(content) % 2))
        await put_into_force(bench.master, 1)
        await asyncio.sleep(3)
        registers = (len(content) + 1) // 2
        found = b""
        for first in range(0, registers, 100):
            found += await read_file(bench.master, FILE, first, min(100, registers - first))
        assert found[: len(content)] == content

    on_bench(tmp_path, OLD, body)


def test_the_factory_identity_is_shown_and_outlives_everything(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        async with linked(bench) as gateway:
            outcome = await send_settings(gateway.link, "lamp_node", settings_with(NEW, b"110108-0004711"))
        assert outcome.result == "taken", outcome
        await asyncio.sleep(3)
        registers = await bench.master.read(node_map.TERMINAL, node_map.TERMINAL_REGISTERS)
        assert struct.pack(">16H", *registers).rstrip(b"\0") == b"110108-0004711"

    on_bench(tmp_path, OLD, body, nvs=identity({factory_record.TERMINAL_CODE: b"110108-0004711"}))


def test_ten_starts_leave_the_settings_alone(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        async with linked(bench) as gateway:
            assert (await send_settings(gateway.link, "lamp_node", settings_with(NEW))).result == "taken"
        await asyncio.sleep(3)
        before = {name: (tmp_path / name).read_bytes() for name in ("settings.a", "node.tab")}
        for number in range(10):
            bench.machine.kill()
            await bench.machine.power_on()
            await asyncio.sleep(0.02 * (number % 9))
        await asyncio.sleep(1)
        assert await slot_count(bench.master) == 3
        assert {name: (tmp_path / name).read_bytes() for name in before} == before

    on_bench(tmp_path, OLD, body)
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_factory_record_that_is_damaged_names_nothing() -> None:
    record = factory_record.pack({factory_record.TERMINAL_CODE: b"4711", factory_record.NODE_KEY: bytes(32)})
    assert factory_record.field(record, factory_record.TERMINAL_CODE) == b"4711"
    assert factory_record.field(record, factory_record.NODE_KEY) == bytes(32)
    assert factory_record.field(record, factory_record.BROADCAST_KEY) is None
    for at in range(len(record)):
        assert factory_record.field(spoilt(record, at), factory_record.TERMINAL_CODE) is None
    with pytest.raises(ValueError, match="33 bytes"):
        factory_record.pack({factory_record.TERMINAL_CODE: bytes(33)})

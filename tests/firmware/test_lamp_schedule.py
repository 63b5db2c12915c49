"""The lamp that outlives the gateway: programme, sun table, override that resumes, and who does not know lights."""

import asyncio
import struct
from pathlib import Path

import pytest

from protocols import event_codes, lamp_codes, lamp_schedule, node_map
from protocols import node_table_layout as layout
from protocols.lamp_schedule import CLOCK, SUNRISE, SUNSET
from protocols.lamp_schedule_writer import LampScheduleWriter
from protocols.node_table_writer import NodeTableWriter
from tests.firmware.lamp_bench import (
    FAST_MAIN,
    LUX_SLOT,
    SPEED,
    Driver,
    day_number,
    hasten,
    keep_schedule,
    lamp_table,
    local,
    send_schedule,
    told,
    unix_s,
)
from tests.firmware.test_start import boot, panic
from tests.firmware.workbench import NODE, START_UNIX_S, RefusedError, Workbench, on_bench, pack

START = unix_s(2026, 6, 18, 0)
"""The bench's clock begins at 08:00 by China's clock on this day."""


def writer_of(table: bytes, *, days: int = 15, **settings: int) -> LampScheduleWriter:
    """A writer with one programme, sunset + 10 to sunrise - 15, dimmed at 22:00 and midnight, and sun days."""
    writer = LampScheduleWriter(table_digest=layout.u32(table, layout.DIGEST_AT), **settings)
    steps = ((CLOCK, 22 * 60, 70), (CLOCK, 0, 50), (SUNRISE, -60, 100))
    writer.set_default(writer.add_programme((SUNSET, 10), (SUNRISE, -15), 100, steps))
    writer.set_first_day(day_number(START_UNIX_S) - 1)
    for day in range(days):
        writer.add_day(480, 285 + day, 1186 - day)
    return writer


async def set_unix(bench: Workbench, unix: int) -> None:
    await bench.master.set_time(unix * 1000)


async def command(bench: Workbench, sequence: int, level: int, fade_s: int = 0, hold_s: int = 0) -> None:
    await bench.master.write(node_map.LAMP_COMMAND, sequence, level, fade_s, 0, 0, hold_s >> 16, hold_s & 0xFFFF, 1)
    await asyncio.sleep(3)


async def codes(bench: Workbench) -> list[tuple[int, int]]:
    return [(event.code, event.value) for event in await bench.master.events()]


@pytest.mark.parametrize("has_schedule", [True, False])
def test_a_node_that_starts_without_a_clock_lights(tmp_path: Path, has_schedule: bool) -> None:
    if has_schedule:
        keep_schedule(tmp_path, writer_of(lamp_table()).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await asyncio.sleep(15)
        assert driver.history == []
        await asyncio.sleep(10)
        assert driver.level_pct == 100
        now = await told(bench.master)
        assert now.source == lamp_codes.SOURCE_FAIL_SAFE
        assert now.faults == 1 << (lamp_codes.NO_TIME if has_schedule else lamp_codes.NO_SCHEDULE)
        expected = [(event_codes.LAMP_FAULT_FIRST + lamp_codes.NO_TIME, 1)] if has_schedule else []
        assert [pair for pair in await codes(bench) if pair[0] >= event_codes.LAMP_FAULT_FIRST] == expected
        await set_unix(bench, unix_s(2026, 6, 18, 12))
        await asyncio.sleep(3)
        assert driver.level_pct == (0 if has_schedule else 100)

    on_bench(tmp_path, lamp_table(), body)


@pytest.mark.parametrize("wrong", [0, 1_000_000_000, START_UNIX_S - 4 * 86400])
def test_a_time_that_cannot_be_is_no_time(tmp_path: Path, wrong: int) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table()).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, wrong)
        await asyncio.sleep(25)
        assert ((await told(bench.master)).source, driver.level_pct) == (lamp_codes.SOURCE_FAIL_SAFE, 100)

    on_bench(tmp_path, lamp_table(), body)


def test_the_programme_goes_on_for_days_without_a_gateway(tmp_path: Path) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table(), days=4).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench, speed=SPEED)
        hasten(tmp_path)
        await bench.power_on()
        driver.start_at(bench.clock.unix_ms() / 1000)
        await set_unix(bench, bench.clock.unix_ms() // 1000)
        await asyncio.sleep(5 * 86400 / SPEED)
        changes = [(local(unix), level) for unix, level in driver.history]
        expected = [("06-18 08:00", 0)]
        for day in range(5):
            late = min(day, 2)
            sunset, sunrise = 1186 - 1 - late + 10, 285 + min(day + 2, 3)
            expected.append((f"06-{18 + day} {sunset // 60:02d}:{sunset % 60:02d}", 100))
            expected.append((f"06-{18 + day} 22:00", 70))
            expected.append((f"06-{19 + day} 00:00", 50))
            expected.append((f"06-{19 + day} {(sunrise - 60) // 60:02d}:{(sunrise - 60) % 60:02d}", 100))
            expected.append((f"06-{19 + day} {(sunrise - 15) // 60:02d}:{(sunrise - 15) % 60:02d}", 0))
        assert changes == [change for change in expected if change[0] < "06-23 08:00"]
        assert (await told(bench.master)).faults == 1 << lamp_codes.SUN_TABLE_ENDED

    on_bench(tmp_path, lamp_table(), body, programs=[FAST_MAIN])


def test_an_override_resumes_to_the_programme(tmp_path: Path) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table(), override_s=7200).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 23))
        await asyncio.sleep(3)
        assert driver.level_pct == 70
        await command(bench, 1, 20, hold_s=600)
        now = await told(bench.master)
        assert (driver.level_pct, now.source) == (20, lamp_codes.SOURCE_OVERRIDE)
        assert 590 < now.override_left_s <= 600
        await asyncio.sleep(600)
        assert driver.level_pct == 70
        assert (event_codes.LAMP_OVERRIDE_ENDED, 1) in await codes(bench)
        await command(bench, 2, 0)
        assert 7190 < (await told(bench.master)).override_left_s <= 7200
        await command(bench, 3, lamp_codes.RESUME)
        assert driver.level_pct == 70
        assert (await bench.master.read(node_map.LAMP_STATE, 2)) == [3, lamp_codes.CONFIRMED]
        await command(bench, 4, 5, hold_s=3600 + 600)
        await asyncio.sleep(3600 + 605)
        assert (driver.level_pct, (await told(bench.master)).source) == (50, lamp_codes.SOURCE_SCHEDULE)

    on_bench(tmp_path, lamp_table(), body)


def broadcast(action: int, groups: int, level: int, hold_s: int = 0) -> bytes:
    fields = struct.pack(">8H", action, groups, level, 0, hold_s, 0, 0, 0)
    return pack(0, struct.pack(">BHHB", 16, node_map.BROADCAST, 8, 16) + fields)


def test_groups_are_staggered_and_an_emergency_outranks_all(tmp_path: Path) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table(), groups=0b100, delay_s=30).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 12))
        await bench.master.say(broadcast(1, 0b011, 40, 300))
        await asyncio.sleep(40)
        assert driver.level_pct == 0
        await bench.master.say(broadcast(1, 0b110, 40, 300))
        await asyncio.sleep(25)
        assert driver.level_pct == 0
        await asyncio.sleep(10)
        assert driver.level_pct == 40
        await bench.master.say(broadcast(2, 0, 100))
        await asyncio.sleep(3)
        assert (driver.level_pct, (await told(bench.master)).source) == (100, lamp_codes.SOURCE_EMERGENCY)
        await command(bench, 1, 10)
        state = await bench.master.read(node_map.LAMP_STATE, 3)
        assert state == [1, lamp_codes.REFUSED, lamp_codes.OUTRANKED]
        assert driver.level_pct == 100
        await bench.master.say(broadcast(2, 0, 0))
        await asyncio.sleep(3)
        assert driver.level_pct == 40
        await asyncio.sleep(300)
        assert driver.level_pct == 0

    on_bench(tmp_path, lamp_table(), body)


def test_a_driver_that_lost_its_supply_gets_its_level_again(tmp_path: Path) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table()).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 23))
        await asyncio.sleep(90)
        assert driver.level_pct == 70
        driver.registers[1004] = driver.registers[1000] = 254
        await asyncio.sleep(25)
        assert driver.level_pct == 70
        driver.is_mute = True
        await asyncio.sleep(300)
        driver.registers[1004] = driver.registers[1000] = 254
        driver.is_mute = False
        await asyncio.sleep(250)
        assert driver.level_pct == 70
        gear = event_codes.LAMP_FAULT_FIRST + lamp_codes.GEAR_SILENT
        assert [pair for pair in await codes(bench) if pair[0] == gear] == [(gear, 1), (gear, 0)]

    on_bench(tmp_path, lamp_table(), body)


def test_a_driver_that_strays_before_it_was_polled_gets_its_level_again(tmp_path: Path) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table(60000)).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 23))
        await asyncio.sleep(3)
        assert driver.level_pct == 70
        driver.registers[1004] = driver.registers[1000] = 254
        await asyncio.sleep(125)
        assert driver.level_pct == 70

    on_bench(tmp_path, lamp_table(60000), body)


def test_no_level_is_below_what_the_driver_can_give(tmp_path: Path) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table(), least_level=15, groups=1).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 23))
        await command(bench, 1, 3)
        state = await bench.master.read(node_map.LAMP_STATE, 5)
        assert (state, driver.level_pct) == ([1, lamp_codes.CONFIRMED, 0, 15, 15], 15)
        await bench.master.say(broadcast(1, 1, 8))
        await asyncio.sleep(3)
        assert driver.level_pct == 15
        await command(bench, 2, 0)
        assert driver.level_pct == 0

    on_bench(tmp_path, lamp_table(), body)


def test_an_emergency_ends_by_itself_and_a_late_broadcast_is_refused(tmp_path: Path) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table(), groups=1).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 12))
        await bench.master.write(node_map.BROADCAST, 2, 0, 90, 0, 120, 0, 0, 0)
        await asyncio.sleep(3)
        assert driver.level_pct == 90
        await asyncio.sleep(120)
        assert driver.level_pct == 0
        past = unix_s(2026, 6, 18, 11)
        for action, level in ((1, 50), (2, 100), (3, 50)):
            expires = (past >> 16, past & 0xFFFF) if action < 3 else (0, 0)
            with pytest.raises(RefusedError):
                await bench.master.write(node_map.BROADCAST, action, 1, level, 0, 0, 0, *expires)
        await asyncio.sleep(3)
        assert driver.level_pct == 0

    on_bench(tmp_path, lamp_table(), body)


@pytest.mark.parametrize(("boot_level", "wait_s"), [(30, 60), (0, 60)])
def test_a_boot_level_holds_until_the_time_is_known_or_the_wait_is_over(
    tmp_path: Path, boot_level: int, wait_s: int
) -> None:
    settings = {"boot_level": boot_level, "boot_wait_s": wait_s, "fail_safe_level": 80}
    keep_schedule(tmp_path, writer_of(lamp_table(), **settings).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench, level_pct=55)
        await bench.power_on()
        await asyncio.sleep(wait_s - 10)
        assert (driver.level_pct, (await told(bench.master)).source) == (boot_level, lamp_codes.SOURCE_BOOT)
        await asyncio.sleep(15)
        assert (driver.level_pct, (await told(bench.master)).source) == (80, lamp_codes.SOURCE_FAIL_SAFE)

    on_bench(tmp_path, lamp_table(), body)


def test_a_schedule_comes_as_a_file_and_is_kept(tmp_path: Path) -> None:
    table = lamp_table()
    schedule = writer_of(table, groups=9).schedule()

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 23))
        with pytest.raises(RefusedError):
            await send_schedule(bench.master, schedule[:-1] + bytes([schedule[-1] ^ 1]))
        assert (await told(bench.master)).digest == 0
        await send_schedule(bench.master, schedule)
        await asyncio.sleep(3)
        now = await told(bench.master)
        assert (now.digest, now.groups, driver.level_pct) == (lamp_schedule.digest(schedule), 9, 70)
        read = await bench.master.ask(struct.pack(">BBBHHH", 20, 7, 6, 60002, 0, 20))
        assert read[4:] == schedule[:40]
        bench.machine.kill()
        await bench.power_on()
        assert (await told(bench.master)).digest == now.digest

    on_bench(tmp_path, table, body)


@pytest.mark.parametrize("damage", [b"", b"GPL1"])
def test_a_schedule_that_the_flash_has_lost_is_told_and_the_lamp_lights(tmp_path: Path, damage: bytes) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table()).schedule())
    (tmp_path / "lamp.a").write_bytes(damage)

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 12))
        await asyncio.sleep(25)
        assert driver.level_pct == 100
        assert (event_codes.LAMP_FAULT_FIRST + lamp_codes.NO_SCHEDULE, 1) in await codes(bench)

    on_bench(tmp_path, lamp_table(), body)


def test_darkness_by_day_lights_by_a_sensor_rule(tmp_path: Path) -> None:
    writer = writer_of(lamp_table())
    writer.add_sensor(LUX_SLOT, lamp_schedule.WHEN_OFF, 80, 20, 50, 60)
    keep_schedule(tmp_path, writer.schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 12))
        await asyncio.sleep(30)
        assert driver.level_pct == 0
        driver.registers[1007] = 10
        await asyncio.sleep(15)
        assert (driver.level_pct, (await told(bench.master)).source) == (80, lamp_codes.SOURCE_SENSOR)
        driver.registers[1007] = 30
        await asyncio.sleep(100)
        assert driver.level_pct == 80
        driver.registers[1007] = 60
        await asyncio.sleep(40)
        assert driver.level_pct == 80
        await asyncio.sleep(40)
        assert driver.level_pct == 0

    on_bench(tmp_path, lamp_table(), body)


def test_a_lamp_on_pins_is_lit_from_the_start_and_follows(tmp_path: Path) -> None:
    table_writer = NodeTableWriter(node_unit=NODE)
    table_writer.set_lamp_pins(dimmer=32, relay=33)
    table = table_writer.table()
    keep_schedule(tmp_path, writer_of(table).schedule())

    async def body(bench: Workbench) -> None:
        pins: dict[int, int] = {}
        bench.machine.on_pin = pins.__setitem__
        await bench.power_on()
        assert (pins[32], pins[33]) == (1, 0)
        await set_unix(bench, unix_s(2026, 6, 18, 12))
        await asyncio.sleep(3)
        assert (pins[32], pins[33]) == (0, 1)
        await command(bench, 1, 55)
        assert (pins[32], pins[33]) == (1, 0)
        assert (await bench.master.read(node_map.LAMP_STATE, 6)) == [1, 2, 0, 55, 55, 55]

    on_bench(tmp_path, table, body)


def test_a_relay_alone_is_full_light_or_none(tmp_path: Path) -> None:
    table_writer = NodeTableWriter(node_unit=NODE)
    table_writer.set_lamp_pins(relay=33)

    async def body(bench: Workbench) -> None:
        pins: dict[int, int] = {}
        bench.machine.on_pin = pins.__setitem__
        await bench.power_on()
        for sequence, level, actual, pin in ((1, 40, 100, 0), (2, 0, 0, 1)):
            await command(bench, sequence, level)
            assert (await bench.master.read(node_map.LAMP_STATE, 5)) == [sequence, 2, 0, level, actual]
            assert pins[33] == pin

    on_bench(tmp_path, table_writer.table(), body)


def test_a_node_in_safe_mode_lights_its_lamp(tmp_path: Path) -> None:
    keep_schedule(tmp_path, writer_of(lamp_table()).schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 12))
        await asyncio.sleep(5)
        assert driver.level_pct == 0
        for _ in range(3):
            await panic(bench)
        await asyncio.sleep(5)
        assert (await boot(bench)).safe_mode == 1
        assert driver.level_pct == 100

    on_bench(tmp_path, lamp_table(), body)

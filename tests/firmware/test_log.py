"""The log: numbers that outlive a restart, few writes, one table of sentences."""

import asyncio
from pathlib import Path

import pytest

from gateway_agent.collect import node_log
from protocols import log_codes, log_file, log_names, node_map, settings_codes, start_codes, task_codes, update_codes
from tests.firmware.boot_files import write_boot
from tests.firmware.log_file import read_file, read_log
from tests.firmware.update_bench import linked
from tests.firmware.workbench import RefusedError, Workbench, on_bench, table_of

TABLE = table_of((1, 1))
ROOT = Path(__file__).parents[2]


def constants(module: object) -> dict[int, str]:
    """The numbers of a module of codes, with their names."""
    return {value: name for name, value in vars(module).items() if name.isupper() and type(value) is int}


def test_the_log_goes_on_over_restarts(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        for _ in range(3):
            await bench.power_on()
            await asyncio.sleep(2)
            bench.machine.kill()
        await bench.power_on()
        entries = await read_log(bench.master)
        starts = [(entry.start, entry.value) for entry in entries if entry.code == log_codes.STARTED]
        assert starts == [(number, start_codes.POWER) for number in range(1, 5)]
        numbers = [entry.number for entry in entries]
        assert numbers == list(range(1, len(entries) + 1))
        high, low = await bench.master.read(node_map.BOOT_LOG_NEWEST, 2)
        assert high << 16 | low == numbers[-1]

    on_bench(tmp_path, TABLE, body)


def test_the_gateway_reads_it_as_it_is(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        for _ in range(6):
            await bench.power_on()
            bench.machine.kill()
        await bench.power_on()
        expected = await read_log(bench.master)
        async with linked(bench) as gateway:
            found = await node_log.read_log(gateway.link)
            later = await node_log.read_log(gateway.link, expected[-3].number)
        assert [(one.number, one.start, one.seconds, one.code, one.value) for one in found] == [
            (one.number, one.start, one.seconds, one.code, one.value) for one in expected
        ]
        assert later == found[-2:]
        assert "started (power came)" in [entry.sentence for entry in later]

    on_bench(tmp_path, TABLE, body)


def test_a_full_ring_keeps_the_newest(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        for _ in range(18):
            await bench.power_on()
            bench.machine.kill()
        await bench.power_on()
        entries = await read_log(bench.master)
        assert len(entries) == 32
        assert [entry.number for entry in entries] == list(range(entries[0].number, entries[0].number + 32))
        assert entries[-1].start == 19

    on_bench(tmp_path, TABLE, body)


def test_nothing_beyond_the_end_is_read(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        entries = len(await read_log(bench.master))
        with pytest.raises(RefusedError):
            await read_file(bench.master, log_file.FILE, 4 + 7 * entries, 1)

    on_bench(tmp_path, TABLE, body)


def test_a_quiet_time_hardly_touches_the_flash(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        await asyncio.sleep(300)
        before = bench.machine.flash_operations
        await asyncio.sleep(3600)
        assert bench.machine.flash_operations - before <= 5

    on_bench(tmp_path, TABLE, body)


def test_what_concerns_the_time_is_noted_once(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        for off_ms in (0, 400, -1_000, 90_000, -3_600_000):
            await bench.master.set_time(1_800_000_000_000 + off_ms)
        notes = [entry.value for entry in await read_log(bench.master) if entry.code == log_codes.CLOCK_SET]
        assert len(notes) == 3
        assert notes[0] == 0
        assert notes[1] in (90, 91)
        assert notes[2] in (-3690, -3689)

    on_bench(tmp_path, TABLE, body)


def test_safe_mode_is_noted(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        write_boot(tmp_path, crashes=3, safe_mode=1)
        await bench.power_on()
        codes = [(entry.code, entry.value) for entry in await read_log(bench.master)]
        assert codes[:2] == [(log_codes.STARTED, start_codes.POWER), (log_codes.SAFE_MODE, 1)]

    on_bench(tmp_path, TABLE, body)


def test_every_code_is_noted_somewhere() -> None:
    firmware = "".join(place.read_text() for place in (ROOT / "firmware").rglob("*.py"))
    assert [name for name in constants(log_codes).values() if f"log.note(log_codes.{name}" not in firmware] == []


def test_every_code_has_its_sentence() -> None:
    assert set(log_names.SENTENCES) == set(constants(log_codes))
    assert log_names.sentence(log_codes.STARTED, start_codes.PANIC) == "started (panic below MicroPython)"
    assert log_names.sentence(log_codes.EXCEPTION, int.from_bytes(b"OSEr", "big")).endswith("OSError")
    assert log_names.sentence(log_codes.EXCEPTION, int.from_bytes(b"Odd\0", "big")).endswith(": Odd")
    assert log_names.sentence(999, 5) == "code 999, value 5"
    assert log_names.sentence(log_codes.EXCEPTION, int.from_bytes(b"\n\x1b[2", "big")).endswith("number 169564978")
    assert log_names.sentence(log_codes.TASK_MISSING, 2).endswith(": poller")
    assert set(log_names.SENTENCES) > log_names.TROUBLES
    for code in log_names.SENTENCES:
        for value in (1, 0, -1, 1 << 31):
            assert "{" not in log_names.sentence(code, value)


def test_every_reason_has_its_words() -> None:
    reasons = {value for value, name in constants(settings_codes).items()}
    assert set(log_names.SETTINGS_REASONS) == set(range(settings_codes.NOTHING_SENT + 1)) == reasons | {0}
    assert set(log_names.START_REASONS) == set(range(start_codes.POWER, start_codes.EXCEPTION + 1))
    judged = {update_codes.GATEWAY_SILENT, update_codes.DEVICES_SILENT}
    assert set(log_names.LEFT_REASONS) == set(range(start_codes.NOT_LEFT, start_codes.CRASHED + 1)) | judged
    assert set(log_names.TASKS) == set(constants(task_codes))
    assert set(log_names.MODES) == set(range(start_codes.SAFE_WITHOUT_TABLE + 1))

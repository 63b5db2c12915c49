"""The log: numbers that outlive a restart, few writes, one table of sentences."""

import asyncio
import logging
from pathlib import Path

import pytest

from gateway_agent.collect.node_log import NodeLog
from protocols import log_codes, log_file, log_names, node_map, settings_codes, start_codes, update_codes
from tests.firmware.log_file import read_file, read_log
from tests.firmware.update_bench import linked
from tests.firmware.workbench import RefusedError, Workbench, on_bench, table_of

TABLE = table_of((1, 1))


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


def test_the_gateway_tells_each_entry_once_in_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway_agent.collect.node_log")

    async def body(bench: Workbench) -> None:
        for _ in range(3):
            await bench.power_on()
            await asyncio.sleep(2)
            bench.machine.kill()
        await bench.power_on()
        async with linked(bench) as gateway:
            log = NodeLog(gateway.link, "lamp_node")
            for minute in range(3):
                await log.look(minute * 60_000)
            told = [record.getMessage() for record in caplog.records]
            assert told[0] == "lamp_node: its log, entry 1, 0:00:00 after start 1: started (power came)"
            assert [line.partition("after ")[2] for line in told if line.endswith("power came)")] == [
                f"start {number}: started (power came)" for number in range(1, 5)
            ]
            assert len(told) == len(set(told))
            caplog.clear()
            bench.machine.kill()
            await bench.power_on()
            await log.look(200_000)
            assert all("after start 5: " in line for line in caplog.messages)
            assert caplog.messages[0].endswith("started (power came)")

    on_bench(tmp_path, TABLE, body)


def test_nothing_beyond_the_end_is_read(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        entries = len(await read_log(bench.master))
        with pytest.raises(RefusedError):
            await read_file(bench.master, log_file.FILE, 4 + 7 * entries, 1)

    on_bench(tmp_path, TABLE, body)


def test_quiet_hours_hardly_touches_the_flash(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        await asyncio.sleep(300)
        before = bench.machine.flash_operations
        await asyncio.sleep(3 * 3600)
        assert bench.machine.flash_operations - before <= 3 * 5

    on_bench(tmp_path, TABLE, body)


def test_every_code_has_its_sentence() -> None:
    assert set(log_names.SENTENCES) == set(constants(log_codes))
    assert log_names.sentence(log_codes.STARTED, start_codes.PANIC) == "started (panic below MicroPython)"
    assert log_names.sentence(log_codes.EXCEPTION, int.from_bytes(b"OSEr", "big")).endswith("OSEr")
    assert log_names.sentence(999, 5) == "code 999, value 5"
    for code in log_names.SENTENCES:
        assert "{" not in log_names.sentence(code, 1)


def test_every_reason_has_its_words() -> None:
    reasons = {value for value, name in constants(settings_codes).items()}
    assert set(log_names.SETTINGS_REASONS) == set(range(settings_codes.NOTHING_SENT + 1)) == reasons | {0}
    assert set(log_names.START_REASONS) == set(range(start_codes.POWER, start_codes.EXCEPTION + 1))
    assert set(log_names.LEFT_REASONS) == set(range(start_codes.NOT_LEFT, start_codes.CRASHED + 1))
    assert "did not answer" in log_names.sentence(log_codes.SLOT_LEFT, update_codes.DEVICES_SILENT)

"""A node's log at the gateway: each entry once, as a sentence, also over restarts of the node."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from hardware.rig.clock import RigClock, run_virtual
from protocols import log_codes, start_codes
from tests.gateway_agent.collect.model_node import NodeBench

START_MS = 1_781_740_800_000


def on_bench(body: Callable[[NodeBench], Awaitable[None]]) -> None:
    """Run `body` in virtual time."""

    async def main(clock: RigClock) -> None:
        bench = NodeBench(clock)
        try:
            await body(bench)
        finally:
            await bench.close()

    run_virtual(main, start_unix_ms=START_MS)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was told of the node's log."""
    return [record.getMessage() for record in caplog.records if record.name.endswith(".node_log")]


def test_each_entry_is_told_once_as_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    async def body(bench: NodeBench) -> None:
        caplog.set_level(logging.INFO)
        bench.node.log = [
            (1, 7, 0, log_codes.STARTED, start_codes.PANIC),
            (2, 7, 65_536, log_codes.FLASH_FAILED, 28),
            (3, 7, 65_600, log_codes.CLOCK_SET, -5),
        ]
        await asyncio.sleep(30)
        expected = [
            "lamp_node: log 1 (start 7, 0 s after it): started (panic below MicroPython)",
            "lamp_node: log 2 (start 7, 65536 s after it): the flash failed with error 28",
            "lamp_node: log 3 (start 7, 65600 s after it): the clock was set, -5 s off",
        ]
        assert told(caplog) == expected
        levels = [record.levelno for record in caplog.records if record.name.endswith(".node_log")]
        assert levels == [logging.INFO, logging.WARNING, logging.INFO]
        bench.node.log.append((4, 8, 0, log_codes.STARTED, start_codes.WATCHDOG))
        reads = bench.node.log_reads
        await asyncio.sleep(120)
        assert told(caplog)[3:] == ["lamp_node: log 4 (start 8, 0 s after it): started (watchdog)"]
        assert bench.node.log_reads - reads == 2
        await asyncio.sleep(600)
        assert len(told(caplog)) == 4
        assert bench.node.log_reads - reads == 2

    on_bench(body)


def test_a_restart_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def body(bench: NodeBench) -> None:
        caplog.set_level(logging.INFO)
        bench.node.log = [(1, 1, 0, log_codes.STARTED, start_codes.POWER)]
        await asyncio.sleep(62)
        bench.node.log.append((2, 2, 0, log_codes.STARTED, start_codes.EXCEPTION))
        bench.node.restart()
        await asyncio.sleep(25)
        assert len(told(caplog)) == 2

    on_bench(body)


def test_a_full_ring_is_read_in_pieces_and_numbers_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async def body(bench: NodeBench) -> None:
        caplog.set_level(logging.INFO)
        bench.node.log = [(65_530 + at, 9, at, log_codes.SETTINGS_TAKEN, at) for at in range(32)]
        await asyncio.sleep(30)
        assert len(told(caplog)) == 32
        assert told(caplog)[-1].startswith("lamp_node: log 65561 (")
        bench.node.log = [(1, 1, 0, log_codes.STARTED, start_codes.POWER)]
        await asyncio.sleep(120)
        assert told(caplog)[32:] == ["lamp_node: log 1 (start 1, 0 s after it): started (power came)"]

    on_bench(body)


def test_what_changes_while_it_is_read_is_told_the_next_time(caplog: pytest.LogCaptureFixture) -> None:
    async def body(bench: NodeBench) -> None:
        caplog.set_level(logging.INFO)
        bench.node.log = [(number, 1, 0, log_codes.SETTINGS_TAKEN, number) for number in (1, 2, 4)]
        await asyncio.sleep(30)
        assert told(caplog) == []
        bench.node.log[2] = (3, 1, 0, log_codes.SETTINGS_TAKEN, 3)
        await asyncio.sleep(120)
        assert [line.partition(" (")[0] for line in told(caplog)] == [
            f"lamp_node: log {number}" for number in (1, 2, 3)
        ]

    on_bench(body)


def test_a_node_without_a_log_is_read_all_the_same() -> None:
    async def body(bench: NodeBench) -> None:
        bench.node.log = []
        bench.node.sample(0, 215, 1)
        await asyncio.sleep(30)
        assert [reading.value for reading in bench.sink.samples][:1] == [215]
        assert bench.node.log_reads == 0

    on_bench(body)

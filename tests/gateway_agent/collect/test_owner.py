"""The owner of a port: order, settings, and ports that are missing, busy or pulled out."""

import asyncio
import itertools
import logging
import os
import pty
from pathlib import Path

import pytest
import serial

from gateway_agent.clock import SystemClock
from gateway_agent.collect.direction import AutoDirection
from gateway_agent.collect.line import SerialLine
from gateway_agent.collect.owner import BusOwner, Urgency
from gateway_agent.collect.port_problem import port_problem
from gateway_agent.collect.request import Fault, NoAnswerError, Read
from gateway_agent.collect.unit import Timing, UnitLink
from gateway_agent.config import BusConfig, LineSettings
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.serial_url import SerialPort
from tests.gateway_agent.collect.scripted import Bench, ScriptedUnit, good_answer, on_bench, value_at


def at_once(request: bytes) -> list[tuple[float, bytes]]:
    return [(0.002, good_answer(request))]


def test_a_read_gives_registers_and_the_time_at_which_the_answer_was_complete() -> None:
    async def body(bench: Bench) -> None:
        answer = await bench.read(20, 4)
        assert answer.registers == tuple(value_at(address) for address in range(20, 24))
        assert answer.monotonic_ms <= bench.clock.monotonic_ms() <= answer.monotonic_ms + 5
        assert answer.transmission_ms == round(13 * 10 / 9600 * 1000)

    on_bench(at_once, body)


def test_what_is_urgent_overtakes_what_waits() -> None:
    async def body(bench: Bench) -> None:
        await bench.read()
        order: list[int] = []

        async def ask(address: int, urgency: Urgency) -> None:
            await bench.owner.ask(Read(1, 3, address, 4), bench.config.line, 100, urgency)
            order.append(address)

        polls = [asyncio.create_task(ask(address, Urgency.POLL)) for address in (10, 20, 30)]
        await asyncio.sleep(0.001)
        command = asyncio.create_task(ask(99, Urgency.COMMAND))
        await asyncio.gather(*polls, command)
        assert order == [10, 99, 20, 30]

    on_bench(at_once, body)


def test_a_line_that_never_becomes_quiet_gives_no_reading_and_recovers() -> None:
    async def body(bench: Bench) -> None:
        await bench.read()
        babbler = bench.rig_bus.attach("babbler")
        for _ in range(120):
            babbler.send(bytes(16))
        await asyncio.sleep(0.05)
        with pytest.raises(NoAnswerError) as failed:
            await bench.link.read(Read(1, 3, 0, 4), Urgency.POLL, tries=1)
        assert failed.value.fault is Fault.BUSY_LINE
        await asyncio.sleep(5)
        assert (await bench.read()).registers[0] == value_at(0)

    on_bench(at_once, body)


def test_devices_of_other_settings_on_one_bus_are_read_in_groups() -> None:
    async def main(clock: RigClock) -> None:
        rig_bus = Bus("mixed", 9600)
        port = SerialPort("mixed", rig_bus)
        ScriptedUnit(rig_bus, at_once)
        slow = ScriptedUnit(rig_bus, at_once)
        slow.drop.configure(2400, "E", 1)
        config = BusConfig(name="mixed", port=port.path, baud=9600)
        owner = BusOwner(config, SerialLine(config, clock, AutoDirection()))
        task = asyncio.create_task(owner.run())
        await asyncio.sleep(0.1)
        timing, slow_line = Timing(200), LineSettings(baud=2400, parity="E")
        links = [UnitLink(owner, 1, config.line, timing, {4}), UnitLink(owner, 1, slow_line, timing, {4})]
        changes: list[int] = []
        rig_bus.tap(lambda frame: changes.append(port.drop.settings.baud) if frame.drop.startswith("port") else None)
        for _ in range(3):
            reads = [link.read(Read(1, 3, 0, 4), Urgency.POLL) for link in links for _ in range(3)]
            for answer in await asyncio.gather(*reads):
                assert answer.registers[0] == value_at(0)
        switches = sum(one != other for one, other in itertools.pairwise(changes))
        assert switches <= 6
        assert owner.line.counters.requests == owner.line.counters.answers
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(main)


def test_an_answer_that_came_whole_and_damaged_is_not_waited_for_any_longer() -> None:
    async def body(bench: Bench) -> None:
        await bench.read()
        damage = iter([True, False, False, False])

        def reply(request: bytes) -> list[tuple[float, bytes]]:
            answer = bytearray(good_answer(request))
            if next(damage):
                answer[5] ^= 0x10
            return [(0.002, bytes(answer))]

        bench.unit.reply = reply
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert (await bench.read(20)).registers[0] == value_at(20)
        assert loop.time() - started < 0.15
        assert bench.line.counters.damaged == 1

    on_bench(at_once, body, retries=1)


def test_a_missing_port_is_told_once_and_taken_when_it_comes(caplog: pytest.LogCaptureFixture) -> None:
    async def body(bench: Bench) -> None:
        await bench.read()
        bench.port.unplug()
        await asyncio.sleep(60)
        with pytest.raises(NoAnswerError) as failed:
            await bench.read()
        assert failed.value.fault is Fault.PORT_DOWN
        assert "missing" in str(bench.owner.problem)
        bench.port.replug()
        await asyncio.sleep(31)
        assert (await bench.read()).registers[0] == value_at(0)
        assert bench.owner.problem is None

    with caplog.at_level(logging.WARNING, "gateway_agent"):
        on_bench(at_once, body)
    told = [record.message for record in caplog.records]
    assert len([text for text in told if "is missing; plug in the adapter" in text]) == 1
    assert len([text for text in told if "is open again" in text]) == 1


def test_an_adapter_pulled_out_in_the_middle_of_an_answer_ends_the_wait_at_once() -> None:
    async def body(bench: Bench) -> None:
        await bench.read()
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, bench.port.unplug)
        bench.unit.reply = lambda request: []
        started = loop.time()
        with pytest.raises(NoAnswerError) as failed:
            await bench.link.read(Read(1, 3, 0, 4), Urgency.POLL)
        assert failed.value.fault is Fault.PORT_DOWN
        assert loop.time() - started < 0.06

    on_bench(at_once, body, retries=2)


def test_a_busy_port_is_told_and_the_holder_is_left_alone(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    path = os.ttyname(slave)
    config = BusConfig(name="pole", port=path, baud=9600)
    holder = serial.Serial(path, exclusive=True)
    try:
        line = SerialLine(config, SystemClock(), AutoDirection())

        async def main() -> str:
            with pytest.raises(Exception, match="busy") as failed:
                await line.open()
            return str(failed.value)

        text = asyncio.run(main())
        assert f"bus pole: serial port {path} is busy" in text
        assert "tried again by itself" in text
    finally:
        holder.close()
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "x"), ("is missing", "adapters in", "usb-FTDI_1")),
        (PermissionError(13, "x"), ("not permitted", "dialout")),
        (OSError(5, "x"), ("does not respond", "plug it in again")),
        (ValueError("no such speed"), ("cannot be opened", "9600 8N1")),
    ],
    ids=["missing", "permission", "dead", "value"],
)
def test_a_port_that_cannot_be_opened_is_told_with_the_mend(
    error: Exception, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "usb-FTDI_1").touch()
    text = port_problem(BusConfig(name="pole", port="/dev/none"), error, tmp_path)
    for word in ("bus pole", "/dev/none", *words):
        assert word in text


def test_the_reason_is_told_once_where_pyserial_tells_it_twice(tmp_path: Path) -> None:
    config = BusConfig(name="pole", port=str(tmp_path))

    async def main() -> str:
        with pytest.raises(Exception, match="cannot be opened") as failed:
            await SerialLine(config, SystemClock(), AutoDirection()).open()
        return str(failed.value)

    assert f"serial port {tmp_path} cannot be opened (Is a directory); check" in asyncio.run(main())


def test_a_port_that_is_no_terminal_is_refused_with_words(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    line = SerialLine(BusConfig(name="pole", port=str(plain)), SystemClock(), AutoDirection())

    async def main() -> None:
        with pytest.raises(Exception, match="check that it is a serial port"):
            await line.open()

    asyncio.run(main())

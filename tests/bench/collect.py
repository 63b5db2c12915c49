"""The collector: bus time and processor time per exchange, readings lost to noise, beside pymodbus alone.

The bus and its faults are the rig's, in virtual time, so that the figures of the line do not depend on this computer;
processor time is this computer's.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException

from gateway_agent.collect.answer import find_answer
from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import NoAnswerError, Read
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.serial_url import SerialPort
from tests.gateway_agent.collect.scripted import (
    TIMEOUT_MS,
    Bench,
    Reply,
    ScriptedUnit,
    framed,
    good_answer,
    on_bench,
    value_at,
)

_TRIES = 150
_COUNT = 4


Case = Callable[[], Reply]


def run(arguments: list[str]) -> Iterable[dict[str, object]]:
    """Yield the rows of the group; there are no arguments."""
    del arguments
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # it tells every miss
    for name, case in _CASES.items():
        yield from _rows(name, _through_our_layer(case()))
        yield from _rows(name, _through_pymodbus(case()), peer="pymodbus 3.16.1")
    yield from _line_costs()
    yield from _processor_costs()


def _rows(name: str, counted: "_Count", **more: str) -> Iterator[dict[str, object]]:
    for metric, value in (("right", counted.right), ("wrong", counted.wrong), ("none", counted.none)):
        yield {"case": name, "metric": metric, "value": value, "unit": f"of {_TRIES} reads", **more}


class _Count:
    """Reads that gave the right registers, wrong ones, or none."""

    def __init__(self) -> None:
        self.right = self.wrong = self.none = 0

    def take(self, address: int, registers: Sequence[int] | None) -> None:
        if registers is None:
            self.none += 1
        elif tuple(registers) == tuple(value_at(address + offset) for offset in range(_COUNT)):
            self.right += 1
        else:
            self.wrong += 1


def _through_our_layer(reply: Reply) -> _Count:
    counted = _Count()

    async def body(bench: Bench) -> None:
        for number in range(_TRIES):
            address = 10 * (number % 50)
            try:
                counted.take(address, (await bench.read(address, _COUNT)).registers)
            except NoAnswerError:
                counted.take(address, None)

    on_bench(reply, body)
    return counted


def _through_pymodbus(reply: Reply) -> _Count:
    counted = _Count()

    async def main(_clock: RigClock) -> None:
        line = Bus("peer", 9600)
        port = SerialPort("peer", line)
        ScriptedUnit(line, reply)
        client = AsyncModbusSerialClient(port.path, baudrate=9600, timeout=TIMEOUT_MS / 1000, retries=0)
        await client.connect()
        for number in range(_TRIES):
            address = 10 * (number % 50)
            await asyncio.sleep(0.01)
            try:
                answer = await client.read_holding_registers(address, count=_COUNT, device_id=1)
                counted.take(address, None if answer.isError() else answer.registers)
            except ModbusException:
                counted.take(address, None)
        client.close()
        port.close()

    run_virtual(main)
    return counted


def _line_costs() -> Iterator[dict[str, object]]:
    """How long an exchange takes the line, beside the bytes themselves."""
    for baud in (9600, 19200):
        taken: list[float] = []
        bytes_s = (8 + 5 + 2 * _COUNT) * 10 / baud

        async def body(bench: Bench, taken: list[float] = taken) -> None:
            loop = asyncio.get_running_loop()
            await bench.read(0, _COUNT)
            for _ in range(50):
                began_s = loop.time()
                await bench.link.read(Read(1, 3, 0, _COUNT), Urgency.POLL)
                taken.append(loop.time() - began_s)

        on_bench(lambda request: [(0.0, good_answer(request))], body, baud=baud)
        mean_ms = 1000 * sum(taken) / len(taken)
        name = f"4 registers at {baud} baud"
        yield {"case": name, "metric": "time per exchange", "value": round(mean_ms, 2), "unit": "ms"}
        yield {"case": name, "metric": "of which bytes", "value": round(1000 * bytes_s, 2), "unit": "ms"}


def _processor_costs() -> Iterator[dict[str, object]]:
    """Processor time, not of the line: this computer's."""
    tries = 400

    async def body(bench: Bench) -> None:
        for _ in range(tries):
            await bench.link.read(Read(1, 3, 0, _COUNT), Urgency.POLL)

    began_s = time.process_time()
    on_bench(lambda request: [(0.0, good_answer(request))], body)
    spent_ms = 1000 * (time.process_time() - began_s) / tries
    yield {"case": "exchange with the software bus", "metric": "processor", "value": round(spent_ms, 3), "unit": "ms"}
    noise, ask = Random(1).randbytes(200), Read(1, 3, 0, 20)
    heard = noise + good_answer(framed(1, 3, 0, 0, 0, 20))
    began_s = time.process_time()
    for _ in range(tries):
        find_answer(heard, ask)
    spent_us = 1e6 * (time.process_time() - began_s) / tries
    yield {
        "case": "an answer of 45 bytes behind 200 of noise",
        "metric": "processor",
        "value": round(spent_us, 1),
        "unit": "us",
    }


def _good() -> Reply:
    return lambda request: [(0.0, good_answer(request))]


def _zero_before() -> Reply:
    return lambda request: [(0.0, b"\0" + good_answer(request))]


def _noise_before() -> Reply:
    random = Random(1)
    return lambda request: [(0.0, random.randbytes(random.randint(1, 8)) + good_answer(request))]


def _another_function() -> Reply:
    return lambda request: [(0.0, framed(request[0], 4, *good_answer(request)[2:-2]))]


def _too_few() -> Reply:
    def reply(request: bytes) -> list[tuple[float, bytes]]:
        count = max(0, 2 * request[5] - 2)
        return [(0.0, framed(request[0], 3, count, *good_answer(request)[3 : 3 + count]))]

    return reply


def _one_behind() -> Reply:
    pipe: list[bytes] = []

    def reply(request: bytes) -> list[tuple[float, bytes]]:
        pipe.append(good_answer(request))
        return [(0.0, pipe.pop(0))] if len(pipe) > 1 else []

    return reply


def _too_slow() -> Reply:
    return lambda request: [((TIMEOUT_MS + 20) / 1000, good_answer(request))]


_CASES: dict[str, Case] = {
    "good answers": _good,
    "a zero before each answer": _zero_before,
    "1 to 8 bytes of noise before each answer": _noise_before,
    "another function code": _another_function,
    "too few registers": _too_few,
    "always one answer behind": _one_behind,
    "20 ms slower than the timeout": _too_slow,
}

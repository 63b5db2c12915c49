"""One serial port as pymodbus drives it, with the checks that pymodbus leaves out.

Configure: a bus of pole.toml. Try it without hardware: a pty or the rig's `rig://` port, both opened by pyserial like
any other. Where it hurts: the line must be quiet before each request, so a babbling device stops its bus; USB adapters
hand bytes over up to 16 ms late, which `latency_ms` of the bus allows for.

pymodbus sends, receives and decodes. Its packet hook shows it nothing but the one frame that answers the request
(`answer.find_answer`): noise before the answer does no harm, and a stranger is never believed. Retries are not its
business (`unit.UnitLink`), nor is opening the port again (`owner.BusOwner`).
"""

import asyncio
import contextlib
import struct
import termios
from typing import Protocol, cast

import serial
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.file_message import FileRecord, ReadFileRecordResponse
from pymodbus.transport.serialtransport import SerialTransport

from gateway_agent.clock import Clock
from gateway_agent.collect.answer import Found, diagnose, find_answer
from gateway_agent.collect.counters import LineCounters
from gateway_agent.collect.direction import Direction
from gateway_agent.collect.port_problem import PortError, port_problem
from gateway_agent.collect.request import Answer, Ask, Broadcast, Fault, NoAnswerError, Read, ReadFile, WriteFile
from gateway_agent.config import BusConfig, LineSettings
from protocols import modbus

_NEVER_S = 86400.0
_BUFFER_BYTES = 8192
_BUSY_LIMIT_S = 1.0
_SETTLE_LIMIT_S = 0.5
_SWITCH_GAP_S = 0.02
_FIFO_BYTES = 16
_TURNAROUND_S = 0.1


class Line(Protocol):
    """What an owner needs of a line; `SerialLine` is the real one."""

    counters: LineCounters

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        ...

    async def open(self) -> None:
        """Open the port. Raises PortError."""

    async def exchange(self, ask: Ask, settings: LineSettings, reply_timeout_ms: int) -> Answer:
        """Send a request and return its answer. Raises NoAnswerError."""
        ...

    def close(self) -> None:
        """Close the port."""


class SerialLine:
    """One bus's port. Only its owner task may call it, one call at a time."""

    def __init__(self, bus: BusConfig, clock: Clock, direction: Direction) -> None:
        self.counters = LineCounters()
        self._bus = bus
        self._clock = clock
        self._direction = direction
        self._settings = bus.line
        self._client: AsyncModbusSerialClient | None = None
        self._waiting: asyncio.Timeout | None = None
        self._ask: Ask | None = None
        self._found: Found | None = None
        self._found_event = asyncio.Event()
        self._heard = b""
        self._unused = 0
        self._found_s = 0.0
        self._found_ms = 0
        self._limit_s: float | None = None
        self._last_heard_s = 0.0
        self._is_noisy = False

    @property
    def is_open(self) -> bool:
        """Whether the port is open; it closes by itself when the adapter is unplugged."""
        return self._client is not None and self._client.connected

    async def open(self) -> None:
        """Open the port with the bus's own settings. Raises PortError with what is wrong and the mend."""
        self.close()
        client = AsyncModbusSerialClient(
            self._bus.port,
            baudrate=self._bus.baud,
            parity=self._bus.parity,
            stopbits=self._bus.stop_bits,
            timeout=_NEVER_S,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._on_packet,
            trace_connect=self._on_connect,
        )
        try:
            # Not client.connect(): it swallows the reason.
            await client.ctx.call_create()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        except (OSError, ValueError, termios.error) as error:
            raise PortError(port_problem(self._bus, error)) from error
        client.ctx.max_buffer_size = _BUFFER_BYTES
        self._client = client
        self._settings = self._bus.line
        try:
            self._direction.prepare(self._port())
        except Exception:
            self.close()
            raise
        self._last_heard_s = asyncio.get_running_loop().time()

    def close(self) -> None:
        """Close the port, if it is open."""
        if self._client is not None:
            self._direction.close()
            self._client.close()
            self._client = None

    async def exchange(self, ask: Ask, settings: LineSettings, reply_timeout_ms: int) -> Answer:
        """Send `ask` at `settings` and return its answer; `reply_timeout_ms` runs from request's end to answer's begin.

        Raises NoAnswerError; the line has then been left alone long enough for a late answer to pass.
        """
        if not self.is_open:
            raise NoAnswerError(Fault.PORT_DOWN)
        await self._become_quiet()
        await self._switch(settings)
        on_line_s = (ask.request_bytes + ask.answer_bytes) * settings.byte_s
        try:
            if isinstance(ask, Broadcast):
                return await self._broadcast(ask)
            pdu = await self._answer_within(on_line_s + (reply_timeout_ms + self._bus.latency_ms) / 1000, ask)
            await self._refuse_second_answer(ask)
            return self._checked(pdu, ask)
        except TimeoutError:
            raise await self._missed(ask, reply_timeout_ms) from None
        except (ModbusException, OSError) as error:
            raise NoAnswerError(Fault.PORT_DOWN, str(error)) from error
        finally:
            self._ask = None

    async def _broadcast(self, ask: Broadcast) -> Answer:
        """Send, and leave the line alone until all units have had time to carry it out; SL 2.4.1."""
        await self._send(ask)
        await asyncio.sleep(ask.request_bytes * self._settings.byte_s + _TURNAROUND_S)
        return Answer((), self._clock.monotonic_ms(), 0)

    async def _answer_within(self, limit_s: float, ask: Ask) -> ModbusPDU:
        async with asyncio.timeout(limit_s) as waiting:
            self._waiting = waiting
            try:
                return await self._send(ask)
            finally:
                self._waiting = None

    async def _send(self, ask: Ask) -> ModbusPDU:
        client = cast(AsyncModbusSerialClient, self._client)
        self._found, self._heard, self._unused = None, b"", 0
        self._found_event.clear()
        self._limit_s = None
        self._ask = ask
        self.counters.requests += 1
        if isinstance(ask, Read):
            read = (
                client.read_input_registers
                if ask.function == modbus.READ_INPUT_REGISTERS
                else client.read_holding_registers
            )
            return await read(ask.address, count=ask.count, device_id=ask.unit)
        if isinstance(ask, ReadFile):
            group = FileRecord(ask.file, ask.record, record_length=2 * ask.count)
            return await client.read_file_record([group], device_id=ask.unit)
        if isinstance(ask, WriteFile):
            return await client.write_file_record([FileRecord(ask.file, ask.record, ask.data)], device_id=ask.unit)
        end_ms = self._clock.unix_ms() + round(ask.request_bytes * self._settings.byte_s * 1000)
        is_mute = isinstance(ask, Broadcast)
        return await client.write_registers(
            ask.address, ask.registers(end_ms), device_id=ask.unit, no_response_expected=is_mute
        )

    def _on_packet(self, sending: bool, data: bytes) -> bytes:
        """See every packet of pymodbus. What is returned for received bytes is all that pymodbus decodes."""
        duration_s = len(data) * self._settings.byte_s
        if sending:
            self.counters.bytes_sent += len(data)
            self.counters.busy_s += duration_s
            self._direction.sending(duration_s)
            return data
        loop_s = asyncio.get_running_loop().time()
        fresh = data[self._unused :] if len(data) >= self._unused else data
        self._last_heard_s = loop_s
        self.counters.bytes_heard += len(fresh)
        self.counters.busy_s += len(fresh) * self._settings.byte_s
        self._heard += fresh
        self._unused = len(data)
        self._is_noisy = True
        if self._ask is None or self._found is not None:
            return b""
        self._found = find_answer(self._heard, self._ask)
        if self._found is None:
            self._give_up_early(loop_s)
            return b""
        self._found_s, self._found_ms = loop_s, self._clock.monotonic_ms()
        self._found_event.set()
        if self._waiting is None:
            return b""
        self._is_noisy = len(self._heard) > self._found.end
        frame = self._heard[self._found.start : self._found.end]
        self._unused -= len(frame)
        return frame

    def _on_connect(self, connected: bool) -> None:
        if not connected and self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def _give_up_early(self, now_s: float) -> None:
        """Do not wait out the timeout for an answer that has come whole and damaged: silence then ends it."""
        waiting = self._waiting
        if waiting is None or waiting.expired() or not self._damaged_whole():
            return
        silence_s = self._silence_s() + self._bus.latency_ms / 1000
        self._limit_s = self._limit_s or waiting.when() or now_s
        waiting.reschedule(min(self._limit_s, now_s + silence_s))

    def _damaged_whole(self) -> bool:
        """Whether what was heard is as long as the answer and has its unit and function, so that it was the answer."""
        ask = self._ask
        return ask is not None and len(self._heard) >= ask.answer_bytes and ask.answer_head[:2] in self._heard

    def _port(self) -> serial.Serial:
        client = cast(AsyncModbusSerialClient, self._client)
        return cast(SerialTransport, client.ctx.transport).sync_serial

    async def _become_quiet(self) -> None:
        """Wait for t3.5 of silence. Raises NoAnswerError(BUSY_LINE) when there is none for a second.

        When the last bytes were not the end of an answer, more may sit in the UART: it hands over its FIFO in one
        piece, so a line can seem silent while somebody talks.
        """
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        limit_s = loop.time() + _BUSY_LIMIT_S
        while (wait_s := self._last_heard_s + self._silence_s() - loop.time()) > 0:
            if loop.time() >= limit_s:
                self.counters.unquiet += 1
                raise NoAnswerError(Fault.BUSY_LINE, f"no silence for {_BUSY_LIMIT_S:g} s")
            await asyncio.sleep(wait_s)
        self._is_noisy = False
        if not self.is_open:
            raise NoAnswerError(Fault.PORT_DOWN)

    def _silence_s(self) -> float:
        return self._settings.silence_s + (_FIFO_BYTES * self._settings.byte_s if self._is_noisy else 0.0)

    async def _switch(self, settings: LineSettings) -> None:
        """Give the port other settings, with silence on both sides of the change."""
        if settings == self._settings:
            return
        await asyncio.sleep(max(self._settings.silence_s, _SWITCH_GAP_S))
        port = self._port()
        port.apply_settings({"baudrate": settings.baud, "parity": settings.parity, "stopbits": settings.stop_bits})
        port.reset_input_buffer()
        self._settings = settings
        await asyncio.sleep(max(settings.silence_s, _SWITCH_GAP_S))

    async def _refuse_second_answer(self, ask: Ask) -> None:
        """Wait for the silence behind the answer; two answers mean that somebody else drives the line."""
        await asyncio.sleep(self._settings.silence_s)
        await self._become_quiet()
        found = cast(Found, self._found)
        rest = self._heard[found.end :]
        self.counters.noise_bytes += found.start + len(rest)
        second = find_answer(rest, ask)
        if second is not None and rest[second.start : second.end] != self._heard[found.start : found.end]:
            self.counters.doubled += 1
            raise NoAnswerError(Fault.TWO_ANSWERS, "something else answers or sends on this line")

    def _checked(self, pdu: ModbusPDU, ask: Ask) -> Answer:
        """The answer out of what pymodbus decoded, compared with the request once more."""
        found = cast(Found, self._found)
        if found.is_exception:
            self.counters.refused += 1
            code = pdu.exception_code
            raise NoAnswerError(Fault.EXCEPTION, f"exception {code} of unit {ask.unit}", code)
        registers = _registers_of(pdu, ask)
        count = len(registers) if isinstance(ask, Read | ReadFile) else ask.count
        if pdu.function_code != ask.function or pdu.dev_id != ask.unit or count != ask.count:
            self.counters.strangers += 1
            raise NoAnswerError(Fault.WRONG_COUNT, f"{count} registers instead of {ask.count}")
        self.counters.answers += 1
        return Answer(registers, self._found_ms, round((found.end - found.start) * self._settings.byte_s * 1000))

    async def _missed(self, ask: Ask, reply_timeout_ms: int) -> NoAnswerError:
        """Leave the line alone after a miss, hear whether the answer was only late, and say what was wrong."""
        if not self.is_open:
            return NoAnswerError(Fault.PORT_DOWN, "the serial port went away")
        loop = asyncio.get_running_loop()
        gave_up_s = loop.time()
        fault, detail = diagnose(self._heard, ask)
        settle_s = 0.0 if self._damaged_whole() else min(reply_timeout_ms / 1000, _SETTLE_LIMIT_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._found_event.wait(), settle_s)
        if self._found is not None:
            late_ms = max(1, round((self._found_s - gave_up_s) * 1000))
            fault = Fault.LATE
            detail = f"{late_ms} ms too late, reply_timeout_ms of unit {ask.unit} is {reply_timeout_ms}"
        elif not self.is_open:
            return NoAnswerError(Fault.PORT_DOWN, "the serial port went away")
        self._count(fault)
        return NoAnswerError(fault, detail)

    def _count(self, fault: Fault) -> None:
        if fault is Fault.SILENT:
            self.counters.silent += 1
        elif fault is Fault.LATE:
            self.counters.late += 1
        elif fault is Fault.DAMAGED:
            self.counters.damaged += 1
            self.counters.noise_bytes += len(self._heard)
        else:
            self.counters.strangers += 1


def _registers_of(pdu: ModbusPDU, ask: Ask) -> tuple[int, ...]:
    """The registers of a read that pymodbus has decoded; none for a write."""
    if isinstance(ask, Read):
        return tuple(pdu.registers)
    if isinstance(ask, ReadFile) and isinstance(pdu, ReadFileRecordResponse):
        data = b"".join(record.record_data for record in pdu.records)
        return struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])
    return ()

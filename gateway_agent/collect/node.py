"""Reading one of our own nodes: who it is, its clock, its slots, its events, its log.

A node is believed only when its identity says that it runs the table that this pole.toml makes; otherwise its slots
would mean something else. Its clock is set when it was never set or is off, once ours can be trusted; its events are
acknowledged only after our own commit, and none is taken twice, for each carries the node's epoch and a sequence.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from gateway_agent.clock import Clock, unix_at
from gateway_agent.collect.attendance import Attendance, Change
from gateway_agent.collect.complaints import Complaints
from gateway_agent.collect.lamp import LampDialog
from gateway_agent.collect.latest import LatestValues
from gateway_agent.collect.manhole import command_manhole
from gateway_agent.collect.node_events import NodeEvent, as_record, read_events, read_head, told_anew, u32
from gateway_agent.collect.node_log import NodeLog
from gateway_agent.collect.node_service import (
    TIME_REGISTERS,
    NodeClock,
    NodeHealth,
    read_health,
    refusal_of,
    time_registers,
)
from gateway_agent.collect.node_slots import NodePoint, SlotBook
from gateway_agent.collect.owner import BusOwner, Urgency
from gateway_agent.collect.request import Answer, Fault, NoAnswerError, Read, Write
from gateway_agent.collect.sink import Sink
from gateway_agent.collect.slots import Slots
from gateway_agent.collect.unit import Timing, UnitLink
from gateway_agent.config import NodeConfig
from gateway_agent.errors import GatepostError
from gateway_agent.lighting.sender import ScheduleSender
from gateway_agent.node_keys import WriteSeal
from gateway_agent.records import Event, LampOutcome, Reading
from protocols import event_codes, event_names, modbus, node_map, quality

_LOG = logging.getLogger(__name__)
_SERVICE_EVERY_MS = 10_000
_ACKNOWLEDGE_REGISTERS = 4
_HEAD_REGISTERS = node_map.EVENT - node_map.EVENTS
_GAP_MS = 5
_RETRIES = 2
_SAME_TIME_MS = 1_000


class NodeReader:
    """Reads one node. `digest` is the CRC-32 of the table that the node should run, `points` are its slots.

    `problem` is why it gives no readings, in words, or None. `health` is what it last told of itself. `lamp` sets the
    lamp, whose device is named `lamp_name` (None if the node has none); `schedule` keeps what it follows. `seal` is for
    a node with a key, and `broadcast_seal` is that of its bus.
    """

    def __init__(
        self,
        node: NodeConfig,
        digest: int,
        points: Sequence[NodePoint],
        lamp_name: str | None,
        owner: BusOwner,
        clock: Clock,
        latest: LatestValues,
        sink: Sink,
        seal: WriteSeal | None = None,
        broadcast_seal: WriteSeal | None = None,
    ) -> None:
        self.config = node
        self.problem: str | None = None
        self.health: NodeHealth | None = None
        self.lamp_name = lamp_name
        self._digest = digest
        self._clock = clock
        self._latest = latest
        self._sink = sink
        self._names = [point.name for point in points]
        self._book = SlotBook(points, latest)
        self._attendance = Attendance(node.every_ms)
        self._complaints = Complaints()
        self._epoch: int | None = None
        self._is_fit = False
        self._node_clock = NodeClock()
        self._node_offset_ms: int | None = None
        self._introducing = asyncio.Lock()
        planned = {count for _, count in self._book.reads()}
        planned |= {node_map.IDENTITY_REGISTERS, node_map.HEALTH_REGISTERS, node_map.LAMP_STATE_REGISTERS}
        planned |= {node_map.AUTH_REGISTERS, node_map.LAMP_SCHEDULE_REGISTERS, 2}
        timing = Timing(node.reply_timeout_ms, _GAP_MS, _RETRIES)
        line = owner.bus.line
        self._link = UnitLink(owner, node.unit, line, timing, planned, seal=seal, broadcast_seal=broadcast_seal)
        self.lamp = LampDialog(self._link)
        self.schedule: ScheduleSender | None = None
        self._node_log = NodeLog(self._link, node.name, clock)

    def keep_schedule(self, make: Callable[[int], bytes]) -> None:
        """Let the node's lamp follow the schedule that `make` gives for a unix time in milliseconds."""
        self.schedule = ScheduleSender(self._link, self.config.name, make, self._clock)

    async def manhole(self, acknowledge: int, learn: int) -> LampOutcome:
        """Acknowledge alarms of the node's manhole, or let it learn its cover: see `command_manhole`."""
        return await command_manhole(self._link, acknowledge, learn)

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_slots())
            tasks.create_task(self._follow_events())
            tasks.create_task(self._follow_service())

    async def _follow_slots(self) -> None:
        slots = Slots(self._clock, self.config.every_ms, self.config.phase_ms)
        await self._poll(self._clock.unix_ms())
        while True:
            slot_ms = await slots.next()
            if self._attendance.wants(slot_ms):
                await self._poll(slot_ms)

    async def _follow_events(self) -> None:
        slots = Slots(self._clock, self.config.events_every_ms)
        while True:
            await slots.next()
            if self._is_fit and not self._attendance.is_lost:
                try:
                    await self._take_events()
                except NoAnswerError as error:
                    _LOG.debug("%s: events: %s", self.config.name, error)

    async def _follow_service(self) -> None:
        """Look at health, clock, schedule and log now and then."""
        slots = Slots(self._clock, _SERVICE_EVERY_MS)
        while True:
            await slots.next()
            if self._is_fit and not self._attendance.is_lost:
                try:
                    await self._look_at_health()
                    if self.schedule is not None:
                        await self.schedule.look()
                    await self._node_log.look()
                except NoAnswerError as error:
                    _LOG.debug("%s: service: %s", self.config.name, error)

    async def _poll(self, slot_ms: int) -> None:
        """Read the slots, after an introduction if one is due, and keep the attendance."""
        if self._attendance.is_lost:
            self._epoch = None
        try:
            if self._epoch is None or not self._is_fit:
                await self._introduce()
            if self._is_fit:
                await self._read_slots()
        except NoAnswerError as error:
            self._missed(error, slot_ms)
        else:
            if self._is_fit:
                self.problem = None
            is_back = self._attendance.answered() is Change.BACK
            if self._complaints.is_over() or is_back:
                _LOG.info("%s answers again", self.config.name)
            if is_back:
                self._tell("device-back")

    def _missed(self, error: NoAnswerError, slot_ms: int) -> None:
        self._latest.bad(self._names, error.quality)
        if error.fault is Fault.PORT_DOWN:
            return
        self.problem = f"{self.config.name}: {error.advice()}"
        if self._complaints.is_news(error.fault, self._clock.monotonic_ms()):
            _LOG.warning("%s", self.problem)
        if self._attendance.failed(slot_ms) is Change.LOST:
            _LOG.warning("%s; asking more seldom until it answers", self.problem)
            self._tell("device-lost")

    async def _introduce(self) -> None:
        """Read who the node is, and set its clock if it is ours. Raises NoAnswerError."""
        async with self._introducing:
            identity = (await self._read(node_map.IDENTITY, node_map.IDENTITY_REGISTERS)).registers
            epoch = u32(identity, node_map.IDENTITY_NODE_EPOCH)
            if epoch != self._epoch:
                self._book.forget()
                self._epoch = epoch
                self.health = None
                self._node_offset_ms = None
                self._node_log.soon()
            refusal = refusal_of(identity, self.config.name, self._digest)
            self._is_fit = refusal is None
            if refusal is None:
                await self._link.learn_counters(Urgency.SERVICE)
                if self._link.lacks_key:
                    _LOG.warning(
                        "%s has no key of its own, or has lost it, though pole.toml names one: its writes are not "
                        "guarded, or refused; give it its key again with gatepost flash",
                        self.config.name,
                    )
                await self._look_at_health()
            elif self.problem != refusal:
                self.problem = refusal
                _LOG.error("%s", refusal)
                self._latest.bad(self._names, quality.FAULT)
                self._tell("wrong-table")

    async def _look_at_health(self) -> None:
        """Read the health; set the clock where it is wrong; notice a restart."""
        answer = await self._read(node_map.HEALTH, node_map.HEALTH_REGISTERS)
        health = read_health(answer.registers)
        if self.health is not None and health.uptime_s < self.health.uptime_s:
            self._epoch = None
        self.health = health
        looked_ms = answer.monotonic_ms - answer.transmission_ms
        self._node_offset_ms = None if health.clock_ms is None else health.clock_ms - looked_ms
        if not self._clock.is_trusted:
            return
        if self._node_clock.wants_setting(health.clock_ms, unix_at(self._clock, looked_ms)):
            write = Write(self.config.unit, node_map.TIME, TIME_REGISTERS, time_registers)
            await self._link.write(write, Urgency.SERVICE)
            self._node_offset_ms = unix_at(self._clock, 0)

    async def _read_slots(self) -> None:
        """Read all slots and hand on the new samples, grouped by device. Raises NoAnswerError when no read succeeded.

        A node that gives no sound at all is not asked for the rest.
        """
        answers: list[tuple[int, Answer]] = []
        missed: NoAnswerError | None = None
        for address, count in self._book.reads():
            try:
                answer = await self._read(address, count, Urgency.POLL)
            except NoAnswerError as error:
                missed = error
                self._book.no_value(address, count, error.quality)
                if not answers and error.fault in (Fault.SILENT, Fault.PORT_DOWN):
                    break
            else:
                answers.append((address, answer))
        # Stamped and handed on without a pause between: the clock may have been set while the rest was read.
        samples: list[Reading] = []
        for address, answer in answers:
            offset_ms, is_trusted = unix_at(self._clock, 0), self._clock.is_trusted
            samples += self._book.take(address, answer.registers, answer.monotonic_ms, offset_ms, is_trusted)
        for device, group in groupby(samples, key=lambda sample: sample.point.partition("/")[0]):
            self._sink.polled(device, list(group))
        if missed is not None and not answers:
            raise missed

    async def _take_events(self) -> None:
        """Take the events that the node keeps, and acknowledge those that are safe here. Raises NoAnswerError."""
        head = read_head((await self._read(node_map.EVENTS, _HEAD_REGISTERS, Urgency.EVENTS)).registers)
        if head.oldest == 0 or not 0 < head.count_in_window <= node_map.EVENT_COUNT:
            return
        epoch = await self._read_epoch()
        if epoch != self._epoch:
            # It has started again: its clock must be set first, then its events have times.
            await self._introduce()
            return
        # Head and events in one answer: which epoch they are of may have changed since.
        count = _HEAD_REGISTERS + head.count_in_window * node_map.EVENT_REGISTERS
        answer = await self._read(node_map.EVENTS, count, Urgency.EVENTS)
        if await self._read_epoch() != epoch:
            return
        head = read_head(answer.registers)
        events = read_events(answer.registers[_HEAD_REGISTERS:])[: head.count_in_window]
        epoch -= head.epochs_ago
        stored = await self._store(events, epoch, answer.monotonic_ms)
        if stored:
            await self._acknowledge(epoch, stored)
            if any(event.code == event_codes.EVENTS_LOST and event.sequence <= stored for event in events):
                # The ring has room again: nothing more is being lost.
                code = event_names.NAMES[event_codes.EVENTS_LOST]
                self._sink.noticed(Event(self.config.name, "alarm", code, self._clock.unix_ms(), state=False))

    async def _store(self, events: Sequence[NodeEvent], epoch: int, answered_ms: int) -> int:
        """Hand the events on one by one; return the sequence of the last that is safe, 0 for none.

        One that is not safe stays in the node, and so do those after it, but each is taken on already.
        """
        safe, is_safe = 0, True
        for event in events:
            timed = replace(event, unix_ms=self._time_of(event, answered_ms))
            now_ms = unix_at(self._clock, answered_ms)
            record = as_record(timed, self.config.name, epoch, self._names, self.lamp_name, now_ms)
            try:
                stored = await self._sink.happened(record)
                if stored.is_new and event.code == event_codes.NODE_STARTED:
                    forgotten = told_anew(self.config.name, self._names, self.lamp_name)
                    await self._sink.forgotten(forgotten, record.time_ms)
            except GatepostError as error:
                _LOG.warning("%s: an event stays in the node: %s", self.config.name, error)
                break
            is_safe &= stored.is_safe
            safe = event.sequence if is_safe else safe
        return safe

    def _time_of(self, event: NodeEvent, answered_ms: int) -> int | None:
        """An event's own time, told anew by our clock where the node goes by another; None when that is not known."""
        if event.unix_ms is None or self._node_offset_ms is None:
            return None
        if self._clock.is_trusted and abs(self._node_offset_ms - unix_at(self._clock, 0)) <= _SAME_TIME_MS:
            return event.unix_ms
        time_ms = unix_at(self._clock, min(event.unix_ms - self._node_offset_ms, answered_ms))
        return time_ms if time_ms >= 0 else None

    async def _acknowledge(self, epoch: int, sequence: int) -> None:
        registers = [epoch >> 16, epoch & 0xFFFF, sequence >> 16, sequence & 0xFFFF]
        address = node_map.EVENT_ACKNOWLEDGEMENT
        write = Write(self.config.unit, address, _ACKNOWLEDGE_REGISTERS, lambda _end_ms: registers)
        await self._link.write(write, Urgency.EVENTS)

    async def _read_epoch(self) -> int:
        return u32((await self._read(node_map.IDENTITY_NODE_EPOCH, 2, Urgency.EVENTS)).registers, 0)

    async def _read(self, address: int, count: int, urgency: Urgency = Urgency.SERVICE) -> Answer:
        lost = self._attendance.is_lost
        read = Read(self.config.unit, modbus.READ_HOLDING_REGISTERS, address, count)
        return await self._link.read(read, Urgency.SLOW if lost else urgency, tries=1 if lost else None)

    def _tell(self, code: str) -> None:
        self._sink.noticed(Event(self.config.name, "event", code, self._clock.unix_ms()))

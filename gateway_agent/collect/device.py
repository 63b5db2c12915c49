"""Polling a device that hangs on a bus of the gateway, by its profile."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

from gateway_agent.clock import Clock, unix_at
from gateway_agent.collect.attendance import Attendance, Change
from gateway_agent.collect.complaints import Complaints
from gateway_agent.collect.latest import LatestValues
from gateway_agent.collect.owner import BusOwner, Urgency
from gateway_agent.collect.request import Answer, Fault, NoAnswerError, Read
from gateway_agent.collect.sink import Sink
from gateway_agent.collect.slots import Slots, stamp
from gateway_agent.collect.unit import Pace, Timing, UnitLink
from gateway_agent.config import BusDeviceConfig, Device, line_of
from gateway_agent.profiles import Request
from gateway_agent.profiles.decode import asks_again, decode
from gateway_agent.profiles.model import TimingSection
from gateway_agent.records import Event, Reading
from protocols import quality

_LOG = logging.getLogger(__name__)


class DevicePoller:
    """Polls one device at its slots and hands on good samples; `problem` is why it gives none, in words, or None."""

    def __init__(self, device: Device, owner: BusOwner, clock: Clock, latest: LatestValues, sink: Sink) -> None:
        config = device.config
        timing = device.profile.profile.device.timing
        if not isinstance(config, BusDeviceConfig) or config.unit is None or timing is None:
            raise ValueError(f"{device.name} is no device on a bus of the gateway")
        self.name = device.name
        self.problem: str | None = None
        self._device = device
        self._timing: TimingSection = timing
        self._clock = clock
        self._latest = latest
        self._sink = sink
        self._slots = Slots(clock, config.every_ms, config.phase_ms)
        self._attendance = Attendance(config.every_ms)
        self._complaints = Complaints()
        self._warm_from_ms: int | None = None
        self._requests: Mapping[int, Sequence[Request]] = _by_offset(device.profile.requests())
        pace = Pace()
        self._links = {
            offset: UnitLink(
                owner,
                config.unit + offset,
                line_of(config, device.profile, owner.bus.line),
                Timing(timing.reply_timeout_ms, timing.gap_ms, timing.retries),
                {request.count for request in requests},
                pace,
            )
            for offset, requests in self._requests.items()
        }
        for point in device.profile.points:
            latest.announce(device.point_name(point), point.exponent, point.unit)

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            slot_ms = await self._slots.next()
            if self._attendance.wants(slot_ms):
                await self._poll(slot_ms)

    async def _poll(self, slot_ms: int) -> None:
        """Ask for everything; a unit that has given nothing that counts is not asked for the rest, whatever it gave."""
        answers: list[tuple[Request, Answer]] = []
        errors: list[NoAnswerError] = []
        answered = False
        for offset, requests in self._requests.items():
            unit_is_there = False
            for index, request in enumerate(requests):
                try:
                    answer = await self._ask(offset, request)
                except NoAnswerError as error:
                    errors.append(error)
                    self._complain(error)
                    unit_is_there |= error.fault is Fault.EXCEPTION
                    self._no_value([request] if unit_is_there else requests[index:], error)
                    if not unit_is_there:
                        break
                else:
                    unit_is_there = answered = True
                    answers.append((request, answer))
        # Stamped and handed on without a pause between: the clock may have been set while others were asked.
        samples = [sample for request, answer in answers for sample in self._decoded(request, answer, slot_ms)]
        self._note(answered, errors, slot_ms)
        self._sink.polled(self._device.name, samples)

    async def _ask(self, offset: int, request: Request) -> Answer:
        """Read one request, again while the device wants a zero to be asked for again."""
        lost = self._attendance.is_lost
        read = Read(self._links[offset].unit, request.function, request.address, request.count)
        urgency = Urgency.SLOW if self._attendance.is_in_doubt else Urgency.POLL
        tries = 1 if lost else None
        prefixes = _prefixes(request)
        answer = await self._links[offset].read(
            read, urgency, tries=tries, prefixes=prefixes, on_miss=self._complain_of_the_line
        )
        for _ in range(self._timing.zero_tries):
            if not any(asks_again(point, answer.registers, request.address) for point in request.points):
                break
            await asyncio.sleep(self._timing.zero_wait_ms / 1000)
            answer = await self._links[offset].read(read, urgency, prefixes=prefixes)
        return answer

    def _decoded(self, request: Request, answer: Answer, slot_ms: int) -> list[Reading]:
        samples = []
        is_warm = self._is_warm(answer.monotonic_ms)
        time_ms = unix_at(self._clock, answer.monotonic_ms)
        if self._clock.is_trusted:
            time_ms = stamp(time_ms, slot_ms, self._slots.period_ms)
        for point in request.points:
            name = self._device.point_name(point)
            value, number = decode(point, answer.registers, request.address)
            if value is None:
                self._latest.bad([name], number)
            elif not is_warm:
                self._latest.bad([name], quality.WARMING_UP)
            else:
                self._latest.good(name, value, answer.monotonic_ms)
                samples.append(Reading(name, time_ms, value, point.exponent))
        return samples

    def _is_warm(self, now_ms: int) -> bool:
        """Whether the sensor has had power for its warm-up time, counted from when it was first heard."""
        if self._warm_from_ms is None:
            self._warm_from_ms = now_ms + self._timing.warm_up_s * 1000
        return now_ms >= self._warm_from_ms

    def _no_value(self, requests: Sequence[Request], error: NoAnswerError) -> None:
        for request in requests:
            self._latest.bad((self._device.point_name(point) for point in request.points), error.quality)

    def _complain(self, error: NoAnswerError) -> None:
        """Say at once what is wrong, and log it once per change. A port that is down is told by its bus."""
        if error.fault is Fault.PORT_DOWN:
            return
        self.problem = f"{self._device.name}: {error.advice()}"
        if self._complaints.is_news(error.fault, self._clock.monotonic_ms()):
            _LOG.warning("%s", self.problem)

    def _complain_of_the_line(self, error: NoAnswerError) -> None:
        """A line without silence is told at the first try: it was waited for, and the next tries wait as long."""
        if error.fault is Fault.BUSY_LINE:
            self._complain(error)

    def _note(self, answered: bool, errors: Sequence[NoAnswerError], slot_ms: int) -> None:
        """Keep the attendance and tell when the device is lost or back. A port that is down is not its fault."""
        if all(error.fault is Fault.PORT_DOWN for error in errors):
            self.problem = None
            if not answered:
                return
        change = self._attendance.answered() if answered else self._attendance.failed(slot_ms)
        if change is Change.LOST:
            _LOG.warning("%s; asking more seldom until it answers", self.problem)
            self._warm_from_ms = None
            self._tell("device-lost")
        elif change is Change.BACK:
            self._tell("device-back")
        if (not errors and self._complaints.is_over()) or change is Change.BACK:
            _LOG.info("%s answers again", self._device.name)

    def _tell(self, code: str) -> None:
        self._sink.noticed(Event(self._device.name, "event", code, self._clock.unix_ms()))


def _by_offset(requests: Sequence[Request]) -> Mapping[int, Sequence[Request]]:
    grouped: defaultdict[int, list[Request]] = defaultdict(list)
    for request in requests:
        grouped[request.unit_offset].append(request)
    return grouped


def _prefixes(request: Request) -> list[int]:
    """Counts of registers from the beginning of a request at which a value ends and no other is cut in two."""
    spans = [(point.register.first, point.register.last) for point in request.points if point.register is not None]
    ends = sorted({last + 1 for _, last in spans})
    whole = [end for end in ends if not any(first < end <= last for first, last in spans)]
    return [end - request.address for end in whole if end - request.address < request.count]

"""Simulated Modbus devices, made from their profile and options alone.

A device holds an image of its registers and answers FC 03, 04, 06 and 16 under all unit ids of its product, with the
exceptions of the standard. New values wait until the device is quiet: it never changes its image between a read
request and 500 ms after the end of its answer, as a product that finishes answering before it measures again. What the
image holds, and from which millisecond, goes to the truth.

To try it: `SimulatedDevice(load_profile("eastron-sdm120"), 1, "mains", clock=clock).connect(bus)`, `set`, `refresh`.
Where it hurts: polled without ever a pause of half a second, a device measures only every three seconds, and then
150 ms after an answer; a lamp's read-back does so where the profile's `settle_ms` leaves no more time.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from gateway_agent.clock import Clock
from gateway_agent.profiles.model import Profile
from gateway_agent.profiles.resolve import resolve
from hardware.rig import modbus_side as modbus
from hardware.rig.bus import Bus, Drop
from hardware.rig.device_settings import DeviceSettings
from hardware.rig.lamp_output import LampOutput
from hardware.rig.register_image import RegisterImage
from hardware.rig.truth import Truth
from hardware.rig.wrong_answers import WrongAnswers
from protocols import quality

QUIET_AFTER_ANSWER_S = 0.5
_HURRIED_QUIET_S = 0.15
_PATIENCE_S = 3.0
_GAP_SLACK_S = 0.001
_USUAL_DELAY_MS = 10.0


class SimulatedDevice:
    """One product on a bus: `unit` is its first unit id, `name` the device's name on the pole.

    `reply_delay_ms` is what it takes from the end of a request's silence to its answer. `wrong` spoils answers,
    `drop.faults` the line. `counts` counts "answered", "exceptions", "damaged" frames, "hurried" requests that came
    before the profile's gap was over, "put-off" refreshes. `powered = False` makes it mute.
    """

    def __init__(
        self,
        profile: Profile,
        unit: int,
        name: str,
        options: Mapping[str, object] | None = None,
        *,
        clock: Clock,
        truth: Truth | None = None,
    ) -> None:
        self.resolved = resolve(profile, options)
        self.unit = unit
        self.name = name
        self.clock = clock
        self.truth = truth
        self.points = {point.name: point for point in self.resolved.points if point.register is not None}
        self.units = 1 + max(
            (point.register.unit_offset for point in self.points.values() if point.register), default=0
        )
        self.image = RegisterImage(self.points.values(), profile.device.requests.max_gap)
        self.settings = DeviceSettings(profile, self.image, unit)
        lamp = self.resolved.lamp
        self.lamp = None if lamp is None else LampOutput(lamp, self.image)
        self.timing = profile.device.timing
        self.reply_delay_ms = min(_USUAL_DELAY_MS, self.timing.reply_timeout_ms / 4) if self.timing else _USUAL_DELAY_MS
        self.wrong: WrongAnswers | None = None
        self.powered = True
        self.counts: Counter[str] = Counter()
        self.on_action: Callable[[str], None] = lambda name: None
        self.drop: Drop | None = None
        self._loop = asyncio.get_running_loop()
        self._values: dict[str, int | None] = {}
        self._sharing = {point: self.image.sharing_registers(point) for point in self.points}
        self._staged: dict[str, int | None] = {}
        self._qualities: dict[str, int] = {}
        self._staged_qualities: dict[str, int] = {}
        self._staged_codes: dict[str, tuple[int | None, int | None]] = {}
        self._refresh: asyncio.TimerHandle | None = None
        self._noted_ms = 0
        self._answered_s = -1e9
        self._read_s = -1e9
        if self.lamp is not None:
            self.image.put(self.lamp.driver.read_back, self.lamp.raw)
        self._note(self.points)

    def connect(self, bus: Bus) -> Drop:
        """Attach to a bus, with the bus's own line settings where the product has them, else as from the factory."""
        serial = self.resolved.profile.device.serial
        line = bus.settings
        if serial is None or not serial.misfits(line.baud, line.parity, line.stop_bits):
            self.drop = bus.attach(self.name, frame=self._heard)
        else:
            self.drop = bus.attach(
                self.name, baud=serial.baud, parity=serial.parity, stop_bits=serial.stop_bits, frame=self._heard
            )
        return self.drop

    def disconnect(self) -> None:
        """Leave the bus."""
        if self.drop is not None:
            self.drop.detach()
            self.drop = None

    def set(self, point: str, value: int) -> None:
        """Let the point have this value (with its exponent) from the next refresh on; KeyError for an unknown point."""
        self._stage(point, value)

    def set_invalid(self, point: str) -> None:
        """Let the point have no value from the next refresh on: its sentinel or NaN."""
        self._stage(point, None)

    def set_quality(self, point: str, wanted: int) -> None:
        """Let the status register of the point mean this quality from the next refresh on."""
        sharing = self.image.sharing_status(point)
        if not sharing:
            raise ValueError(f"point {point} has no status register")
        for other in sharing:
            self._staged_qualities[other] = wanted

    def set_codes(self, point: str, decimals: int | None = None, unit_code: int | None = None) -> None:
        """Let the device count the point by other codes of its decimals or unit register from the next refresh on."""
        self._staged_codes[point] = (decimals, unit_code)
        self._staged.setdefault(point, self._values[point])

    def value(self, point: str) -> int | None:
        """What the registers hold now as a valid value of the point, or None; KeyError for an unknown point."""
        return self._values[point] if self._qualities.get(point, quality.GOOD) == quality.GOOD else None

    def refresh(self, planned_ms: int | None = None) -> None:
        """Take over what was set, now or as soon as the device is quiet.

        `planned_ms` is the moment that this was planned for: the truth takes it instead of the few milliseconds later
        at which a busy computer comes to it, unless the device has answered in between.
        """
        if self._refresh is None:
            self._take_over(self._loop.time() + _PATIENCE_S, planned_ms)

    def restart(self, warm_up_s: float | None = None) -> None:
        """Switch the power off and on: points with a status warm up for the profile's time, or for `warm_up_s`."""
        self.powered = True
        seconds = (self.timing.warm_up_s if self.timing else 0) if warm_up_s is None else warm_up_s
        points = [point for point in self.points if self.image.sharing_status(point)]
        for point in points:
            self.set_quality(point, quality.WARMING_UP)
        self.refresh()
        for point in points:
            self._loop.call_later(seconds, self._warm, point)

    def _warm(self, point: str) -> None:
        self.set_quality(point, quality.GOOD)
        self.refresh()

    def _stage(self, point: str, value: int | None) -> None:
        if point not in self.points:
            raise KeyError(f"{self.name} has no register point {point}")
        self._staged[point] = value

    def _free_s(self, deadline_s: float) -> float:
        """Until when a change must wait: half a second after the last read answer, less where the deadline is near."""
        free_s = self._read_s + QUIET_AFTER_ANSWER_S
        return free_s if free_s <= deadline_s else max(deadline_s, self._read_s + _HURRIED_QUIET_S)

    def _take_over(self, deadline_s: float, planned_ms: int | None = None) -> None:
        free_s = self._free_s(deadline_s)
        if self._loop.time() < free_s:
            self.counts["put-off"] += 1
            self._refresh = self._loop.call_at(free_s, self._take_over, deadline_s)
            return
        self._refresh = None
        changed = dict.fromkeys(self._staged_qualities)
        for point, wanted in self._staged_qualities.items():
            self.image.put_quality(point, wanted)
            self._qualities[point] = wanted
        for point, (decimals, unit_code) in self._staged_codes.items():
            self.image.put_codes(point, decimals, unit_code)
        for point, value in self._staged.items():
            sharing = self._sharing[point]
            if self._values[point] == value and len(sharing) == 1 and point not in self._staged_codes:
                continue
            if value is None:
                self.image.put_invalid(point)
            else:
                self.image.put(point, value)
            changed.update(dict.fromkeys(sharing))
        self._staged.clear()
        self._staged_qualities.clear()
        self._staged_codes.clear()
        self._note(changed, planned_ms)

    def _fade_ends(self, lamp: LampOutput, raw: int, deadline_s: float) -> None:
        lamp.arrive(raw)
        self._read_back(lamp, deadline_s)

    def _read_back(self, lamp: LampOutput, deadline_s: float) -> None:
        free_s = self._free_s(deadline_s)
        if self._loop.time() < free_s:
            self._loop.call_at(free_s, self._read_back, lamp, deadline_s)
            return
        self.image.put(lamp.driver.read_back, lamp.raw)
        self._note(self._sharing[lamp.driver.read_back])

    def _note(self, changed: Iterable[str], planned_ms: int | None = None) -> None:
        """Remember what the registers of the changed points hold from now on, or from the planned moment."""
        at_ms = self.clock.unix_ms()
        if planned_ms is not None:
            late_s = (at_ms - planned_ms) / 1000
            nobody_asked = self._read_s < self._loop.time() - late_s
            if nobody_asked and self._noted_ms <= planned_ms:
                at_ms = planned_ms
        self._noted_ms = at_ms
        for point in changed:
            self._values[point] = self.image.get(point)
            self._tell(point, at_ms)

    def _tell(self, point: str, at_ms: int) -> None:
        if self.truth is None:
            return
        held = self.value(point)
        if held is None:
            self.truth.release(f"{self.name}/{point}", at_ms)
        else:
            self.truth.hold(f"{self.name}/{point}", at_ms, held, self.points[point].exponent)

    def _heard(self, frame: bytes) -> None:
        drop = self.drop
        if not self.powered or drop is None or not frame:
            return
        offset = frame[0] - self.unit
        if frame[0] != modbus.BROADCAST and not 0 <= offset < self.units:
            return
        taken = modbus.unpack(frame)
        if taken is None or not taken[1]:
            self.counts["damaged"] += 1
            return
        settings = drop.settings
        began_s = self._loop.time() - settings.quiet_s - len(frame) * settings.byte_s
        if self.timing is not None and began_s - self._answered_s < self.timing.gap_ms / 1000 - _GAP_SLACK_S:
            self.counts["hurried"] += 1
            return
        unit, pdu = taken
        answer = self._answer(0 if unit == modbus.BROADCAST else offset, pdu)
        if unit == modbus.BROADCAST:
            return
        self.counts["exceptions" if answer[0] & 0x80 else "answered"] += 1
        if self.wrong is not None:
            unit, answer = self.wrong.spoil(unit, answer)
        self._answered_s = drop.send(modbus.pack(unit, answer), self.reply_delay_ms / 1000)
        if pdu[0] in (modbus.READ_HOLDING, modbus.READ_INPUT):
            self._read_s = self._answered_s

    def _answer(self, offset: int, pdu: bytes) -> bytes:
        function = pdu[0]
        for name, action in self.resolved.profile.actions.items():
            if pdu == action.request():
                self.on_action(name)
                return pdu
        if function in (modbus.READ_HOLDING, modbus.READ_INPUT):
            return self._read(offset, pdu)
        if function in (modbus.WRITE_ONE, modbus.WRITE_MANY):
            return self._write(offset, pdu)
        return modbus.exception(function, modbus.ILLEGAL_FUNCTION)

    def _read(self, offset: int, pdu: bytes) -> bytes:
        span = modbus.read_span(pdu, self.resolved.profile.device.requests.max_registers)
        if span is None:
            return modbus.exception(pdu[0], modbus.ILLEGAL_VALUE)
        data = self.image.read(offset, pdu[0], *span)
        if data is None:
            return modbus.exception(pdu[0], modbus.ILLEGAL_ADDRESS)
        return bytes([pdu[0], len(data)]) + data

    def _write(self, offset: int, pdu: bytes) -> bytes:
        write = modbus.write_of(pdu)
        if write is None:
            return modbus.exception(pdu[0], modbus.ILLEGAL_VALUE)
        addresses = range(write.address, write.address + len(write.values))
        lamp = self.lamp
        takes_lamp = lamp is not None and lamp.takes(offset, write.address) and len(write.values) == 1
        if not takes_lamp and not all(self.settings.takes(offset, address) for address in addresses):
            return modbus.exception(pdu[0], modbus.ILLEGAL_ADDRESS)
        if lamp is not None and takes_lamp:
            if not lamp.write(write.values[0]):
                return modbus.exception(pdu[0], modbus.ILLEGAL_VALUE)
            deadline_s = self._loop.time() + lamp.settle_s
            self._loop.call_later(lamp.fade_s, self._fade_ends, lamp, write.values[0], deadline_s)
        else:
            self.settings.write(offset, write.address, write.values)
            self._loop.call_later(QUIET_AFTER_ANSWER_S, self._take_settings)
        return modbus.write_answer(write)

    def _take_settings(self) -> None:
        unit, baud = self.settings.unit_id, self.settings.baud
        if unit is not None:
            self.unit = unit
        if baud is not None and self.drop is not None:
            self.drop.configure(baud, self.drop.settings.parity, self.drop.settings.stop_bits)

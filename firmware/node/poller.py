"""The owner of the sensor bus: polls every unit of the node table at its time and fills the slots.

Each poll begins at a multiple of the device's period in Unix time, once the clock is set. A request that fails is
repeated as often as the device allows, but not before a late answer can no longer come; meanwhile other units are
asked. A unit that stays silent goes on the slow list and is asked ever more seldom. The lamp goes first.
"""

import array
import asyncio

from micropython import const

from node import client, clock, events, inputs, slots, supervisor, units
from protocols import event_codes, node_table, quality
from protocols import node_table_layout as layout

_LONGEST_SLEEP_MS = const(1000)
_BUS_TAKEN_MS = const(5)
_EARLIER_MS = const(3)
_LONGEST_USUAL_MS = const(250)


class Poller:
    """Counts `good` and `failed` requests. `own_points` samples what the node measures itself, pins apart."""

    def __init__(
        self,
        table: bytes,
        bus: client.Client,
        node_slots: slots.Slots,
        node_inputs: inputs.Inputs,
        node_events: events.Events,
        node_clock: clock.Clock,
    ) -> None:
        self.good = 0
        self.failed = 0
        self.own_points = None
        self.units = units.Units(table)
        self._table = table
        self._bus = bus
        self._slots = node_slots
        self._inputs = node_inputs
        self._events = node_events
        self._clock = node_clock
        self._aligned = 0
        count = self.units.count
        self._cursors = bytearray(count)
        self._attempts = bytearray(count)
        self._zero_tries = bytearray(count)
        self._answered = bytearray(count)
        self._usual_ms = bytearray(node_table.request_count(table))
        self._powered_s = array.array("I", [0] * count)
        self._stuck = None
        for slot in range(node_slots.count):
            if self._stuck is None and node_table.slot_stuck_min(table, slot):
                from node import stuck

                self._stuck = stuck.Stuck(table, node_slots, node_clock)

    async def run(self, seat: supervisor.Seat) -> None:
        """Poll for ever."""
        bus = self._bus
        while True:
            seat.check_in()
            self._clock.update()
            if self._aligned != self._clock.settings:
                self._aligned = self._clock.settings
                self.units.align(self._clock)
            unit = self.units.next_due()
            if unit < 0:
                await asyncio.sleep_ms(self.units.pause_ms(_LONGEST_SLEEP_MS))
            elif self.units.request_counts[unit] == 0:
                self._sample_inputs(unit)
            elif bus.is_busy or bus.is_wanted:
                await asyncio.sleep_ms(_BUS_TAKEN_MS)
            else:
                wait = self._ask(unit)
                while wait > 0:
                    await asyncio.sleep_ms(wait)
                    seat.check_in()
                    wait = bus.step()
                self._take_result(unit)

    def _sample_inputs(self, unit: int) -> None:
        device = self.units.devices[unit]
        first = node_table.device_first_slot(self._table, device)
        for slot in range(first, first + node_table.device_slot_count(self._table, device)):
            if node_table.slot_type(self._table, slot) != layout.PIN:
                self.own_points.sample(slot)  # type: ignore[attr-defined]
                continue
            state = self._inputs.state(slot)
            if state == inputs.UNKNOWN:
                self._slots.fail(slot, 1, quality.FAULT)
            else:
                self._slots.sample(slot, state)
        self.units.advance(unit)

    def _request(self, unit: int) -> int:
        return self.units.first_requests[unit] + self._cursors[unit]

    def _ask(self, unit: int) -> int:
        table = self._table
        request = self._request(unit)
        device = self.units.devices[unit]
        return self._bus.begin_read(
            node_table.request_unit(table, request),
            node_table.request_function(table, request),
            node_table.request_address(table, request),
            node_table.request_registers(table, request),
            node_table.device_reply_timeout_ms(table, device),
            node_table.device_gap_ms(table, device),
            self._usual_ms[request],
        )

    def _take_result(self, unit: int) -> None:
        self._clock.update()
        if self._bus.result == quality.GOOD:
            self._take_answer(unit)
        elif self._bus.exception:
            self._take_exception(unit)
        else:
            self._take_failure(unit)

    def _take_answer(self, unit: int) -> None:
        request = self._request(unit)
        self.good += 1
        self._usual_ms[request] = min(max(self._bus.took_ms - _EARLIER_MS, 0), _LONGEST_USUAL_MS)
        self._note_answer(unit)
        if self._decode(unit, request):
            self._zero_tries[unit] += 1
            self.units.hold_for(unit, node_table.device_zero_wait_ms(self._table, self.units.devices[unit]))
            return
        first = node_table.request_first_slot(self._table, request)
        count = node_table.request_slot_count(self._table, request)
        if self._stuck is not None:
            self._stuck.judge(first, count)
        self._slots.commit(first, count)
        self._next_request(unit)

    def _decode(self, unit: int, request: int) -> bool:
        """Decode all points of the answer; True if it is to be asked for again because of a zero."""
        table = self._table
        device = self.units.devices[unit]
        node_slots = self._slots
        is_warm = self._clock.seconds - self._powered_s[unit] >= node_table.device_warm_up_s(table, device)
        again = False
        first = node_table.request_first_slot(table, request)
        for slot in range(first, first + node_table.request_slot_count(table, request)):
            if self._bus.decode(table, slot, node_slots.staged_values, node_slots.staged_qualities):
                again = True
            if not is_warm and node_slots.staged_qualities[slot] == quality.GOOD:
                node_slots.staged_values[slot] = 0
                node_slots.staged_qualities[slot] = quality.WARMING_UP
        return again and self._zero_tries[unit] < node_table.device_zero_tries(table, device)

    def _take_exception(self, unit: int) -> None:
        self.failed += 1
        self._note_answer(unit)
        self._fail_request(self._request(unit), quality.BAD_ANSWER)
        self._next_request(unit)

    def _take_failure(self, unit: int) -> None:
        self.failed += 1
        device = self.units.devices[unit]
        self._attempts[unit] += 1
        timeout_ms = node_table.device_reply_timeout_ms(self._table, device)
        self.units.hold_for(unit, timeout_ms + client.LATE_MS)
        if not self.units.lost[unit] and self._attempts[unit] <= node_table.device_retries(self._table, device):
            return
        result = self._bus.result
        if result == quality.BAD_ANSWER:
            self._fail_request(self._request(unit), result)
            self._next_request(unit)
            return
        while True:
            self._fail_request(self._request(unit), result)
            if self._next_request(unit):
                return

    def _fail_request(self, request: int, result: int) -> None:
        self._slots.fail(
            node_table.request_first_slot(self._table, request),
            node_table.request_slot_count(self._table, request),
            result,
        )

    def _note_answer(self, unit: int) -> None:
        self._answered[unit] = 1
        if self.units.note_answer(unit):
            self._powered_s[unit] = self._clock.seconds
            self._events.add(event_codes.DEVICE_BACK, self._first_slot(unit))

    def _next_request(self, unit: int) -> bool:
        """Go on to the unit's next request; at the last one end the poll and return True."""
        self._attempts[unit] = 0
        self._zero_tries[unit] = 0
        self._cursors[unit] += 1
        if self._cursors[unit] < self.units.request_counts[unit]:
            return False
        self._cursors[unit] = 0
        self.units.advance(unit)
        if not self._answered[unit] and self.units.note_silence(unit):
            self._events.add(event_codes.DEVICE_LOST, self._first_slot(unit))
        self._answered[unit] = 0
        return True

    def _first_slot(self, unit: int) -> int:
        return node_table.request_first_slot(self._table, self.units.first_requests[unit])

"""A manhole: where its cover is, and the alarms of level and gas, latched until they are acknowledged.

`tick` is called once a second with the seconds since the start. A rule raises its alarm when its point has been beyond
the limit for the rule's hold, and clears it when the point is back beyond the other limit; between the two, and while
the point has no good value (warming up is not zero), it stays as it is. A point without a value for too long is an
alarm of its own; one may warm up for half an hour, a gas module that does so for ever measures nothing. A cover that
lies about at the angle of turning over would tell so for ever: it is not turned over any more when it is five degrees
back. Pure logic: it reads slots, adds events, and allocates nothing while nothing changes.
"""

import array

from protocols import event_codes, manhole_codes, quality
from protocols import node_table_layout as layout
from protocols.node_table_layout import u16

_NOT_YET = -1
_RULES_AT = layout.MANHOLE_BYTES
_UPRIGHT = 900
_OVER_BACK = 50
_LONGEST_WARM_UP_S = 1800
_KEPT_BYTES = 6


class Manhole:
    """The manhole of `table`. `cover` is a `cover_angle.CoverAngle`, None where a contact or nothing watches the cover.

    `latched` are the alarms that stand or were not acknowledged, `standing` those whose cause is there, bit by bit;
    `state` is the cover's, `changes` counts how often what `keep` gives has changed. `kept`, what `keep` gave before a
    restart, holds what was latched and what stood: an alarm that had gone is told anew when it comes again, one that
    stands is not told twice.
    """

    def __init__(self, table: bytes, node_slots, node_events, cover, kept: "bytes | None" = None) -> None:  # type: ignore[no-untyped-def]
        self.state = manhole_codes.UNKNOWN
        self.latched = 0
        self.acknowledged = 0
        self.standing = 0
        self.changes = 0
        self._table = table
        self._at = u16(table, layout.MANHOLE_AT)
        self._slots = node_slots
        self._events = node_events
        self._cover = cover
        self._rules = table[self._at + layout.MANHOLE_RULES]
        self._warm_since = _NOT_YET
        self._since = array.array("i", [_NOT_YET] * manhole_codes.ALARM_COUNT)
        if kept is not None and len(kept) == _KEPT_BYTES:
            self.latched = u16(kept, 0)
            self.acknowledged = u16(kept, 2)
            self.standing = u16(kept, 4)
        self._learned = cover is not None and cover.is_learned

    def keep(self) -> bytes:
        """What has to outlive a restart."""
        parts = (self.latched, self.acknowledged, self.standing)
        return b"".join(part.to_bytes(2, "big") for part in parts)

    def tilt_tenths(self) -> int:
        """The cover's angle in tenths of a degree, from its background, from upright while there is none; 0xFFFF when
        it is not known."""  # fmt: skip
        cover = self._cover
        if cover is None or not cover.is_known:
            return 0xFFFF
        tenths: int = cover.from_background if cover.is_learned else cover.from_upright
        return tenths

    def is_learned(self) -> bool:
        """Whether the cover has a background angle."""
        return self._cover is not None and bool(self._cover.is_learned)

    def learn_again(self) -> bool:
        """Learn the cover's angle at rest again; False if the cover has no accelerometer."""
        if self._cover is None:
            return False
        self._cover.learn_again()
        return True

    def acknowledge(self, mask: int) -> None:
        """Somebody has seen these alarms: those whose cause is gone go, the others go with their cause."""
        seen = mask & self.latched & ~self.acknowledged
        if not seen:
            return
        self.acknowledged |= seen
        self.changes += 1
        self._events.add(event_codes.MANHOLE_ACKNOWLEDGED, event_codes.NO_SLOT, seen)
        self._let_go()

    def tick(self, now_s: int) -> None:
        """Look at the cover, the rules and the sensors."""
        self._look_at_cover(now_s)
        for rule in range(self._rules):
            self._look_at_rule(self._at + _RULES_AT + rule * layout.RULE_BYTES, now_s)
        self._look_at_sensors(now_s)

    def _look_at_cover(self, now_s: int) -> None:
        slot = self._table[self._at + layout.MANHOLE_COVER]
        if slot == layout.NONE:
            return
        cover = self._cover
        if cover is None:
            if self._slots.qualities[slot] == quality.GOOD:
                self._judge_cover(slot, self._slots.values[slot] * _UPRIGHT, now_s)
            return
        if cover.is_learned and not self._learned:
            self._events.add(event_codes.COVER_LEARNED, slot, cover.from_upright)
        self._learned = cover.is_learned
        if not cover.is_known:
            return
        was_over = self.standing >> manhole_codes.COVER_TURNED_OVER & 1
        over_at = self._limit(layout.MANHOLE_OVER_AT)
        if self.tilt_tenths() > (over_at - _OVER_BACK if was_over else over_at):
            self._raise(manhole_codes.COVER_TURNED_OVER, slot, self.tilt_tenths())
            self._raise(manhole_codes.COVER_OPEN, slot, self.tilt_tenths())
            self.state = manhole_codes.TURNED_OVER
            return
        if was_over:
            self._clear(manhole_codes.COVER_TURNED_OVER, slot)
            self.state = manhole_codes.OPEN
        if cover.is_learned:
            self._judge_cover(slot, cover.from_background, now_s)

    def _judge_cover(self, slot: int, tenths: int, now_s: int) -> None:
        alarm = manhole_codes.COVER_OPEN
        if tenths > self._limit(layout.MANHOLE_OPEN_AT):
            if self._has_lasted(alarm, now_s, self._limit(layout.MANHOLE_HOLD_S)):
                self._raise(alarm, slot, tenths)
                self.state = manhole_codes.OPEN
            return
        self._since[alarm] = _NOT_YET
        if tenths < self._limit(layout.MANHOLE_CLOSED_AT):
            self._clear(alarm, slot)
            self.state = manhole_codes.CLOSED
        elif self.state == manhole_codes.UNKNOWN:
            self.state = manhole_codes.OPEN if self.standing >> alarm & 1 else manhole_codes.CLOSED

    def _look_at_rule(self, at: int, now_s: int) -> None:
        table = self._table
        slot = table[at]
        if self._slots.qualities[slot] != quality.GOOD:
            return
        alarm = table[at + 1]
        value = self._slots.values[slot]
        towards_raise = _compare(value, table, at + 4)
        towards_clear = _compare(value, table, at + 8)
        if table[at + 2] & layout.RULE_BELOW:
            towards_raise = -towards_raise
            towards_clear = -towards_clear
        if towards_raise > 0:
            if self._has_lasted(alarm, now_s, u16(table, at + 12)):
                self._raise(alarm, slot, value)
            return
        self._since[alarm] = _NOT_YET
        if towards_clear < 0:
            self._clear(alarm, slot)

    def _look_at_sensors(self, now_s: int) -> None:
        alarm = manhole_codes.SENSOR_FAULT
        slot = self._without_value(now_s)
        if slot == layout.NONE:
            self._since[alarm] = _NOT_YET
            self._clear(alarm, event_codes.NO_SLOT)
        elif self._has_lasted(alarm, now_s, self._limit(layout.MANHOLE_FAULT_S)):
            self._raise(alarm, slot, self._slots.qualities[slot])

    def _without_value(self, now_s: int) -> int:
        """A slot of cover and rules that has no value; NONE if all have one or may still warm up."""
        warming = layout.NONE
        for rule in range(-1, self._rules):
            place = layout.MANHOLE_COVER if rule < 0 else _RULES_AT + rule * layout.RULE_BYTES
            slot = self._table[self._at + place]
            if slot == layout.NONE:
                continue
            now = self._slots.qualities[slot]
            if now == quality.WARMING_UP:
                warming = slot
            elif now != quality.GOOD:
                return int(slot)
        if warming == layout.NONE:
            self._warm_since = _NOT_YET
        elif self._warm_since == _NOT_YET:
            self._warm_since = now_s
        elif now_s - self._warm_since >= _LONGEST_WARM_UP_S:
            return int(warming)
        return layout.NONE

    def _limit(self, offset: int) -> int:
        return u16(self._table, self._at + offset)

    def _has_lasted(self, alarm: int, now_s: int, hold_s: int) -> bool:
        if self._since[alarm] == _NOT_YET:
            self._since[alarm] = now_s
        return now_s - self._since[alarm] >= hold_s

    def _raise(self, alarm: int, slot: int, value: int) -> None:
        bit = 1 << alarm
        if self.standing & bit:
            return
        self.changes += 1
        self.standing |= bit
        self.latched |= bit
        self.acknowledged &= ~bit
        self._events.add(event_codes.MANHOLE_ALARM_FIRST + alarm, slot, value)

    def _clear(self, alarm: int, slot: int) -> None:
        bit = 1 << alarm
        if not self.standing & bit:
            return
        self.changes += 1
        self.standing &= ~bit
        self._events.add(event_codes.MANHOLE_ALARM_CLEARED, slot, alarm)
        self._let_go()

    def _let_go(self) -> None:
        """What was acknowledged and no longer stands is no alarm any more."""
        self.latched &= ~(self.acknowledged & ~self.standing)
        self.acknowledged &= self.latched


def _compare(value: int, table: bytes, bound: int) -> int:
    """The sign of value less the s32 at `table[bound]`, compared in halves so that nothing is allocated."""
    high = u16(table, bound)
    if high & 0x8000:
        high -= 0x10000
    if value >> 16 != high:
        return -1 if value >> 16 < high else 1
    return (value & 0xFFFF) - u16(table, bound + 2)

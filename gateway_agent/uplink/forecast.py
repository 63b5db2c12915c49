"""What a pole will cost on the air, from its configuration alone: bytes a day by kind of message.

A point that is reported on change costs something between its `every_s` and its poll period; both ends are told. What
nobody can know is assumed and said: how much values move, alarms and events a day, how long a NAT leaves the way open.
"""

from dataclasses import dataclass
from math import ceil, log2

from gateway_agent.condense import ReportRule
from gateway_agent.config.bearers import BearerConfig
from gateway_agent.config.schema import PoleConfig
from gateway_agent.reporting import channel_table, report_rules
from gateway_agent.uplink import air_costs as costs
from gateway_agent.uplink.batches import PAYLOAD_BYTES
from gateway_agent.uplink.confirmation import LONGEST
from gateway_agent.uplink.uplink_settings import ANSWERS_WITHIN_S

ALARMS_A_DAY, EVENTS_A_DAY = 10, 10
IDLE_S = 60.0
"""How long a NAT is assumed to leave the mailbox open, until it is measured."""
KEYS_EVERY_DAYS = 30
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class UplinkForecast:
    """Bytes a day at least and at most, by kind; `setup_bytes` come once. `readings` are those a day, at least and at
    most."""

    readings: tuple[int, int]
    telemetry: tuple[int, int]
    answers: tuple[int, int]
    alarms: int
    events: int
    mailbox: int
    security: int
    greeting: int
    setup_bytes: int

    @property
    def total(self) -> tuple[int, int]:
        """All of a day."""
        rest = self.alarms + self.events + self.mailbox + self.security + self.greeting
        return self.telemetry[0] + self.answers[0] + rest, self.telemetry[1] + self.answers[1] + rest


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of a day by how they are reported: with every poll, on change (of `polls` that may give one), and
    figures of windows; `channels` is how many points and figures there are."""

    steady: float = 0.0
    changed: float = 0.0
    polls: float = 0.0
    figures: float = 0.0
    channels: int = 0

    @property
    def total(self) -> float:
        """All of them."""
        return self.steady + self.changed + self.figures

    def __add__(self, other: "Readings") -> "Readings":
        return Readings(
            self.steady + other.steady,
            self.changed + other.changed,
            self.polls + other.polls,
            self.figures + other.figures,
            self.channels + other.channels,
        )


def uplink_forecast(pole: PoleConfig, bearer: BearerConfig | None = None) -> UplinkForecast:
    """The forecast of a checked pole, when all goes over one bearer, the preferred one where none is given."""
    uplink = pole.uplink
    bearer = bearer or uplink.ways[0]
    is_observed = bearer.is_observed(uplink.batch_s)
    rules = report_rules(pole).values()
    span = tuple(sum((_readings_of(rule, most) for rule in rules), Readings()) for most in (False, True))
    batches_s = [max(_DAY_S / uplink.batch_s, one.total / uplink.batch_readings) for one in span]
    if uplink.format == "senml":
        parts = [senml_bytes(*one, names=uplink.names) for one in zip(span, batches_s, strict=True)]
    else:
        within_s = max(ANSWERS_WITHIN_S, bearer.delay_s) if is_observed else bearer.delay_s
        is_self = uplink.format == "compact-self"
        parts = [compact_bytes(*one, within_s, is_self=is_self) for one in zip(span, batches_s, strict=True)]
    table = len(channel_table(pole).encode())
    an_alarm = costs.CONFIRMED_BATCH + costs.ALARM_PAYLOAD + costs.EMPTY_ANSWER
    an_event = costs.CONFIRMED_BATCH + costs.EVENT_PAYLOAD + costs.EMPTY_ANSWER
    is_keyed = uplink.security == "oscore"
    return UplinkForecast(
        (round(span[0].total), round(span[1].total)),
        (ceil(parts[0][0]), ceil(parts[1][0])),
        (ceil(parts[0][1]), ceil(parts[1][1])),
        ALARMS_A_DAY * an_alarm,
        EVENTS_A_DAY * an_event,
        round(_DAY_S / IDLE_S) * (costs.NOTIFICATION + costs.EMPTY_ACK) if is_observed else 0,
        ceil(costs.AGREEMENT / KEYS_EVERY_DAYS) if is_keyed else 0,
        costs.GREETING,
        table + ceil(table / costs.BLOCK_BYTES) * costs.BLOCK + (costs.AGREEMENT if is_keyed else 0),
    )


def compact_bytes(readings: Readings, batches: float, within_s: float, *, is_self: bool = False) -> tuple[float, float]:
    """(bytes of batches, bytes of their answers) a day, where an answer must come each `within_s`."""
    changed = min(readings.changed * costs.COMPACT_CHANGED, readings.polls * costs.COMPACT_CHANGED_OF_POLLS)
    payload = readings.steady * costs.COMPACT_READING + changed + readings.figures * costs.COMPACT_FIGURE
    payload += batches * costs.COMPACT_BATCH
    if is_self:
        each = readings.total / batches
        there = min(float(readings.channels), each)
        doublings = log2(max(1.0, each / max(1, readings.channels)))
        payload += batches * there * (costs.COMPACT_SELF_CHANNEL + costs.COMPACT_SELF_DOUBLING * doublings)
    datagrams = max(batches, payload / PAYLOAD_BYTES)
    in_a_row = max(1, min(LONGEST, int(within_s * batches / _DAY_S)))
    answer = costs.EMPTY_ANSWER + costs.CONFIRMED_BATCH - costs.UNCONFIRMED_BATCH
    return payload + datagrams * costs.UNCONFIRMED_BATCH, datagrams / in_a_row * answer


def senml_bytes(readings: Readings, batches: float, names: str = "oma") -> tuple[float, float]:
    """(bytes of messages, bytes of the headers and answers around them) a day; every message is answered."""
    if names == "plain":
        each = readings.total * costs.SENML_PLAIN / batches
        messages = batches * max(1, ceil(each / costs.SENML_FULL))
        return batches * each, messages * costs.SENML_EXCHANGE
    others = readings.changed * costs.SENML_CHANGED + readings.figures * costs.SENML_FIGURE
    each = (readings.steady * costs.SENML_READING + others) / batches
    # Every message names the points in it again, and takes room for that.
    steady_each = readings.steady / batches
    per_message = costs.SENML_CHANNEL * min(float(readings.channels), steady_each)
    full = max(1.0, costs.SENML_FULL - per_message)
    in_each = max(1, ceil(each / full))
    return batches * (each + in_each * per_message), batches * in_each * costs.SENML_EXCHANGE


def _readings_of(rule: ReportRule, most: bool) -> Readings:
    """What a point gives in a day; on change at least, or at `most`."""
    polls = 1000 * _DAY_S / rule.period_ms
    if rule.window_ms is not None:
        return Readings(figures=len(rule.figures) * 1000 * _DAY_S / rule.window_ms, channels=len(rule.figures))
    in_time = 0.0 if rule.every_ms is None else min(polls, 1000 * _DAY_S / rule.every_ms)
    if rule.change is not None:
        return Readings(changed=polls if most else in_time, polls=polls, channels=1)
    return Readings(steady=polls if rule.every_ms is None else in_time, channels=1)

"""What a pole will cost on the air, from its configuration alone: bytes a day by kind of message.

A point that is reported on change costs something between its `every_s` and its poll period; both ends are told. What
nobody can know is assumed and said: alarms and events a day, and how long a NAT leaves the mailbox open.
"""

from dataclasses import dataclass
from math import ceil

from gateway_agent.config.schema import PoleConfig
from gateway_agent.reporting import channel_table, report_rules
from gateway_agent.uplink import air_costs as costs
from gateway_agent.uplink.confirmation import LONGEST

ALARMS_A_DAY, EVENTS_A_DAY = 10, 10
IDLE_S = 60.0
"""How long a NAT is assumed to leave the mailbox open, until it is measured."""
KEYS_EVERY_DAYS = 30
_DAY_S = 86_400.0
_ANSWERS_WITHIN_S = 3600.0


@dataclass(frozen=True, slots=True)
class UplinkForecast:
    """Bytes a day at least and at most, by kind; `setup_bytes` come once. `readings` are those a day, at least and at
    most."""

    readings: tuple[int, int]
    telemetry: tuple[int, int]
    answers: int
    alarms: int
    events: int
    mailbox: int
    security: int
    greeting: int
    setup_bytes: int

    @property
    def total(self) -> tuple[int, int]:
        """All of a day."""
        rest = self.answers + self.alarms + self.events + self.mailbox + self.security + self.greeting
        return self.telemetry[0] + rest, self.telemetry[1] + rest


def uplink_forecast(pole: PoleConfig) -> UplinkForecast:
    """The forecast of a checked pole."""
    least, most = _readings(pole)
    uplink = pole.uplink
    batches = ceil(_DAY_S / uplink.batch_s)
    is_observed = uplink.command_delay_s < uplink.batch_s
    within_s = max(_ANSWERS_WITHIN_S, uplink.command_delay_s) if is_observed else uplink.command_delay_s
    in_a_row = max(1, min(LONGEST, int(within_s / uplink.batch_s)))
    if uplink.format == "senml":
        telemetry = _senml(least, batches), _senml(most, batches)
        answers = ceil(max(batches, telemetry[0] / 1024)) * costs.SENML_ANSWER
    else:
        channels = len(channel_table(pole).channels) if uplink.format == "compact-self" else 0
        telemetry = _compact(least, batches, channels), _compact(most, batches, channels)
        answers = ceil(batches / in_a_row) * (costs.EMPTY_ANSWER + costs.CONFIRMED_BATCH - costs.UNCONFIRMED_BATCH)
    table = len(channel_table(pole).encode())
    return UplinkForecast(
        (round(least), round(most)),
        telemetry,
        answers,
        ALARMS_A_DAY * (costs.CONFIRMED_BATCH + costs.ALARM_PAYLOAD + costs.EMPTY_ANSWER),
        EVENTS_A_DAY * (costs.CONFIRMED_BATCH + costs.EVENT_PAYLOAD + costs.EMPTY_ANSWER),
        round(_DAY_S / IDLE_S) * (costs.NOTIFICATION + costs.EMPTY_ACK) if is_observed else 0,
        ceil(costs.AGREEMENT / KEYS_EVERY_DAYS) if uplink.security == "oscore" else 0,
        costs.GREETING,
        table + ceil(table / costs.BLOCK_BYTES) * costs.BLOCK + costs.AGREEMENT,
    )


def _readings(pole: PoleConfig) -> tuple[float, float]:
    least = most = 0.0
    for rule in report_rules(pole).values():
        polls = 1000 * _DAY_S / rule.period_ms
        if rule.window_ms is not None:
            count = len(rule.figures) * 1000 * _DAY_S / rule.window_ms
            least, most = least + count, most + count
        elif rule.change is None and rule.every_ms is None:
            least, most = least + polls, most + polls
        else:
            least += 0 if rule.every_ms is None else min(polls, 1000 * _DAY_S / rule.every_ms)
            most += polls if rule.change is not None else min(polls, 1000 * _DAY_S / (rule.every_ms or 1))
    return least, most


def _compact(readings: float, batches: int, channels: int) -> int:
    payload = readings * costs.COMPACT_READING + batches * channels * costs.COMPACT_SELF_CHANNEL
    return ceil(max(batches, payload / 1024) * costs.UNCONFIRMED_BATCH + payload)


def _senml(readings: float, batches: int) -> int:
    payload = readings * costs.SENML_READING
    return ceil(max(batches, payload / 900) * costs.SENML_MESSAGE + payload)

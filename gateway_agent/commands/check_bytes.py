"""The part of `gatepost check` that tells what a pole costs on the air, and what would make it cost less."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway_agent.config import PoleConfig
from gateway_agent.config.bearers import BearerConfig
from gateway_agent.uplink.budget import KEPT_BACK
from gateway_agent.uplink.forecast import (
    ALARMS_A_DAY,
    EVENTS_A_DAY,
    IDLE_S,
    KEYS_EVERY_DAYS,
    UplinkForecast,
    uplink_forecast,
)

_MONTH_DAYS = 30.4
_WORTH_SAYING = 0.02
"""A change that saves less of a month than this is not told."""


def tell_forecast(pole: PoleConfig, console: Console | None = None) -> None:
    """Print the table, and what to change where the plan does not last."""
    for bearer in pole.uplink.ways:
        _tell_of(pole, bearer, console or Console())


def _tell_of(pole: PoleConfig, bearer: BearerConfig, console: Console) -> None:
    one, uplink = uplink_forecast(pole, bearer), pole.uplink
    over = f" over {bearer.name}, when all goes that way" if len(uplink.ways) > 1 else ""
    table = Table(title=f"On the air, with headers, security and answers{over}", title_justify="left")
    table.add_column("kind")
    table.add_column("bytes a day", justify="right")
    table.add_column("MiB a month", justify="right")
    if bearer.plan_bytes is not None:
        table.add_column("of plan", justify="right")
    table.add_column("from")

    def row(name: str, span: tuple[int, int], source: str) -> None:
        share = [] if bearer.plan_bytes is None else [f"{span[1] * _MONTH_DAYS / bearer.plan_bytes:.0%}"]
        table.add_row(name, *_cells(*span), *share, source)

    row("telemetry", one.telemetry, f"{_span(*one.readings)} readings a day, format {uplink.format}")
    row("answers", one.answers, f"a command may take {bearer.delay_s:g} s")
    row("alarms", (one.alarms, one.alarms), f"{ALARMS_A_DAY} a day, assumed")
    row("events, results", (one.events, one.events), f"{EVENTS_A_DAY} a day, assumed")
    mailbox = f"kept open each {IDLE_S:g} s until it is measured" if one.mailbox else "in the answers alone"
    row("mailbox", (one.mailbox, one.mailbox), mailbox)
    row("new keys", (one.security, one.security), f"each {KEYS_EVERY_DAYS} days")
    row("first question", (one.greeting, one.greeting), "one start a day")
    table.add_section()
    row("all", one.total, f"and once {one.setup_bytes:,} bytes to set up")
    console.print(table)
    for line in plan_sentences(pole, bearer, one):
        console.print(line, soft_wrap=True, highlight=False)


def bytes_a_day(pole: PoleConfig) -> dict[str, Any]:
    """The forecast of the preferred bearer as JSON has it: [least, most] bytes a day by kind, and what a month is of
    the plan; with several bearers, `bearers` has the same of each by name."""
    found = {bearer.name: _bytes_over(pole, bearer) for bearer in pole.uplink.ways}
    first = next(iter(found.values()))
    return first | {"bearers": found} if len(found) > 1 else first


def _bytes_over(pole: PoleConfig, bearer: BearerConfig) -> dict[str, Any]:
    one = uplink_forecast(pole, bearer)
    found: dict[str, Any] = {
        "readings": one.readings,
        "telemetry": one.telemetry,
        "answers": one.answers,
        "alarms": one.alarms,
        "events": one.events,
        "mailbox": one.mailbox,
        "security": one.security,
        "greeting": one.greeting,
        "setup_bytes": one.setup_bytes,
        "total": one.total,
    }
    plan = bearer.plan_bytes
    shares = None if plan is None else [round(total * _MONTH_DAYS / plan, 4) for total in one.total]
    return found | {"plan_share": shares, "savings": dict(_savings(pole, bearer, one))}


def plan_sentences(pole: PoleConfig, bearer: BearerConfig, one: UplinkForecast) -> Iterator[str]:
    """What a month is of a bearer's plan, and what to change where that is too much."""
    if bearer.plan_bytes is None:
        return
    least, most = (total * _MONTH_DAYS / bearer.plan_bytes for total in one.total)
    share = f"{most:.0%}" if f"{least:.0%}" == f"{most:.0%}" else f"{least:.0%} to {most:.0%}"
    yield f"plan {bearer.plan_mib_per_month:g} MiB a month, from day {bearer.plan_begins_day} on: {share} of it"
    if most <= 1 - KEPT_BACK:
        return
    rest = (one.total[0] - one.telemetry[0] - one.answers[0]) * _MONTH_DAYS / bearer.plan_bytes
    if rest > 1 - KEPT_BACK:
        yield f"advice: the plan will be overrun: without any telemetry it takes {rest:.0%} of it"
    else:
        certain = "will not last" if least > 1 - KEPT_BACK else "may not last"
        yield f"advice: the plan {certain}: telemetry would go less often, and then as windows (docs/budget.md)"
    savings = list(_savings(pole, bearer, one))
    for what, saved in savings:
        yield f"advice: {what} saves {saved * _MONTH_DAYS / (1 << 20):.2f} MiB a month"
    if not savings:
        yield "advice: report points less often, on change, or take a larger plan"


def _savings(pole: PoleConfig, bearer: BearerConfig, now: UplinkForecast) -> Iterator[tuple[str, int]]:
    """What may be changed in `[uplink]` or of the bearer, with the bytes a day that it would save, most first."""
    uplink = pole.uplink
    saved = []
    if bearer.is_observed(uplink.batch_s):
        patient = uplink_forecast(pole, bearer.model_copy(update={"command_delay_s": 3600}))
        what = "command_delay_s = 3600 (commands come with the answers)"
        saved.append((what, now.total[1] - patient.total[1]))
    changes: dict[str, dict[str, Any]] = {}
    if uplink.batch_s < 3600:
        changes["batch_s = 3600"] = {"batch_s": 3600}
    if uplink.format != "auto":
        changes['format = "auto", where the platform takes compact batches,'] = {"format": "auto"}
    if uplink.format == "senml" and uplink.names == "plain":
        changes['names = "oma"'] = {"names": "oma"}
    for what, update in changes.items():
        changed = pole.model_copy(update={"uplink": uplink.model_copy(update=update)})
        saved.append((what, now.total[1] - uplink_forecast(changed, bearer).total[1]))
    yield from sorted((one for one in saved if one[1] > _WORTH_SAYING * now.total[1]), key=lambda one: -one[1])


def _cells(least: int, most: int) -> tuple[str, str]:
    low, high = (f"{value * _MONTH_DAYS / (1 << 20):.2f}" for value in (least, most))
    return _span(least, most), low if low == high else f"{low} to {high}"


def _span(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"

"""The part of `gatepost check` that tells what a pole costs on the air."""

from rich.console import Console
from rich.table import Table

from gateway_agent.config.schema import UplinkConfig
from gateway_agent.uplink.budget import KEPT_BACK
from gateway_agent.uplink.forecast import ALARMS_A_DAY, EVENTS_A_DAY, IDLE_S, KEYS_EVERY_DAYS, UplinkForecast

_MONTH_DAYS = 30.4


def tell_forecast(one: UplinkForecast, uplink: UplinkConfig, console: Console | None = None) -> None:
    """Print the table, and what to change where the plan does not last."""
    console = console or Console()
    table = Table(title="On the air, with headers, security and answers", title_justify="left")
    table.add_column("kind")
    table.add_column("bytes a day", justify="right")
    table.add_column("MiB a month", justify="right")
    table.add_column("from")
    least, most = one.readings
    table.add_row("telemetry", *_cells(*one.telemetry), f"{_span(least, most)} readings a day, format {uplink.format}")
    table.add_row("answers", *_cells(*one.answers), f"a command may take {uplink.delay_s:g} s")
    table.add_row("alarms", *_cells(one.alarms), f"{ALARMS_A_DAY} a day, assumed")
    table.add_row("events, results", *_cells(one.events), f"{EVENTS_A_DAY} a day, assumed")
    mailbox = f"kept open each {IDLE_S:g} s until it is measured" if one.mailbox else "in the answers alone"
    table.add_row("mailbox", *_cells(one.mailbox), mailbox)
    table.add_row("new keys", *_cells(one.security), f"each {KEYS_EVERY_DAYS} days")
    table.add_row("first question", *_cells(one.greeting), "one start a day")
    table.add_section()
    table.add_row("all", *_cells(*one.total), f"and once {one.setup_bytes:,} bytes to set up")
    console.print(table)
    if uplink.plan_bytes is None:
        return
    most_of_month = one.total[1] * _MONTH_DAYS
    share = most_of_month / uplink.plan_bytes
    console.print(f"plan {uplink.plan_mib_per_month:g} MiB a month: {share:.0%} of it at most")
    if share > 1 - KEPT_BACK:
        console.print(
            "advice: the plan will not last at this pace; telemetry will be sent less often and then as windows. "
            "Lengthen batch_s, report fewer points or in windows, or let a command take longer (command_delay_s)"
        )


def _cells(least: int, most: int | None = None) -> tuple[str, str]:
    most = least if most is None else most
    months = (f"{value * _MONTH_DAYS / (1 << 20):.2f}" for value in (least, most))
    low, high = months
    return _span(least, most), low if low == high else f"{low} to {high}"


def _span(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"

"""The bearers that a pole.toml names."""

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway_agent.bearers.bearer import Bearer, BearerSettings
from gateway_agent.bearers.choice import Bearers
from gateway_agent.clock import Clock
from gateway_agent.config.bearers import KINDS, BearerConfig
from gateway_agent.config.schema import PoleConfig
from gateway_agent.uplink.budget import ByteBudget, Plan
from gateway_agent.uplink.way import IpWay


def build_bearers(pole: PoleConfig, clock: Clock) -> Bearers:
    """The bearers of a checked pole, each with its budget, whose count lies beside the journal."""
    return Bearers([_build(pole, config, clock) for config in pole.uplink.ways])


def _build(pole: PoleConfig, config: BearerConfig, clock: Clock) -> Bearer:
    settings = BearerSettings(config.name, KINDS[config.kind].bounds, config.delay_s)
    return Bearer(settings, IpWay(config.interface), clock, budget=_budget(pole, config, clock))


def _budget(pole: PoleConfig, config: BearerConfig, clock: Clock) -> ByteBudget:
    zone = ZoneInfo(pole.pole.timezone) if pole.pole.timezone else UTC
    plan = Plan(config.plan_bytes, config.plan_begins_day, zone, config.plan_overrun)
    # A pole with one bearer that is not listed keeps its count when another kind is written there.
    name = f".{config.name}" if pole.uplink.bearers else ""
    counts = Path(f"{pole.journal.path}.bytes{name}")
    batch_s = pole.uplink.batch_s
    return ByteBudget(counts, clock, plan, batch_s, config.answers_within_s(batch_s))

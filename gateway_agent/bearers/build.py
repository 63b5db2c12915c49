"""The bearers that a pole.toml names."""

from dataclasses import replace
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway_agent.bearers.bearer import Bearer, BearerSettings
from gateway_agent.bearers.choice import Bearers
from gateway_agent.bearers.modem_way import BESIDE_PAYLOAD_BYTES, ModemWay
from gateway_agent.bearers.openings import Openings
from gateway_agent.clock import Clock
from gateway_agent.config.bearers import KINDS, BearerConfig
from gateway_agent.config.schema import PoleConfig
from gateway_agent.modem.dialect import LinkSettings
from gateway_agent.modem.hooks import hooks_of
from gateway_agent.modem.modem import Modem
from gateway_agent.modem.settings import ModemSettings, ModemState
from gateway_agent.uplink.budget import ByteBudget, Plan
from gateway_agent.uplink.way import IpWay


def build_bearers(pole: PoleConfig, clock: Clock) -> Bearers:
    """The bearers of a checked pole, each with its budget, whose count lies beside the journal."""
    openings = Openings()
    return Bearers([_build(pole, config, clock, openings) for config in pole.uplink.ways])


def _build(pole: PoleConfig, config: BearerConfig, clock: Clock, openings: Openings) -> Bearer:
    settings = BearerSettings(config.name, KINDS[config.kind].bounds, config.delay_s)
    budget = _budget(pole, config, clock)
    if config.modem is None or config.port is None:
        return Bearer(settings, IpWay(config.interface), clock, budget=budget, openings=openings)

    def on_change(state: ModemState) -> None:
        if state.name == "online":
            bearer.may_be_back()

    state_file = modem_state_file(pole, config)
    wiring = modem_settings(config, config.modem, config.port)
    modem = Modem(wiring, clock, state_file=state_file, on_change=on_change)
    payload_bytes = min(settings.payload_bytes, modem.data.socket.limit_bytes - BESIDE_PAYLOAD_BYTES)
    way = ModemWay(modem)
    settings = replace(settings, payload_bytes=payload_bytes)
    bearer = Bearer(settings, way, clock, budget=budget, heard=way.heard, openings=openings)
    return bearer


def modem_state_file(pole: PoleConfig, config: BearerConfig) -> Path:
    """Where the driver of a bearer's modem keeps what it must not forget: beside the journal."""
    return Path(f"{pole.journal.path}.modem.{config.name}")


def modem_settings(config: BearerConfig, model: str, port: str) -> ModemSettings:
    """What the driver of a bearer's modem is told."""
    sleep_s = None if config.sleep_update_s is None else (config.sleep_update_s, config.sleep_active_s)
    link = LinkSettings(config.apn, config.user, config.password, sleep_s, config.edrx, config.band)
    hooks = hooks_of(config.power_key_command, config.supply_command, config.wake_command)
    return ModemSettings(model, port, config.baud, link, config.pin, hooks, config.resets_a_day)


def _budget(pole: PoleConfig, config: BearerConfig, clock: Clock) -> ByteBudget:
    zone = ZoneInfo(pole.pole.timezone) if pole.pole.timezone else UTC
    plan = Plan(config.plan_bytes, config.plan_begins_day, zone, config.plan_overrun)
    # A pole with one bearer that is not listed keeps its count when another kind is written there.
    name = f".{config.name}" if pole.uplink.bearers else ""
    counts = Path(f"{pole.journal.path}.bytes{name}")
    batch_s = pole.uplink.batch_s
    return ByteBudget(counts, clock, plan, batch_s, config.answers_within_s(batch_s))

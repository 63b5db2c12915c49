"""The forecast of the uplink: near what a day takes that was sent through the agent, and its parts as the vectors."""

import json
from pathlib import Path

import pytest

from gateway_agent.config import PoleConfig, load_pole
from gateway_agent.uplink import air_costs as costs
from gateway_agent.uplink.forecast import Readings, compact_bytes, senml_bytes, uplink_forecast

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "protocols" / "vectors" / "transport.json"
STEADY = Readings(steady=34128, channels=24)
MEASURED = {
    ("compact", 1): 101227,
    ("compact", 5): 28695,
    ("compact", 15): 17256,
    ("compact", 60): 12953,
    ("compact-self", 1): 167563,
    ("compact-self", 5): 51084,
    ("compact-self", 15): 26590,
    ("compact-self", 60): 15937,
    ("senml", 1): 722423,
    ("senml", 5): 494207,
    ("senml", 15): 453169,
    ("senml", 60): 425276,
    ("plain", 15): 919529,
}
"""Bytes on the air of the wire benchmark's day (seed 1) by format and minutes, answers included, setting up not."""


@pytest.mark.parametrize(("format_", "minutes"), MEASURED)
def test_the_forecast_of_the_benchmark_s_day_is_near_what_it_took(format_: str, minutes: int) -> None:
    batches = 1440 / minutes
    if format_.startswith("compact"):
        parts = compact_bytes(STEADY, batches, 3600, is_self=format_ == "compact-self")
    else:
        parts = senml_bytes(STEADY, batches, names="plain" if format_ == "plain" else "oma")
    assert sum(parts) == pytest.approx(MEASURED[format_, minutes], rel=0.1)


@pytest.mark.parametrize(
    ("changed", "compact", "senml"), [(20572, 18320, 379177), (11688, 15754, 239359), (5452, 12134, 117376)]
)
def test_readings_on_change_cost_more_each_and_never_more_than_is_said(changed: int, compact: int, senml: int) -> None:
    """The same day, where a point is reported when it has moved by 1, 2, 5 counts, and each hour."""
    readings = Readings(changed=changed, polls=34128, channels=24)
    assert compact <= sum(compact_bytes(readings, 96, 3600)) <= 1.25 * compact
    assert sum(senml_bytes(readings, 96)) == pytest.approx(senml, rel=0.1)


@pytest.mark.parametrize(("figures", "compact", "senml"), [(18576, 20650, 399205)])
def test_windows_cost_what_they_took(figures: int, compact: int, senml: int) -> None:
    """Mean, least and greatest of each point every ten minutes."""
    readings = Readings(figures=figures, channels=72)
    assert sum(compact_bytes(readings, 96, 3600)) == pytest.approx(compact, rel=0.12)
    assert sum(senml_bytes(readings, 96)) == pytest.approx(senml, rel=0.06)


def test_headers_are_those_of_the_vectors() -> None:
    on_air = {
        message["name"]: 28 + len(bytes.fromhex(message["hex"])) - len(bytes.fromhex(message["payload"]))
        for message in json.loads(VECTORS.read_text())["messages"]
    }
    assert on_air["A compact batch, told"] == costs.UNCONFIRMED_BATCH
    assert on_air["A compact batch, confirmable"] == costs.CONFIRMED_BATCH
    assert on_air["Its answer: all taken"] == costs.EMPTY_ANSWER
    assert on_air["The mailbox, observed"] == costs.OBSERVE
    assert on_air["Its first answer: an empty mailbox"] == costs.OBSERVED
    # A command has a Content-Format option (two bytes) and the payload marker; an empty mailbox has neither.
    assert on_air["A notification: a command"] - 3 == costs.NOTIFICATION


def example(**uplink: object) -> PoleConfig:
    pole = load_pole(ROOT / "hardware" / "poles" / "example.toml")
    return pole.model_copy(update={"uplink": pole.uplink.model_copy(update=uplink)})


def test_a_bearer_on_which_commands_may_wait_has_no_mailbox_to_keep_open() -> None:
    wired, slow = (uplink_forecast(example(bearer=bearer, command_delay_s=None)) for bearer in ("wired", "nb-iot"))
    assert wired.mailbox == 1440 * (costs.NOTIFICATION + costs.EMPTY_ACK)
    assert slow.mailbox == 0
    assert wired.telemetry == slow.telemetry


def test_what_is_sent_less_often_or_shorter_costs_less() -> None:
    each = [uplink_forecast(example(batch_s=batch_s, bearer="nb-iot")).total for batch_s in (60, 300, 900, 3600)]
    assert each == sorted(each, reverse=True)
    formats = [
        uplink_forecast(example(format=name, bearer="nb-iot")).total for name in ("auto", "compact-self", "senml")
    ]
    assert formats == sorted(formats)
    assert all(least <= most for least, most in (*each, *formats))


def test_keys_cost_nothing_in_the_clear() -> None:
    kept, clear = uplink_forecast(example()), uplink_forecast(example(security="clear", identity_file=None))
    assert kept.security == round(costs.AGREEMENT / 30 + 0.5)
    assert clear.security == 0
    assert kept.setup_bytes - clear.setup_bytes == costs.AGREEMENT

from typing import Any

import pytest

from gateway_agent.modem.cause import Cause
from gateway_agent.modem.diagnosis import diagnose


def status(cause: Cause, **changes: Any) -> dict[str, Any]:
    told = {
        "cause": str(cause),
        "reason": "so it is",
        "for_s": 12.0,
        "signal": {"rsrp_dbm": -95, "rssi_dbm": -70},
        "counters": {"sent": 17},
        "unanswered": 0,
        "connections_in_vain": 0,
        "why_in_vain": "",
        "awaits_answer": False,
        "answered_ms": None,
        "disturbances_today": 0,
        "daily_cap": 24,
    }
    return told | changes


def test_every_cause_has_its_own_words_and_next_step() -> None:
    said = [diagnose(status(cause)) for cause in Cause]
    assert len({one.kind for one in said}) == len(said)
    assert all(one.what and one.next_step for one in said)
    waiting = {Cause.STARTING, Cause.CONNECTING}
    assert len({one.next_step for one, cause in zip(said, Cause, strict=True) if cause not in waiting}) == len(said) - 2
    assert [one.kind for one in said if one.is_well] == ["well"]


def test_never_answered_is_told_from_answered_no_more() -> None:
    never = diagnose(status(Cause.UNANSWERED))
    assert never.kind == "never-answered"
    assert "has sent 17 datagrams, but never has anything been answered" in never.what
    assert "url and port" in never.next_step
    no_more = diagnose(status(Cause.UNANSWERED, answered_ms=1_780_000_000_000))
    assert no_more.kind == "platform-silent"
    assert "its last answer came on 2026-05-28 20:26:40 UTC" in no_more.what


def test_a_connection_over_which_nothing_can_be_sent_is_not_well() -> None:
    assert diagnose(status(Cause.WELL, connections_in_vain=1, why_in_vain="busy")).is_well
    said = diagnose(status(Cause.WELL, connections_in_vain=2, why_in_vain="no socket can be opened: ERROR"))
    assert (said.kind, said.is_well) == ("no-socket", False)
    assert said.what == "the data connection is up, but no socket can be opened: ERROR"
    assert "url" in said.next_step


@pytest.mark.parametrize("change", [{"unanswered": 1}, {"awaits_answer": True}])
def test_a_connection_over_which_nothing_comes_is_not_well(change: dict[str, Any]) -> None:
    assert not diagnose(status(Cause.WELL, **change)).is_well


def test_a_modem_that_has_sent_nothing_says_nothing_of_the_platform() -> None:
    assert diagnose(status(Cause.WELL)).next_step == "nothing has to be done"
    said = diagnose(status(Cause.WELL, counters={"sent": 0}))
    assert said.is_well
    assert "whether the platform answers was not tried" in said.next_step


@pytest.mark.parametrize(
    ("signal", "kind"),
    [
        ({"rsrp_dbm": -118, "rssi_dbm": -90}, "weak"),
        ({"rsrp_dbm": None, "rssi_dbm": -109}, "weak"),
        ({"rsrp_dbm": None, "rssi_dbm": -70}, "well"),
        ({"rsrp_dbm": None, "rssi_dbm": None}, "well"),
    ],
)
def test_a_weak_signal_is_said(signal: dict[str, Any], kind: str) -> None:
    said = diagnose(status(Cause.WELL, signal=signal))
    assert (said.kind, said.is_well) == (kind, True)


def test_that_the_day_is_used_up_is_said() -> None:
    assert "24 attempts of a day" in diagnose(status(Cause.NO_DATA, disturbances_today=24)).what
    assert "attempts" not in diagnose(status(Cause.NO_DATA, disturbances_today=0, daily_cap=0)).what

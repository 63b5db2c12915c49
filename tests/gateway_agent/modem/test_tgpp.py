import pytest

from gateway_agent.modem.tgpp import (
    Registration,
    RegistrationState,
    active_timer,
    periodic_timer,
    registration_of,
    rsrp_of,
    rssi_of,
    unix_ms_of_clock,
)

HOME, SEARCHING = RegistrationState.HOME, RegistrationState.SEARCHING


@pytest.mark.parametrize(
    ("text", "registration"),
    [
        ('+CEREG: 2,1,"9DED","03428AD0",9', Registration(HOME, "9DED", "03428AD0")),
        ("+CEREG:2,1,9DED,03428AD0,9", Registration(HOME, "9DED", "03428AD0")),
        ('+CEREG: 1,"9DED","03428AD0",9', Registration(HOME, "9DED", "03428AD0")),
        ("+CEREG: 1,9DED,03428AD0,9", Registration(HOME, "9DED", "03428AD0")),
        ("+CEREG: 0,1", Registration(HOME)),
        ("+CEREG: 2", Registration(SEARCHING)),
        ("+CEREG:2,2", Registration(SEARCHING)),
        ("+CEREG: 5", Registration(RegistrationState.ROAMING)),
        ("+CEREG: 2,9", Registration(RegistrationState.UNKNOWN)),
        ("+CGREG: 0,3", Registration(RegistrationState.DENIED)),
        ("+CEREG: ", None),
        ("+CEREG: x,1", Registration(HOME)),
        ("+CSQ: 1,2", None),
    ],
)
def test_registration_as_answer_and_as_urc(text: str, registration: Registration | None) -> None:
    assert registration_of(text) == registration


def test_signal() -> None:
    assert [rssi_of(f"+CSQ: {n},99") for n in (0, 21, 31, 99)] == [-113, -71, -51, None]
    assert rssi_of("+CSQ:") is None
    assert [rsrp_of(f"+CESQ: 99,99,255,255,20,{n}") for n in (0, 60, 97, 255)] == [-141, -81, -44, None]


@pytest.mark.parametrize(
    ("text", "unix_ms"),
    [
        ('+CCLK: "26/11/28,17:30:00+32"', 1_795_858_200_000),
        ('+CCLK: "26/11/28,09:30:00+00"', 1_795_858_200_000),
        ('+CCLK: "2026/11/28,09:30:00"', 1_795_858_200_000),
        ('+CCLK: "26/11/28,04:30:00-20"', 1_795_858_200_000),
        ('+CCLK: "80/01/06,00:00:10+00"', None),
        ('+CCLK: "70/01/01,00:00:10"', None),
        ('+CCLK: "26/13/28,04:30:00"', None),
        ("+CCLK: ", None),
    ],
)
def test_the_clock_of_the_network(text: str, unix_ms: int | None) -> None:
    assert unix_ms_of_clock(text) == unix_ms


def test_timers_of_power_saving_are_never_shorter_than_asked() -> None:
    assert periodic_timer(2) == "01100001"
    assert periodic_timer(3600) == "00000110"  # six times ten minutes
    assert periodic_timer(86400) == "00111000"  # 24 hours
    assert periodic_timer(100 * 3600) == "01001010"
    assert periodic_timer(10**9) == "11011111"
    assert active_timer(10) == "00000101"
    assert active_timer(63) == "00100010"
    assert active_timer(3600) == "01001010"

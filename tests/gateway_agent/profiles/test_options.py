"""Options decide addresses, scales and which points there are."""

import pytest

from gateway_agent.profiles import OptionError, check_options, load_profile, resolve


def test_without_options_the_defaults_hold() -> None:
    station = resolve(load_profile("renke-rs-fsxcs"))
    assert station.options == {"base": 500, "wind_scale": -1, "ch507": "pm25"}
    assert station.point("wind_speed").exponent == -1
    assert station.point("wind_speed").high == 700
    names = [point.name for point in station.points]
    assert "pm2_5" in names
    assert "co2" not in names


def test_an_option_changes_a_scale_and_the_range_with_it() -> None:
    station = resolve(load_profile("renke-rs-fsxcs"), {"wind_scale": -2})
    assert station.point("wind_speed").exponent == -2
    assert station.point("wind_speed").high == 7000


def test_an_option_changes_what_a_register_means() -> None:
    station = resolve(load_profile("renke-rs-fsxcs"), {"ch507": "co2"})
    register = station.point("co2").register
    assert register is not None
    assert register.address == 507
    with pytest.raises(KeyError):
        station.point("pm2_5")


def test_an_option_moves_the_registers() -> None:
    station = resolve(load_profile("renke-rs-fsxcs"), {"base": 0})
    assert [(request.address, request.count) for request in station.requests()] == [(0, 16)]


def test_a_short_address_moves_a_lamp_by_five_registers() -> None:
    lamp = resolve(load_profile("ecodim-dali-gw2"), {"short_address": 63})
    assert lamp.lamp is not None
    assert lamp.lamp.address == 3000 + 5 * 63
    register = lamp.point("level").register
    assert register is not None
    assert register.address == 3004 + 5 * 63
    status = lamp.point("bus_load").register
    assert status is not None
    assert status.address == 55


def test_an_option_chooses_the_gpio() -> None:
    pin = resolve(load_profile("generic-door-switch"), {"pin": 33}).point("open").pin
    assert pin is not None
    assert pin.number == 33


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wind_scal": -1}, "has no option wind_scal: did you mean wind_scale?"),
        ({"wind_scale": -3}, "option wind_scale cannot be -3: it takes -1 or -2"),
        ({"wind_scale": "x"}, "option wind_scale cannot be 'x'"),
        ({"wind_scale": True}, "option wind_scale cannot be True"),
        ({"ch507": 1.5}, "option ch507 cannot be 1.5: it takes 'pm25' or 'co2'"),
    ],
)
def test_a_wrong_option_is_refused_with_the_mend(given: dict[str, object], message: str) -> None:
    profile = load_profile("renke-rs-fsxcs")
    with pytest.raises(OptionError) as caught:
        resolve(profile, given)
    assert message in str(caught.value)
    assert [finding.loc for finding in check_options(profile, given)] == [tuple(given)]


def test_a_number_outside_an_option_range_is_refused() -> None:
    with pytest.raises(OptionError, match="it takes 0 to 63"):
        resolve(load_profile("ecodim-dali-gw2"), {"short_address": 64})

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig import synthetic_air
from hardware.rig.air import OWN_FILE, RECORDED_YEAR, Air, air_file, read_air, relative_humidity, sun_height

HOURS = read_air(OWN_FILE)


def test_the_projects_own_file_is_what_its_formula_makes() -> None:
    assert OWN_FILE.read_text().splitlines() == list(synthetic_air.lines())


def test_the_projects_own_file_is_used_where_no_recorded_year_is_at_hand() -> None:
    assert air_file() == (RECORDED_YEAR if RECORDED_YEAR.exists() else OWN_FILE)
    assert len(HOURS) == 28 * 24


@pytest.mark.skipif(not RECORDED_YEAR.exists(), reason="the recorded year lies beside the repository or not at all")
def test_the_recorded_year_is_whole() -> None:
    hours = read_air(RECORDED_YEAR)
    assert len(hours) == 8760
    assert [hours[0].day_of_year, hours[0].hour, hours[0].pm2_5, hours[0].co] == [1, 0, 20.0, 1100.0]
    assert hours[0].wind_deg == 157.5


def test_a_missing_value_holds_the_last(tmp_path: Path) -> None:
    path = tmp_path / "air.csv"
    path.write_text(
        "year,month,day,hour,PM2.5,PM10,SO2,NO2,CO,O3,TEMP,PRES,DEWP,RAIN,wd,WSPM\n"
        "2014,1,1,0,NA,90,18,62,300,7,-1.5,1007.3,-12.5,0,SSE,0.6\n"
        "2014,1,1,1,43,NA,25,91,NA,1,-2.6,1006.9,-12.1,0,NA,0.2\n"
    )
    first, second = read_air(path)
    assert first.pm2_5 == 43
    assert (second.pm10, second.co, second.wind_deg) == (90, 300, 157.5)


def test_another_file_is_no_air_record(tmp_path: Path) -> None:
    path = tmp_path / "air.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no air record"):
        read_air(path)


def test_humidity_follows_from_the_dew_point() -> None:
    assert relative_humidity(20, 20) == 100
    assert relative_humidity(25, 13.9) == pytest.approx(50, abs=0.5)
    assert relative_humidity(-1.5, -12.5) == pytest.approx(43, abs=1)


def test_the_sun_is_up_by_day_and_higher_in_summer() -> None:
    assert sun_height(172, 0) == 0
    assert sun_height(172, 12) > sun_height(355, 12) > 0.4
    assert sun_height(172, 5) > 0 == sun_height(355, 5)


def test_one_row_holds_as_long_as_an_hour_is_to_last() -> None:
    air = Air(3, HOURS, seconds_per_hour=10)
    rows = [air.hour_at(seconds / 10) for seconds in range(1000)]
    first = HOURS.index(rows[0])
    assert rows == [HOURS[(first + tick // 100) % len(HOURS)] for tick in range(1000)]


def test_the_seed_chooses_the_row() -> None:
    assert len({Air(seed, HOURS).hour_at(0) for seed in range(20)}) > 15


@given(st.integers(0, 1000), st.floats(0, 4e6))
def test_every_moment_has_possible_values(seed: int, seconds: float) -> None:
    air = Air(seed, HOURS, seconds_per_hour=600)
    air.advance(seconds)
    found = air.quantities
    assert 0 <= found["humidity"] <= 100
    assert 0 <= found["wind_direction"] < 360
    assert 0 <= found["wind_sector"] <= 7
    assert 0 <= found["wind_force"] <= 12
    assert 30 < found["noise"] < 100
    assert 0 <= found["illuminance"] <= 130_000
    assert found["pm2_5"] > 0
    assert found["rainfall"] >= 0


def test_rain_only_gathers() -> None:
    air = Air(2, HOURS, seconds_per_hour=10)
    fallen = []
    for second in range(0, 8000, 3):
        air.advance(second)
        fallen.append(air.quantities["rainfall"])
    assert fallen == sorted(fallen)
    assert fallen[-1] > sum(hour.rain_mm for hour in HOURS)

"""From pole.toml to the schedule of a node: what is right is compiled, what is wrong is told with line and mend."""

from array import array
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway_agent.config import PoleConfig, check_source
from gateway_agent.lighting.schedule import DailySchedule, compile_schedule, delay_s
from gateway_agent.provision import digest, node_table
from gateway_agent.toml_source import ConfigError, parse_toml
from protocols import lamp_programme, lamp_schedule
from protocols import node_table as table_of
from tests.gateway_agent.config.test_pole_toml import POLE

PLACE = 'gateway = "gp-1"\nlatitude = 39.9042\nlongitude = 116.4074\ntimezone = "Asia/Shanghai"'
LIGHT = """
[[programmes]]
name = "street"
on = "sunset+10"
off = "sunrise-15"
steps = [{ at = "22:00", level = 70 }, { at = "00:00", level = 50 }, { at = "sunrise-60", level = 100 }]
fade_s = 5

[[programmes]]
name = "feast"
on = "sunset"
off = "sunrise"

[[lamps]]
node = "lamp_node"
programme = "street"
groups = [0, 5]
spread_s = 0
calendar = [
    { programme = "feast", from = "2027-02-05", to = "2027-02-20" },
    { programme = "feast", from = "12-31", to = "01-01" },
    { programme = "feast", days = ["sat"] },
]
sensors = [{ point = "gas/o2", below = 19.5, back = 20, level = 100, when = "lit" }]
"""
TEXT = POLE.replace('gateway = "gp-1"', PLACE) + LIGHT


def pole(text: str = TEXT) -> PoleConfig:
    return check_source(parse_toml(text, Path("/etc/gatepost/pole.toml")))


def at(schedule: bytes, text: str) -> tuple[int, int]:
    """Programme and level at a moment by China's clock."""
    found = array("i", [0] * lamp_programme.FOUND_PLACES)
    unix_s = int(datetime.fromisoformat(f"{text}:00+08:00").astimezone(UTC).timestamp())
    lamp_programme.find_level(schedule, unix_s, found)
    return found[lamp_programme.PROGRAMME], found[lamp_programme.LEVEL]


def schedule_of(text: str = TEXT, day: date = date(2026, 6, 21)) -> bytes:
    one = pole(text)
    return compile_schedule(one, one.lamps[0], day)


@pytest.mark.parametrize(
    ("moment", "programme", "level"),
    [
        ("2026-06-22T19:55", 0, 0),
        ("2026-06-22T19:57", 0, 100),
        ("2026-06-22T21:59", 0, 100),
        ("2026-06-22T22:00", 0, 70),
        ("2026-06-23T00:00", 0, 50),
        ("2026-06-23T03:47", 0, 100),
        ("2026-06-23T04:29", 0, 100),
        ("2026-06-23T04:33", 0, 0),
        ("2026-06-27T19:48", 1, 100),
        ("2026-06-28T04:40", 1, 100),
        ("2026-06-28T13:00", 0, 0),
        ("2026-12-31T20:00", 1, 100),
        ("2027-01-02T03:00", 1, 100),
        ("2027-01-03T13:00", 0, 0),
        ("2027-02-21T03:00", 1, 100),
        ("2028-02-10T20:00", 0, 100),
    ],
)
def test_a_night_is_as_its_date_says(moment: str, programme: int, level: int) -> None:
    assert at(schedule_of(), moment) == (programme, level)


def test_the_same_day_gives_the_same_bytes_and_another_day_others() -> None:
    one = pole()
    daily = DailySchedule(one, one.lamps[0])
    midnight = 1_781_740_800_000 + 16 * 3_600_000
    assert daily(midnight) == daily(midnight + 86_399_000) == schedule_of(day=date(2026, 6, 19))
    assert lamp_schedule.digest(daily(midnight)) != lamp_schedule.digest(daily(midnight + 86_400_000))
    assert lamp_schedule.day_count(daily(midnight)) == 16


def test_slots_of_rules_are_those_of_the_nodes_table() -> None:
    one, schedule = pole(), schedule_of()
    assert lamp_schedule.table_digest(schedule) == digest(node_table(one, "lamp_node"))
    assert lamp_schedule.groups(schedule) == 0b100001
    at_ = lamp_schedule.sensor_at(schedule, 0)
    assert schedule[at_ + 1] == lamp_schedule.WHEN_ON
    assert lamp_schedule.s32(schedule, at_ + 4) < lamp_schedule.s32(schedule, at_ + 8)


def test_lamps_are_spread_by_their_names_and_stay_there() -> None:
    one = pole()
    names = [one.lamps[0].model_copy(update={"node": f"node_{number}", "spread_s": 60}) for number in range(300)]
    delays = [delay_s(one, lamp) for lamp in names]
    assert delays == [delay_s(one, lamp) for lamp in names]
    assert (min(delays), max(delays)) == (0, 60)
    assert max(delays.count(delay) for delay in range(61)) < 20


def test_the_power_of_a_level_lies_on_straight_lines() -> None:
    meter = '[[nodes.devices]]\nname = "lm"\nprofile = "peacefair-pzem-016"\nunit = 9\nevery_s = 2\n'
    power = 'power = { point = "lm/power", voltage = "lm/voltage", full_w = 60, standby_w = 2, levels_w = [[50, 28]] }'
    text = TEXT.replace('[[nodes.devices]]\nname = "gas"', meter + '[[nodes.devices]]\nname = "gas"') + power
    schedule = schedule_of(text)
    block = lamp_schedule.power_at(schedule)
    watts = [int.from_bytes(schedule[place : place + 4], "big") for place in range(block + 24, block + 68, 4)]
    assert watts == [20, 72, 124, 176, 228, 280, 344, 408, 472, 536, 600]
    assert int.from_bytes(schedule[block + 20 : block + 24], "big") == 500


def test_a_lamp_on_pins_is_in_the_nodes_table() -> None:
    text = TEXT.replace('[[nodes.devices]]\nname = "lamp"\nprofile = "ecodim-dali-gw2"\nunit = 1\nevery_s = 2\n', "")
    text = text.replace('node = "lamp_node"\nprogramme', 'node = "lamp_node"\nname = "lamp"\nrelay_pin = 33\nprogramme')
    table = node_table(pole(text), "lamp_node")
    assert (table_of.lamp_has_pins(table), table_of.lamp_present(table)) == (True, False)
    assert (table_of.lamp_dimmer_pin(table), table_of.lamp_relay_pin(table)) == (0, 33)


@pytest.mark.parametrize(
    ("old", "new", "what", "mend"),
    [
        ('timezone = "Asia/Shanghai"', "", "a clock of no zone", "add timezone"),
        ('"Asia/Shanghai"', '"Asia/Shangai"', "no timezone Asia/Shangai", "IANA"),
        ("latitude = 39.9042\n", "", "a latitude and a longitude", "give both"),
        ("latitude = 39.9042\nlongitude = 116.4074\n", "", "follows the sun", "add latitude"),
        ("latitude = 39.9042", "latitude = 99.9042", "pole.latitude is 99.9042", "at most 90"),
        ('"sunset+10"', '"dusk"', '"dusk"', "a moment is a time of day"),
        ('at = "22:00"', 'at = "24:00"', '"24:00"', "a moment is a time of day"),
        ('name = "feast"', 'name = "street"', "the programme street is there twice", "its own name"),
        ('programme = "street"', 'programme = "stret"', "no programme stret", "did you mean street?"),
        ('from = "12-31"', 'from = "11-31"', "11-31 is no date", "write it as"),
        ('from = "12-31"', 'from = "2026-12-31"', "one of the two dates has a year", "or neither"),
        ('to = "2027-02-20"', 'to = "2027-01-20"', "2027-01-20 is before", "not before the first"),
        ('days = ["sat"]', 'days = ["sam"]', '"sam"', "sat"),
        (
            '[[lamps]]\nnode = "lamp_node"',
            '[[lamps]]\nnode = "lamp_nod"',
            "no node lamp_nod",
            "did you mean lamp_node?",
        ),
        ("groups = [0, 5]", "groups = [16]", "groups[1] is 16", "at most 15"),
        ('"gas/o2"', '"gas/o3"', "no point gas/o3", "did you mean gas/"),
        ("below = 19.5, back", "back", "one of above and below", "give it one"),
        ("back = 20", "back = 19", "back 19 is beyond", "other side"),
        ("groups = [0, 5]", "relay_pin = 33", "has the driver lamp, and pins", "one lamp"),
        ("groups = [0, 5]", 'name = "other"', "is the device lamp", "remove the name"),
        ("groups = [0, 5]", 'power = { point = "gas/o2", full_w = 60 }', "not in W", "in W"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_mend(old: str, new: str, what: str, mend: str) -> None:
    assert TEXT.count(old) >= 1
    with pytest.raises(ConfigError) as failed:
        pole(TEXT.replace(old, new, 1))
    told = [str(problem) for problem in failed.value.problems]
    assert any(what in line and mend in line and line.startswith("/etc/gatepost/pole.toml:") for line in told), told

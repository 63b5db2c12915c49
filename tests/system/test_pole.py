"""A whole pole in virtual time: the real firmware, the real agent, and everything that can go wrong around them."""

import asyncio
import sqlite3

import pytest

from hardware.rig.count import platform_rows
from hardware.rig.demo_run import DemoRun
from hardware.rig.devices import SimulatedDevice
from hardware.rig.line_faults import Babbling, BitFlips, Late, LineFaults, LostBytes, NoiseBefore
from hardware.rig.relay import RadioFaults
from hardware.rig.wrong_answers import WrongAnswers
from tests.system.pole_runs import run_pole
from tests.system.second_count import count_again

SECONDS = 60
SHORT_S = 40
"""Enough for a fault that is there from the start."""


def without_fault(figures):
    """The counts that must be zero, whatever happened."""
    readings = figures["readings"]
    return (readings["lost"], readings["duplicated"], readings["wrong"]) == (0, 0, 0)


def delivered_of(run: DemoRun, device: str) -> list[tuple[str, int, int, int, str]]:
    """What the platform has of one device."""
    rows = platform_rows(run.box.platform_path, run.box.pole.pole.gateway)
    return [row for row in rows if row[0].startswith(f"{device}/")]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_reading_arrives_once_and_right_the_alarm_arrives_the_lamp_is_dimmed(tmp_path, seed):
    _, figures = run_pole(tmp_path, SECONDS, seed=seed)
    assert without_fault(figures)
    assert figures["readings"]["delivered"] == figures["readings"]["journaled"] == figures["readings"]["measured"] > 300
    assert figures["points"] > 40
    assert figures["alarms"] == {"raised": 1, "delivered": 1, "latency_ms": figures["alarms"]["latency_ms"]}
    assert (figures["commands"]["sent"], figures["commands"]["confirmed"]) == (1, 1)
    assert all("micropython" in machine["implementation"] for machine in figures["machines"])
    assert figures["bytes_on_air"] > 0
    counted = count_again(tmp_path)
    assert (counted.total, counted.wrong) == (figures["readings"]["delivered"], 0)
    assert counted.figures > 60


def test_a_seed_gives_the_same_world_and_the_same_figures_again(tmp_path):
    runs = [run_pole(tmp_path / name, SHORT_S, seed=4)[0] for name in make_folders(tmp_path, "first", "second")]
    first, second = (sorted(platform_rows(run.box.platform_path, run.box.pole.pole.gateway)) for run in runs)
    assert [row[0] for row in first] == [row[0] for row in second]
    assert [row[2:] for row in first] == [row[2:] for row in second]


def make_folders(parent, *names):
    for name in names:
        (parent / name).mkdir()
    return names


def answering_ends(run: DemoRun) -> list:
    """Whoever answers on a line: the devices, and the nodes on the pole bus."""
    nodes = [drop for name, drop in run.box.drops.items() if name.endswith("/pole")]
    return [*nodes, *(device.drop for device in run.box.devices.values())]


def test_a_zero_byte_before_every_answer_loses_no_reading(tmp_path):
    quiet, noisy = make_folders(tmp_path, "quiet", "noisy")

    def make_noise(run: DemoRun) -> None:
        for seed, drop in enumerate(answering_ends(run)):
            drop.faults = LineFaults(seed, NoiseBefore(0x00))

    def unanswered(run: DemoRun) -> list[tuple[int, int]]:
        return [(bus["silent"], bus["damaged"]) for bus in run.agent.finished[-1]["buses"]]

    calm, without = run_pole(tmp_path / quiet, SHORT_S)
    run, figures = run_pole(tmp_path / noisy, SHORT_S, prepare=make_noise)
    assert without_fault(figures)
    assert abs(figures["readings"]["measured"] - without["readings"]["measured"]) <= 2  # a report at the very end
    assert unanswered(run) == unanswered(calm)
    assert unanswered(calm) in ([(0, 0), (0, 0)], [(1, 0), (0, 0)])  # the first may come while a node still loads
    assert run.box.drops["lamp_node/pole"].faults.hits["NoiseBefore"] > 50


def test_a_line_that_flips_and_loses_bits_never_makes_a_wrong_reading(tmp_path):
    def spoil_lines(run: DemoRun) -> None:
        for seed, drop in enumerate(answering_ends(run)):
            drop.faults = LineFaults(seed, BitFlips(0.0005), LostBytes(0.001), Late(40, share=0.05))

    _, figures = run_pole(tmp_path, SHORT_S, prepare=spoil_lines)
    assert without_fault(figures)
    assert figures["readings"]["delivered"] > 100


def test_answers_that_are_well_formed_and_wrong_never_become_readings(tmp_path):
    def mislead(run: DemoRun) -> None:
        for seed, device in enumerate(run.box.devices.values()):
            device.wrong = WrongAnswers(seed, "function", "unit", "short", "busy", share=0.3)

    run, figures = run_pole(tmp_path, SHORT_S, prepare=mislead)
    assert without_fault(figures)
    assert sum(sum(device.wrong.hits.values()) for device in run.box.devices.values() if device.wrong) > 50


def test_a_dead_device_and_one_that_babbles_leave_the_rest_alone(tmp_path):
    def break_two(run: DemoRun) -> None:
        run.box.devices["cabinet"].powered = False
        well: SimulatedDevice = run.box.devices["well"]
        run.babbling = Babbling(well.drop, 1, pause_s=0.7, burst=20)

    run, figures = run_pole(tmp_path, SHORT_S, prepare=break_two)
    run.babbling.stop()
    assert without_fault(figures)
    assert delivered_of(run, "cabinet") == []
    assert len(delivered_of(run, "air")) > 60
    assert len(delivered_of(run, "mains")) > 60


def test_a_device_that_dies_and_comes_back_is_told_and_read_again(tmp_path):
    async def die_for_a_while(run: DemoRun) -> None:
        await run.wait(20)
        run.box.devices["cabinet"].powered = False
        await run.wait(15)
        run.box.devices["cabinet"].powered = True

    run, figures = run_pole(tmp_path, 70, meddle=die_for_a_while)
    assert without_fault(figures)
    codes = [code for _, code in stored_events(run)]
    assert "device-lost" in codes
    assert codes.index("device-back") > codes.index("device-lost")
    assert max(row[1] for row in delivered_of(run, "cabinet")) > run.started_ms + 50_000


def stored_events(run: DemoRun) -> list[tuple[int, str]]:
    """(time, code) of the events at the platform, in the order of their times."""
    with sqlite3.connect(run.box.platform_path) as database:
        return list(database.execute("SELECT time_ms, code FROM events ORDER BY time_ms"))


def test_a_platform_that_is_away_from_the_start_loses_nothing(tmp_path):
    def go_away(run: DemoRun) -> None:
        run.box.relay.down = True

    async def come_back_later(run: DemoRun) -> None:
        await run.wait(40)
        assert run.agent.latest["journal"]["committed"] > 100
        assert run.box.platform.count("readings") == 0
        run.box.relay.down = False
        await run.wait(60)

    _, figures = run_pole(tmp_path, 110, prepare=go_away, meddle=come_back_later)
    assert without_fault(figures)
    assert figures["readings"]["delivered"] == figures["readings"]["journaled"]
    assert figures["alarms"]["delivered"] == 1


def test_a_lossy_radio_that_doubles_and_delays_loses_and_doubles_nothing(tmp_path):
    async def spoil_radio_for_a_while(run: DemoRun) -> None:
        run.box.relay.faults = RadioFaults(loss=0.2, duplicate=0.2, delay_s=0.2, jitter_s=0.5)
        await run.wait(60)
        run.box.relay.faults = RadioFaults()

    run, figures = run_pole(tmp_path, 100, meddle=spoil_radio_for_a_while)
    assert without_fault(figures)
    assert min(run.box.relay.up.lost, run.box.relay.up.duplicated, run.box.relay.down_link.lost) > 0


def test_an_adapter_that_is_pulled_and_plugged_costs_only_the_time_between(tmp_path):
    async def pull(run: DemoRun) -> None:
        await run.wait(20)
        run.box.ports["mains"].unplug()
        await run.wait(15)
        assert "mains" in str(run.agent.latest["problems"]) or run.agent.latest["buses"][1]["problem"]
        run.box.ports["mains"].replug()

    run, figures = run_pole(tmp_path, 65, meddle=pull)
    assert without_fault(figures)
    assert max(row[1] for row in delivered_of(run, "mains")) > run.started_ms + 50_000
    assert len(delivered_of(run, "air")) > 100


def test_a_node_that_loses_power_comes_back_and_its_time_is_set_again(tmp_path):
    async def cut_power(run: DemoRun) -> None:
        await run.wait(20)
        machine = run.box.machines["lamp_node"]
        machine.kill()
        await asyncio.sleep(5)
        await machine.power_on()

    run, figures = run_pole(tmp_path, 65, meddle=cut_power)
    assert without_fault(figures)
    assert [code for _, code in stored_events(run)].count("node-started") == 3
    assert max(row[1] for row in delivered_of(run, "air")) > run.started_ms + 50_000

"""The agent as a whole: what it measures arrives, and what is ordinary in the field does not end it."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_agent.agent import AgentFailedError
from gateway_agent.records import Event, LampOutcome
from gateway_agent.status import StatusError, StatusServer, status_of
from tests.gateway_agent.small_pole import GATEWAY, SmallPole, with_small_pole


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "platform.sqlite") as database:
        return database.execute(query).fetchall()


def test_what_is_measured_arrives_once_and_as_it_was(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        pole.start()
        await asyncio.sleep(41)
        await pole.end()
        assert pole.agent.journal.pending_readings == 0
        assert pole.agent.pipeline.measured == pole.agent.journal.committed_readings

    with_small_pole(tmp_path, body)
    arrived = rows(tmp_path, "SELECT point, kind, value, exponent, time_ms FROM readings")
    assert len(arrived) == len({(point, kind, time) for point, kind, _, _, time in arrived})
    temperatures = [row for row in arrived if row[0] == "cabinet/temperature"]
    assert len(temperatures) == 20
    assert {row[1:4] for row in temperatures} == {("sample", 250, -1)}
    figures = [row for row in arrived if row[0] == "cabinet/humidity" and row[1] != "sample"]
    assert {(kind, value, exponent) for _, kind, value, exponent, _ in figures} == {
        ("mean", 2500, -2),
        ("min", 250, -1),
        ("max", 250, -1),
    }
    assert len(figures) >= 9


def test_a_rule_raises_and_clears_its_alarm_at_the_platform(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        pole.start()
        await asyncio.sleep(10)
        pole.heat(650)
        await asyncio.sleep(20)
        assert pole.platform.count("alarms") == 1
        pole.heat(500)
        await asyncio.sleep(20)
        await pole.end()

    with_small_pole(tmp_path, body)
    columns = [row[1] for row in rows(tmp_path, "PRAGMA table_info(alarms)")]
    told = [dict(zip(columns, row, strict=True)) for row in rows(tmp_path, "SELECT * FROM alarms ORDER BY time_ms")]
    assert [row["gateway"] for row in told] == [GATEWAY, GATEWAY]
    assert [bool(row["state"]) for row in told] == [True, False]


def test_an_alarm_that_stood_when_the_agent_ended_is_cleared_by_the_next(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        pole.start()
        await asyncio.sleep(5)
        pole.heat(650)
        await asyncio.sleep(20)
        await pole.end()
        pole.heat(500)
        pole.start()
        await asyncio.sleep(20)
        await pole.end()
        pole.start()
        await asyncio.sleep(20)
        await pole.end()

    with_small_pole(tmp_path, body)
    assert [bool(state) for (state,) in rows(tmp_path, "SELECT state FROM alarms ORDER BY time_ms")] == [True, False]


def test_a_lamp_that_takes_its_level_again_is_no_alarm_any_more(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        agent = pole.start()
        outcomes = iter([LampOutcome("failed", None, "no"), LampOutcome("confirmed", 40, "yes")])

        async def lamp(*_: object) -> LampOutcome:
            return next(outcomes)

        agent.collector.lamp = lamp  # type: ignore[method-assign]
        await agent.pipeline.happened(
            Event("lamp", "alarm", "lamp-failed", pole.clock.unix_ms(), True, 4, "node", (1, 1))
        )
        for _ in range(2):
            await agent.lamp("lamp", 40, 0, 0)
        await asyncio.sleep(1)
        await pole.end()

    with_small_pole(tmp_path, body)
    assert [bool(state) for (state,) in rows(tmp_path, "SELECT state FROM alarms ORDER BY time_ms")] == [True, False]


def test_an_alarm_that_a_node_has_forgotten_is_cleared_before_it_is_told_anew(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        pipeline = pole.start().pipeline

        def cover(state: bool, sequence: int) -> Event:
            return Event("cover/open", "alarm", "input", pole.clock.unix_ms(), state, 1, "node", (2, sequence))

        await pipeline.happened(cover(True, 1))
        await asyncio.sleep(1)
        await pipeline.forgotten([("cover/open", "input"), ("lamp", "lamp-failure")], pole.clock.unix_ms())
        await pipeline.happened(cover(True, 2))
        await asyncio.sleep(1)
        await pole.end()

    with_small_pole(tmp_path, body)
    told = rows(tmp_path, "SELECT point, state FROM alarms ORDER BY sequence")
    assert [(name, bool(state)) for name, state in told] == [
        ("cover/open", True),
        ("cover/open", False),
        ("cover/open", True),
    ]


def test_a_second_agent_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        first = pole.start()
        await asyncio.sleep(21)
        pole.running.cancel()
        await asyncio.gather(pole.running, return_exceptions=True)
        committed = first.journal.committed_readings
        second = pole.start()
        assert second.journal.committed_readings >= committed
        await asyncio.sleep(21)
        await pole.end()

    with_small_pole(tmp_path, body)
    arrived = rows(tmp_path, "SELECT point, kind, time_ms FROM readings")
    assert len(arrived) == len(set(arrived))


def test_a_platform_that_is_away_loses_nothing(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        pole.start()
        await asyncio.sleep(10)
        await pole.platform.leave()
        await asyncio.sleep(300)
        assert pole.agent.uplink.counters.problem is not None
        assert pole.agent.journal.depth > 0
        await pole.platform.come_back()
        await asyncio.sleep(120)
        await pole.end()
        assert pole.agent.journal.depth == 0
        assert pole.platform.counters.readings == pole.agent.pipeline.measured

    with_small_pole(tmp_path, body)


def test_a_missing_port_leaves_the_agent_running(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        pole.port.unplug()
        agent = pole.start()
        await asyncio.sleep(30)
        assert any("is missing" in problem for problem in agent.collector.problems())
        assert not pole.running.done()
        pole.port.replug()
        await asyncio.sleep(60)
        assert agent.collector.problems() == []
        assert agent.pipeline.measured > 0
        await pole.end()

    with_small_pole(tmp_path, body)
    codes = [row[0] for row in rows(tmp_path, "SELECT code FROM events ORDER BY time_ms")]
    assert codes == ["port-lost", "port-back"]


def test_a_part_that_fails_ends_the_agent_with_words_and_a_safe_journal(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        agent = pole.start()
        await asyncio.sleep(10)

        def broken(*_: object) -> list[object]:
            raise RuntimeError("a mistake of ours")

        agent.collector.pollers[0]._decoded = broken  # type: ignore[assignment, method-assign]
        with pytest.raises(AgentFailedError, match=r"collector has failed \(RuntimeError: a mistake of ours\)"):
            await pole.running
        assert agent.journal.pending_readings == 0

    with_small_pole(tmp_path, body)


def test_the_status_tells_points_buses_journal_and_uplink(tmp_path: Path) -> None:
    async def body(pole: SmallPole) -> None:
        agent = pole.start()
        async with StatusServer(tmp_path / "status.sock", lambda: status_of(agent)):
            await asyncio.sleep(20)
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "status.sock"))
            lines = [json.loads(await reader.readline()) for _ in range(3)]
            writer.close()
        assert [round(later["running_s"] - lines[0]["running_s"]) for later in lines] == [0, 1, 2]
        told = lines[-1]
        points = {point["point"]: point for point in told["points"]}
        temperature = points["cabinet/temperature"]
        assert (temperature["value"], temperature["exponent"], temperature["unit"]) == (250, -1, "Cel")
        assert temperature["quality"] == "good"
        assert 0 <= temperature["age_ms"] < 3_000
        (bus,) = told["buses"]
        assert 0 < bus["load"] < 1
        assert bus["requests"] == bus["answers"] > 0
        assert told["journal"]["measured"] == told["journal"]["committed"] + told["journal"]["pending"]
        assert told["uplink"]["on_air_bytes"] > 0
        assert (told["gateway"], told["problems"], told["commands"]) == (GATEWAY, [], [])
        await pole.end()

    with_small_pole(tmp_path, body)


def test_a_status_socket_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with StatusServer(tmp_path / "none" / "status.sock", dict):
            raise AssertionError("the folder does not exist")

    with pytest.raises(StatusError, match="check the folder"):
        asyncio.run(main())


def test_a_socket_path_that_is_too_long_is_told_with_its_limit(tmp_path: Path) -> None:
    async def main(path: Path) -> None:
        async with StatusServer(path, dict):
            raise AssertionError("the kernel takes 107 bytes")

    with pytest.raises(StatusError, match="longer than 107 bytes; choose a shorter one"):
        asyncio.run(main(tmp_path / ("s" * 107)))


def test_an_event_that_can_never_be_stored_does_not_end_the_agent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(pole: SmallPole) -> None:
        agent = pole.start()
        await asyncio.sleep(5)
        now_ms = pole.clock.unix_ms()
        agent.pipeline.noticed(Event("cabinet", "event", "too-large", now_ms, value=1 << 64))
        agent.pipeline.noticed(Event("cabinet", "event", "after-it", now_ms))
        impossible = Event("cabinet", "event", "x", 1 << 64, source="n", origin=(1, 1))
        assert not (await agent.pipeline.happened(impossible)).is_new
        await asyncio.sleep(10)
        assert not pole.running.done()
        await pole.end()

    with_small_pole(tmp_path, body)
    assert [row[0] for row in rows(tmp_path, "SELECT code FROM events")] == ["after-it"]
    assert len([record for record in caplog.records if "is given up" in record.message]) == 2


def test_the_command_runs_until_sigterm_and_closes_cleanly(tmp_path: Path) -> None:
    """A real process on a real terminal: the port is there, nothing answers, the platform is away."""
    master, slave = os.openpty()
    text = (
        f'[pole]\ngateway = "gp-1"\n[[buses]]\nname = "a"\nport = "{os.ttyname(slave)}"\n'
        '[[devices]]\nname = "m"\nbus = "a"\nprofile = "xy-md02"\nunit = 1\nevery_s = 1\n'
        f'[journal]\npath = "{tmp_path / "journal.sqlite"}"\n'
        '[uplink]\nurl = "coap://127.0.0.1:9"\nsecurity = "clear"\n'
    )
    (tmp_path / "pole.toml").write_text(text)
    socket_path = tmp_path / "s"
    words = [sys.executable, "-m", "gateway_agent", "run", str(tmp_path / "pole.toml"), "--status", str(socket_path)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        heard = ""
        while "started" not in heard:
            heard = process.stderr.readline()
            assert heard, "the agent ended before it had started"
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)
    finally:
        process.kill()
        os.close(master)
        os.close(slave)
    assert process.returncode == 0, rest
    assert "ended as asked" in rest
    assert not socket_path.exists()


def test_a_configuration_that_is_wrong_ends_the_command_with_1(tmp_path: Path) -> None:
    (tmp_path / "pole.toml").write_text('[pole]\ngatewy = "x"\n')
    words = [sys.executable, "-m", "gateway_agent", "run", str(tmp_path / "pole.toml")]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert f"{tmp_path}/pole.toml:2: pole has no key named gatewy; did you mean gateway?" in ended.stderr
    assert "Traceback" not in ended.stderr

"""From journal to platform over a radio link that may be bad: nothing lost, nothing twice, alarms first."""

import asyncio
import logging
from pathlib import Path
from random import Random

import pytest

from gateway_agent.journal import Journal
from gateway_agent.records import Command
from gateway_agent.uplink.coap_message import CBOR, Reply
from gateway_agent.uplink.errors import UplinkError
from gateway_agent.uplink.security import CLEAR
from gateway_agent.uplink.senml_cbor import decode_pack
from gateway_agent.uplink.uplink import Uplink
from gateway_agent.uplink.uplink_settings import UplinkSettings
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.platform import Platform
from hardware.rig.relay import RadioFaults
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.gateway_agent.uplink.pole import pole
from tests.over_ip import over_ip


def sequences(payload: bytes) -> list[object]:
    return [record["q"] for record in decode_pack(payload) if "q" in record]


def forget_platform(folder: Path) -> None:
    for file in folder.glob("platform.sqlite*"):
        file.unlink()


def test_everything_arrives_once_and_exactly_and_every_byte_is_counted(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            await this.measure_for(60)
            await this.alarm()
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.count("readings") == 240
            assert this.rows("SELECT DISTINCT unit FROM readings WHERE point = 'air/humidity'") == [("%RH",)]
            assert this.uplink.air.on_air_bytes == this.relay.bytes_on_air
            assert this.uplink.counters.acknowledged_readings == this.journal.committed_readings == 240
            assert this.uplink.counters.problem is None

    run_virtual(main)


def test_telemetry_goes_by_time_or_by_count(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, batch_s=30, batch_readings=100) as this:
            this.measure(1)
            await asyncio.sleep(29)
            assert (this.platform.counters.requests, this.platform.count("readings")) == (1, 0)
            await asyncio.sleep(2)
            assert (this.platform.counters.requests, this.platform.count("readings")) == (2, 4)
            for value in range(30):
                this.measure(value)
            await asyncio.sleep(5)
            assert this.platform.count("readings") == 124

    run_virtual(main)


def test_an_alarm_is_there_within_moments_and_alone(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, batch_s=600) as this:
            for value in range(5):
                this.measure(value)
            await this.alarm()
            await asyncio.sleep(0.05)
            assert this.platform.count("alarms") == 1
            assert [len(decode_pack(payload)) for payload in this.seen] == [1]
            assert this.platform.count("readings") == 0

    run_virtual(main)


def test_a_platform_that_was_never_there_costs_nothing_but_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            await this.platform.leave()
            await this.measure_for(300)
            await this.alarm()
            assert (this.journal.depth, this.uplink.counters.last_answer_ms) == (601, None)
            assert str(this.uplink.counters.problem).endswith("does not answer: no answer in time")
            await this.platform.come_back()
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert sequences(this.seen[0]) == [601]

    with caplog.at_level(logging.WARNING, "gatepost.uplink"):
        run_virtual(main)
    assert len([record for record in caplog.records if record.name == "gatepost.uplink"]) == 1


@pytest.mark.parametrize(
    "faults",
    [
        RadioFaults(loss=0.3),
        RadioFaults(duplicate=0.5),
        RadioFaults(delay_s=0.5, jitter_s=4.0),
        RadioFaults(loss=0.2, duplicate=0.2, delay_s=1.0, jitter_s=2.0),
    ],
    ids=["loss", "doubling", "reordering", "all"],
)
def test_a_bad_link_loses_and_doubles_nothing(tmp_path: Path, faults: RadioFaults) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, faults=faults) as this:
            for _ in range(6):
                await this.measure_for(20)
                await this.alarm()
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.count("alarms") == 6
            assert len(this.rows("SELECT DISTINCT time_ms FROM alarms")) == 6

    run_virtual(main)


def test_a_message_that_is_repeated_has_the_same_bytes(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, faults=RadioFaults(loss=0.4), batch_s=5) as this:
            await this.measure_for(120)
            await this.settle()
            by_first: dict[object, set[bytes]] = {}
            for payload in this.seen:
                by_first.setdefault(sequences(payload)[0], set()).add(payload)
            assert len(this.seen) > len(by_first)
            assert all(len(payloads) == 1 for payloads in by_first.values())
            assert this.platform.counters.repeated_records > 0

    run_virtual(main)


def test_a_platform_that_restarts_with_its_state_gets_nothing_twice(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, faults=RadioFaults(loss=0.3)) as this:
            port = this.platform.port
            for _ in range(5):
                await this.measure_for(13)
                await this.platform.stop()
                await this.measure_for(7)
                this.platform = await Platform.start(tmp_path / "platform.sqlite", clock, port=port)
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_a_platform_that_lost_its_state_gets_what_it_had_not_acknowledged(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            port = this.platform.port
            await this.measure_for(20)
            await this.settle()
            await this.platform.stop()
            forget_platform(tmp_path)
            this.given.clear()
            await this.measure_for(20)
            this.platform = await Platform.start(tmp_path / "platform.sqlite", clock, port=port)
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_a_gateway_that_dies_at_any_moment_delivers_what_it_had_committed_once(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        random = Random(11)
        async with pole(clock, tmp_path, faults=RadioFaults(loss=0.2, delay_s=0.2), batch_s=3) as this:
            for value in range(25):
                this.measure(value)
                await asyncio.sleep(random.uniform(0, 6))
                await this.restart_gateway(gently=False)
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.count("readings") == this.journal.committed_readings > 20

    run_virtual(main)


def test_an_alarm_overtakes_what_does_not_get_through(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            await this.measure_for(9)
            this.relay.down = True
            await asyncio.sleep(3)
            assert this.uplink.counters.exchanges == 2
            await this.alarm()
            await asyncio.sleep(0.5)
            this.relay.down = False
            await asyncio.sleep(6)
            assert this.platform.count("alarms") == 1
            assert this.rows(
                "SELECT min(a.rowid), min(a.arrived_ms) <= min(r.arrived_ms) FROM alarms a, readings r"
            ) == [(1, 1)]
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_nothing_is_sent_any_more_once_the_uplink_is_stopped(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            await this.measure_for(9)
            this.relay.down = True
            await asyncio.sleep(4)
            assert this.task is not None
            this.task.cancel()
            await asyncio.gather(this.task, return_exceptions=True)
            sent = this.relay.up.datagrams
            await asyncio.sleep(600)
            assert this.relay.up.datagrams == sent > 0

    run_virtual(main)


def test_an_outage_leaves_no_old_exchanges_behind(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            await this.measure_for(20)
            tasks = len(asyncio.all_tasks())
            this.relay.down = True
            await this.measure_for(1200)
            assert this.uplink.counters.failures > 15
            assert len(asyncio.all_tasks()) <= tasks + 4
            this.relay.down = False
            await this.settle()
            assert this.uplink._parts.client.open_exchanges == 0
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_the_mailbox_is_handed_on_each_time_until_its_result_is_there(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, batch_s=2) as this:
            dim = Command("dim-1", "lamp", "street_lamp", {"level_pct": 40})
            this.platform.send(dim)
            await this.measure_for(12)
            assert len(this.mailbox) >= 4
            assert set(map(str, this.mailbox)) == {str(dim)}
            assert abs(this.uplink.counters.clock_offset_ms or 0) < 1000

    run_virtual(main)


def test_one_record_that_is_refused_holds_nothing_up_and_is_reported(tmp_path: Path) -> None:
    def refuse(payload: bytes) -> str | None:
        return "I do not like number 7" if 7 in sequences(payload) else None

    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, refuse=refuse) as this:
            await this.measure_for(30)
            await this.settle()
            assert this.uplink.counters.set_aside_records == 1
            assert this.rows("SELECT code, number FROM events") == [("record-refused", 7)]
            lost, duplicated, wrong = this.check()
            assert (lost, duplicated, wrong) == (3, 0, 0)
            assert this.journal.depth == 0

    run_virtual(main)


def test_a_refused_alarm_does_not_block_the_rest(tmp_path: Path) -> None:
    def refuse(payload: bytes) -> str | None:
        return "no alarms" if b":alarm" in payload else None

    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, refuse=refuse) as this:
            await this.alarm()
            await this.alarm(False)
            await this.measure_for(60)
            await this.settle()
            assert (this.check(), this.uplink.counters.set_aside_records) == ((0, 0, 0), 2)

    run_virtual(main)


def test_a_platform_that_refuses_everything_makes_us_wait_and_not_throw_away(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, refuse=lambda payload: "out of order") as this:
            await this.measure_for(300)
            await this.alarm()
            await asyncio.sleep(3600)
            assert (this.journal.depth, this.uplink.counters.set_aside_records) == (601, 0)
            assert "out of order" in str(this.uplink.counters.problem)
            this.platform.desk.refuse = lambda payload: None
            await asyncio.sleep(300)
            await this.settle()
            lost, duplicated, wrong = this.check()
            assert (duplicated, wrong) == (0, 0)
            # Eight at most had been refused alone three times; they are kept in the file and reported.
            assert lost <= 8 * 3
            assert this.uplink.counters.set_aside_records == len(this.rows("SELECT * FROM events")) <= 8

    run_virtual(main)


@pytest.mark.parametrize(
    "answer", [b"\xff", b"\x80", b"\xa2\x01\x80\x02\x00", b"\xa2\x01\x81\x82\x19\x27\x0f\x19\x27\x0f\x02\x00"]
)
def test_an_answer_that_means_nothing_acknowledges_nothing(tmp_path: Path, answer: bytes) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            sound = this.platform.desk._answer
            this.platform.desk._answer = lambda *_: Reply("2.04", answer, CBOR)  # type: ignore[method-assign]
            await this.measure_for(60)
            await this.journal.flush()
            assert this.journal.depth == 120
            assert this.uplink.counters.acknowledged_records == 0
            assert 2 < this.uplink.counters.exchanges < 20
            assert this.uplink.counters.problem is not None
            this.platform.desk._answer = sound  # type: ignore[method-assign]
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_an_error_inside_the_coap_library_is_a_failed_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:

            async def stumble(*_: object) -> None:
                raise AttributeError("internals have moved")

            with monkeypatch.context() as patch:
                patch.setattr(this.uplink._parts.client, "_answered", stumble)
                await this.measure_for(30)
                assert this.uplink.counters.failures > 1
                assert "AttributeError" in str(this.uplink.counters.problem)
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)
    assert "internals have moved" in caplog.text


def test_what_is_stored_goes_up_once_although_the_disk_is_full(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        async with pole(clock, tmp_path, disk=disk) as this:
            await this.platform.leave()
            await this.measure_for(5)
            await this.journal.flush()
            disk.full = True
            await this.platform.come_back()
            await this.measure_for(60)
            assert this.platform.count("readings") >= 20
            assert this.journal.trouble is not None
            disk.full = False
            await asyncio.sleep(60)
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.counters.repeated_records == 0

    run_virtual(main)


def test_an_answer_without_a_word_acknowledges_the_message(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            this.platform.desk._answer = lambda *_: Reply("2.04")  # type: ignore[method-assign]
            await this.measure_for(60)
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("coap://platform.example", 'security = "oscore"'),
        ("coap://192.0.2.7:5683", 'security = "oscore"'),
        ("http://127.0.0.1:5683", "coap://"),
        ("coap://", "coap://"),
        ("coap://127.0.0.1:99999", "coap://"),
        ("coap://127.0.0.1/senml?x=1", "coap://"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_their_mend(tmp_path: Path, url: str, mend: str) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        with pytest.raises(UplinkError, match=mend):
            Uplink(UplinkSettings("gp-1", url, CLEAR), journal, clock, over_ip())
        await journal.close()

    run_virtual(main)

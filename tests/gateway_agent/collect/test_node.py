"""Reading a node: identity, clock, slots, events, lamp."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from gateway_agent.collect.latest import LatestValues
from gateway_agent.collect.node_service import CLOCK_TOLERANCE_MS, NodeClock
from gateway_agent.collect.node_slots import NodePoint, SlotBook
from gateway_agent.records import LampOutcome
from hardware.rig.clock import RigClock, run_virtual
from protocols import event_codes, lamp_codes, manhole_codes, node_map, quality
from tests.gateway_agent.collect.model_node import DIGEST, NodeBench


def on_node_bench(body: Callable[[NodeBench], Awaitable[None]]) -> None:
    async def main(clock: RigClock) -> None:
        bench = NodeBench(clock)
        try:
            await body(bench)
            for task in bench.tasks:
                assert not task.done()
        finally:
            await bench.close()

    run_virtual(main)


def test_the_clock_of_a_fresh_node_is_set_to_the_end_of_the_request() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(5)
        assert len(bench.node.written) == 1
        assert abs(bench.node.written[0]) <= 5

    on_node_bench(body)


def test_a_clock_that_is_not_trusted_sets_no_nodes_clock() -> None:
    async def body(bench: NodeBench) -> None:
        bench.clock.is_trusted = False
        await asyncio.sleep(30)
        assert bench.node.written == []
        bench.clock.is_trusted = True
        await asyncio.sleep(15)
        assert len(bench.node.written) == 1

    on_node_bench(body)


@pytest.mark.parametrize("node_off_ms", [86_400_000, -86_400_000, 600])
def test_an_event_of_a_node_is_told_by_our_clock_while_that_is_not_trusted(node_off_ms: int) -> None:
    async def body(bench: NodeBench) -> None:
        bench.clock.is_trusted = False
        bench.node.clock_off_ms = node_off_ms
        await asyncio.sleep(3)
        bench.node.events = [(1, event_codes.INPUT_RAISED, 2, 1)]
        raised_ms = bench.clock.unix_ms()
        await asyncio.sleep(2)
        (event,) = bench.sink.node_events
        assert -50 <= event.time_ms - raised_ms <= 600

    on_node_bench(body)


def test_a_clock_that_is_off_twice_is_set_and_a_single_late_byte_does_not_move_it() -> None:
    clock = NodeClock()
    assert clock.wants_setting(None, 1_000)
    looks = [(25, False), (5, False), (-30, False), (30, False), (CLOCK_TOLERANCE_MS + 1, True), (30, False)]
    assert [clock.wants_setting(10_000 + off, 10_000) for off, _ in looks] == [wanted for _, wanted in looks]


def test_a_sample_is_taken_once_and_stamped_with_its_age_or_its_slot() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(1.5)
        bench.node.sample(0, 215, 1)
        taken_ms = bench.clock.unix_ms()
        await asyncio.sleep(8.9)
        (sample,) = bench.sink.samples
        assert (sample.point, sample.value, sample.exponent) == ("air/temperature", 215, -1)
        assert 0 <= sample.time_ms - taken_ms <= 30
        bench.node.sample(0, 215, 2)
        await asyncio.sleep(4)
        assert [one.value for one in bench.sink.samples] == [215, 215]
        slot_ms = bench.sink.samples[1].time_ms
        assert slot_ms == taken_ms + 8_500
        assert slot_ms % 2_000 == 0

    on_node_bench(body)


def test_only_good_quality_makes_a_reading() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(1)
        bench.node.samples = [(7, number, 1, bench.clock.unix_ms()) for number in (2, 5, quality.WARMING_UP)]
        await asyncio.sleep(4)
        assert bench.sink.samples == []
        assert [state.quality for state in bench.latest.states()] == [2, 5, quality.WARMING_UP]

    on_node_bench(body)


def test_a_counter_that_came_round_to_the_same_number_is_a_new_sample() -> None:
    async def body(bench: NodeBench) -> None:
        for value in (1, 2):
            await asyncio.sleep(2)
            bench.node.sample(1, value, 9)
        await asyncio.sleep(3)
        assert [one.value for one in bench.sink.samples] == [1, 2]

    on_node_bench(body)


def test_an_event_becomes_an_alarm_and_is_acknowledged_when_it_is_safe() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(3)
        bench.node.events = [(1, event_codes.INPUT_RAISED, 2, 1)]
        bench.sink.unsafe = True
        await asyncio.sleep(2)
        assert bench.node.acknowledged == []
        assert len(bench.sink.node_events) == 1
        bench.sink.unsafe = False
        await asyncio.sleep(1)
        (event,) = bench.sink.node_events
        assert (event.name, event.kind, event.code, event.state) == ("cover/open", "alarm", "input", True)
        assert (event.source, event.origin) == ("lamp_node", (5, 1))
        assert bench.node.acknowledged == [(5, 1)]

    on_node_bench(body)


def test_more_events_than_a_window_holds_are_taken_in_order_and_none_twice() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(3)
        bench.node.events = [(number, event_codes.INPUT_RAISED, 2, number) for number in range(1, 21)]
        await asyncio.sleep(3)
        assert [event.value for event in bench.sink.node_events] == list(range(1, 21))
        assert [sequence for _, sequence in bench.node.acknowledged] == [8, 16, 20]

    on_node_bench(body)


def test_an_event_from_before_a_restart_keeps_the_name_that_it_had() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(3)
        bench.node.epochs_ago = 2
        bench.node.events = [(7, event_codes.INPUT_RAISED, 2, 1)]
        await asyncio.sleep(2)
        assert [event.origin for event in bench.sink.node_events] == [(3, 7)]
        assert bench.node.acknowledged == [(3, 7)]

    on_node_bench(body)


def test_what_a_node_tells_is_named_for_people() -> None:
    told = {
        (event_codes.NODE_STARTED, 0xFFFF): ("lamp_node", "event", "node-started", None),
        (event_codes.INPUT_CLEARED, 2): ("cover/open", "alarm", "input", False),
        (event_codes.DEVICE_LOST, 0): ("air", "event", "device-lost", None),
        (event_codes.DEVICE_BACK, 1): ("air", "event", "device-back", None),
        (event_codes.LAMP_FAILED, 0xFFFF): ("lamp", "alarm", "lamp-failed", True),
        (event_codes.EVENTS_LOST, 0xFFFF): ("lamp_node", "alarm", "events-lost", True),
        (event_codes.MANHOLE_ALARM_FIRST + manhole_codes.O2_LOW, 1): ("lamp_node", "alarm", "o2-low", True),
        (event_codes.MANHOLE_ACKNOWLEDGED, 0xFFFF): ("lamp_node", "event", "manhole-acknowledged", None),
        (99, 77): ("lamp_node", "event", "code-99", None),
    }

    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(3)
        bench.node.events = [(number, *place, -3) for number, place in enumerate(told, 1)]
        await asyncio.sleep(2)
        named = [(event.name, event.kind, event.code, event.state) for event in bench.sink.node_events]
        assert named == list(told.values())
        assert {event.value for event in bench.sink.node_events} == {-3}
        (cleared,) = bench.sink.noticed_events
        assert (cleared.name, cleared.code, cleared.state) == ("lamp_node", "events-lost", False)

    on_node_bench(body)


def test_a_fault_that_is_over_and_an_alarm_of_a_manhole_that_has_gone_are_cleared_under_their_names() -> None:
    gear = event_codes.LAMP_FAULT_FIRST + lamp_codes.GEAR_SILENT
    cover = event_codes.MANHOLE_ALARM_FIRST + manhole_codes.COVER_OPEN
    events = [
        (event_codes.LAMP_FAILED, 0xFFFF, lamp_codes.NOT_KEPT),
        (event_codes.LAMP_FAILED, 0xFFFF, lamp_codes.NO_REASON),
        (gear, 0xFFFF, 1),
        (gear, 0xFFFF, 0),
        (cover, 0, 250),
        (event_codes.MANHOLE_ALARM_CLEARED, 0, manhole_codes.COVER_OPEN),
    ]

    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(3)
        bench.node.events = [(number, *event) for number, event in enumerate(events, 1)]
        await asyncio.sleep(2)
        assert [(event.name, event.code, event.state) for event in bench.sink.node_events] == [
            (name, code, state)
            for name, code in (("lamp", "lamp-failed"), ("lamp", "lamp-gear-silent"), ("lamp_node", "cover-open"))
            for state in (True, False)
        ]

    on_node_bench(body)


def test_a_node_that_starts_again_gets_its_time_first_and_its_samples_are_taken_anew() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(1)
        bench.node.sample(0, 1, 1)
        await asyncio.sleep(4)
        bench.node.restart()
        bench.node.sample(0, 2, 1)
        restarted_ms = bench.clock.unix_ms()
        await asyncio.sleep(4)
        assert [one.value for one in bench.sink.samples] == [1, 2]
        (event,) = bench.sink.node_events
        assert (event.code, event.origin) == ("node-started", (6, 1))
        assert restarted_ms - 50 <= event.time_ms <= restarted_ms + 2_000
        assert len(bench.node.written) == 2
        forgotten = bench.sink.forgotten_alarms
        assert {("cover/open", "input"), ("lamp", "lamp-failure"), ("lamp", "lamp-failed")} <= set(forgotten)
        assert not any(code in ("cover-open", "events-lost") for _name, code in forgotten)

    on_node_bench(body)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"digest": DIGEST + 1}, "`gatepost node-settings pole.toml lamp_node`"),
        ({"magic": 7}, "is no Gatepost node"),
        ({"version": 9}, "version 9 of the register map"),
    ],
    ids=["table", "magic", "version"],
)
def test_a_node_that_is_not_ours_is_not_read_and_the_mend_is_told_once(
    change: dict[str, int], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(bench: NodeBench) -> None:
        for name, value in change.items():
            setattr(bench.node, name, value)
        bench.node.sample(0, 1, 1)
        bench.node.events = [(1, event_codes.INPUT_RAISED, 2, 1)]
        await asyncio.sleep(20)
        assert (bench.sink.samples, bench.sink.node_events, bench.node.written) == ([], [], [])
        assert words in str(bench.reader.problem)
        assert [event.code for event in bench.sink.noticed_events] == ["wrong-table"]
        bench.node.digest, bench.node.version, bench.node.magic = (
            DIGEST,
            node_map.IDENTITY_MAP_VERSION_VALUE,
            0x4750,
        )
        bench.node.sample(0, 1, 1)
        await asyncio.sleep(4)
        assert [one.value for one in bench.sink.samples] == [1]
        assert bench.reader.problem is None

    with caplog.at_level(logging.ERROR, "gateway_agent"):
        on_node_bench(body)
    assert len([record for record in caplog.records if words in record.message]) == 1


def test_a_node_that_falls_silent_is_lost_and_back() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(3)
        bench.node.is_mute = True
        await asyncio.sleep(20)
        assert [event.code for event in bench.sink.noticed_events] == ["device-lost"]
        assert {state.quality for state in bench.latest.states()} == {quality.NO_ANSWER}
        bench.node.is_mute = False
        bench.node.sample(0, 4, 3)
        await asyncio.sleep(60)
        assert [event.code for event in bench.sink.noticed_events] == ["device-lost", "device-back"]
        assert [one.value for one in bench.sink.samples] == [4]

    on_node_bench(body)


def test_a_lamp_command_is_written_once_and_confirmed_by_what_the_driver_reads_back() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(3)
        bench.node.lamp_state[0] = 0xFFFF
        outcome = await bench.reader.lamp.set(40, 2, 1_800_000_000_999)
        assert outcome == LampOutcome("confirmed", 40, "the driver reads back 40 %")
        assert bench.node.commands == [(1, 40, 2, 1_800_000_000 >> 16, 1_800_000_000 & 0xFFFF, 0, 0, 0)]

    on_node_bench(body)


def test_a_manhole_command_is_written_and_a_refusal_or_silence_is_told() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(3)
        assert (await bench.reader.manhole(0x8001, 0)).state == "confirmed"
        assert bench.node.manhole_commands == [(0x8001, 0)]
        refused = await bench.reader.manhole(0, 1)
        assert (refused.state, "no accelerometer" in refused.detail) == ("refused", True)
        bench.node.is_mute = True
        assert (await bench.reader.manhole(1, 0)).state == "failed"

    on_node_bench(body)


def test_a_lamp_that_takes_its_time_is_waited_for_and_one_command_follows_the_other() -> None:
    async def body(bench: NodeBench) -> None:
        def work(command: tuple[int, ...]) -> None:
            bench.node.lamp_state = [command[0], lamp_codes.WORKING, 0, command[1], lamp_codes.LEVEL_UNKNOWN, 0]
            done = [command[0], lamp_codes.CONFIRMED, 0, command[1], command[1], 200]
            asyncio.get_running_loop().call_later(3, setattr, bench.node, "lamp_state", done)

        bench.node.on_command = work
        await asyncio.sleep(3)
        outcomes = await asyncio.gather(*(bench.reader.lamp.set(level, 2, 0) for level in (10, 90)))
        assert [outcome.actual_pct for outcome in outcomes] == [10, 90]
        assert [command[0] for command in bench.node.commands] == [1, 2]

    on_node_bench(body)


@pytest.mark.parametrize(
    ("result", "reason", "state", "words"),
    [
        (lamp_codes.FAILED, lamp_codes.DRIVER_SILENT, "failed", "driver does not answer"),
        (lamp_codes.REFUSED, lamp_codes.NO_LAMP, "refused", "has no lamp"),
        (lamp_codes.FAILED, 77, "failed", "reason 77"),
    ],
    ids=["silent", "no-lamp", "unknown"],
)
def test_a_lamp_that_fails_says_why(result: int, reason: int, state: str, words: str) -> None:
    async def body(bench: NodeBench) -> None:
        def fail(command: tuple[int, ...]) -> None:
            bench.node.lamp_state = [command[0], result, reason, command[1], lamp_codes.LEVEL_UNKNOWN, 0]

        bench.node.on_command = fail
        await asyncio.sleep(3)
        outcome = await bench.reader.lamp.set(40, 0, 0)
        assert (outcome.state, outcome.actual_pct) == (state, None)
        assert words in outcome.detail

    on_node_bench(body)


def test_a_lamp_on_a_silent_node_fails_in_bounded_time() -> None:
    async def body(bench: NodeBench) -> None:
        await asyncio.sleep(3)
        loop = asyncio.get_running_loop()
        bench.node.on_command = lambda command: setattr(bench.node, "is_mute", True)
        started = loop.time()
        outcome = await bench.reader.lamp.set(40, 5, 0)
        assert (outcome.state, outcome.actual_pct) == ("failed", None)
        assert "the node does not answer" in outcome.detail
        assert loop.time() - started < 25
        assert (await bench.reader.lamp.set(101, 0, 0)).state == "refused"

    on_node_bench(body)


def test_noise_before_every_answer_of_a_node_loses_no_sample() -> None:
    async def body(bench: NodeBench) -> None:
        send = bench.node._drop.send
        bench.node._drop.send = lambda data: send(b"\x00" + data)  # type: ignore[method-assign]
        for number in range(20):
            bench.node.sample(0, number, number & 0xFF)
            await asyncio.sleep(2)
        values = [one.value for one in bench.sink.samples]
        assert values == list(range(values[0], 20))
        assert len(values) >= 18

    on_node_bench(body)


def test_many_slots_are_read_in_few_requests_of_whole_slots_and_fail_apart() -> None:
    latest = LatestValues()
    points = [NodePoint(f"d/p{number}", "d", 0, "V", 2_000) for number in range(70)]
    book = SlotBook(points, latest)
    assert book.reads() == [(0x0200, 124), (0x0200 + 124, 124), (0x0200 + 248, 32)]
    book.no_value(0x0200 + 124, 124, quality.BAD_ANSWER)
    bad = [number for number, state in enumerate(latest.states()) if state.quality == quality.BAD_ANSWER]
    assert bad == list(range(31, 62))


def test_two_samples_in_one_slot_have_two_times_and_a_step_makes_no_sample_new() -> None:
    book = SlotBook([NodePoint("air/temperature", "air", -1, "Cel", 2_000)], LatestValues())

    def taken(counter: int, age_10ms: int, answered_ms: int, offset_ms: int) -> list[int]:
        registers = [0, 215, quality.GOOD << 8 | counter, age_10ms]
        return [one.time_ms for one in book.take(node_map.SLOTS, registers, answered_ms, offset_ms)]

    offset_ms = 1_781_740_800_000
    assert taken(1, 10, 100_300, offset_ms) == [offset_ms + 100_000]
    assert taken(2, 0, 100_900, offset_ms) == [offset_ms + 100_900]
    for step_ms in (-86_400_000, 31_536_000_000):
        assert taken(2, 60, 101_500, offset_ms + step_ms) == []
    assert taken(3, 0, 102_500, offset_ms - 86_400_000) == [offset_ms - 86_400_000 + 102_000]


def test_a_sample_that_was_taken_before_the_start_was_noticed_is_not_taken_again() -> None:
    point = NodePoint("air/temperature", "air", -1, "Cel", 2_000)
    book = SlotBook([point], LatestValues())

    def taken(counter: int, age_10ms: int, answered_ms: int) -> int:
        registers = [0, 215, quality.GOOD << 8 | counter, age_10ms]
        return len(book.take(node_map.SLOTS, registers, answered_ms))

    assert taken(1, 0, 100_000) == 1
    book.forget()
    assert taken(1, 50, 100_507) == 0
    assert taken(1, 150, 101_503) == 0
    assert taken(2, 0, 102_000) == 1
    book.forget()
    assert taken(2, 0, 102_700) == 1

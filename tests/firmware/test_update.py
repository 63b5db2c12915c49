"""A signed update over the pole bus: sent, resumed, verified, tried, kept or left."""

import asyncio
import itertools
from pathlib import Path

import pytest

from hardware.bundle.firmware_files import firmware_files
from protocols import event_codes, update_codes
from tests.firmware.update_bench import (
    NEW,
    OLD,
    UpdateBench,
    bundle_of,
    changed_bundle,
    lay_bundle,
    lay_key,
    lay_new,
    on_update_bench,
    other_key,
    signing_key,
    updated,
)

POLLED_AFTER_S = 3


def test_a_new_version_is_sent_tried_and_kept(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        assert await bench.version() == OLD
        outcome = await updated(bench, bundle_of(NEW))
        assert (outcome.result, outcome.reason) == ("kept", 0), outcome
        assert await bench.version() == NEW
        assert await bench.event_values(event_codes.UPDATE_KEPT) == [0]
        machine = bench.bench.machine
        machine.kill()
        await bench.bench.power_on()
        assert await bench.version() == NEW
        assert (await bench.state()).state == update_codes.KEPT

    on_update_bench(tmp_path, body)


def test_the_devices_are_polled_all_through_the_transfer(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        asked = bench.sensor.asked
        before = len(asked)
        outcome = await bench.update(bundle_of(NEW)).send()
        assert outcome.result == "ready"
        times = [when for when, _ in asked[before:]]
        assert len(times) > 60
        assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 1.5

    on_update_bench(tmp_path, body)


def test_after_a_lost_gateway_the_transfer_goes_on_at_the_byte_it_had(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        seen: list[int] = []
        sending = asyncio.create_task(bench.update(bundle_of(NEW)).send(lambda done, _total: seen.append(done)))
        while not seen or seen[-1] < 40_000:
            await asyncio.sleep(0.1)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await asyncio.sleep(30)
        there = (await bench.state()).received_bytes
        assert there >= seen[-1]
        again: list[int] = []
        outcome = await bench.update(bundle_of(NEW)).run(lambda done, _total: again.append(done))
        assert outcome.result == "kept"
        assert again[0] == there

    on_update_bench(tmp_path, body)


def test_after_two_silent_minutes_the_node_frees_its_memory_and_keeps_every_byte(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        seen: list[int] = []
        sending = asyncio.create_task(bench.update(bundle_of(NEW)).send(lambda done, _total: seen.append(done)))
        while not seen or seen[-1] < 31_000:
            await asyncio.sleep(0.1)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        there = (await bench.state()).received_bytes
        await asyncio.sleep(150)
        state = await bench.state()
        assert (state.state, state.reason) == (update_codes.IDLE, update_codes.INTERRUPTED)
        bench.bench.machine.kill()
        await bench.bench.power_on()
        again: list[int] = []
        outcome = await bench.update(bundle_of(NEW)).send(lambda done, _total: again.append(done))
        assert outcome.result == "ready"
        assert again[0] == there

    on_update_bench(tmp_path, body)


def test_after_a_power_cut_the_transfer_goes_on_within_one_piece(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        seen: list[int] = []
        sending = asyncio.create_task(bench.update(bundle_of(NEW)).run(lambda done, _total: seen.append(done)))
        while not seen or seen[-1] < 40_000:
            await asyncio.sleep(0.1)
        bench.bench.machine.kill()
        await asyncio.sleep(5)
        reached = len(seen)
        await bench.bench.power_on()
        assert await bench.version() == OLD
        outcome = await sending
        assert outcome.result == "kept", outcome
        assert seen[reached - 1] - 4340 <= seen[reached] <= seen[reached - 1] + 244
        assert await bench.version() == NEW

    on_update_bench(tmp_path, body)


def test_a_version_that_nobody_reads_goes_back(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        update = bench.update(bundle_of(NEW))
        assert (await update.send()).result == "ready"
        await update._command(update_codes.TRY)
        await asyncio.sleep(400)
        state = await bench.state()
        assert (state.state, state.reason) == (update_codes.WENT_BACK, update_codes.GATEWAY_SILENT)
        assert await bench.version() == OLD
        assert await bench.event_values(event_codes.UPDATE_WENT_BACK) == [update_codes.GATEWAY_SILENT]

    on_update_bench(tmp_path, body, prepare=lay_new)


def test_a_version_under_which_a_device_falls_silent_goes_back(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        update = bench.update(bundle_of(NEW))
        assert (await update.send()).result == "ready"
        bench.sensor.is_mute = True
        outcome = await update.try_it()
        assert (outcome.result, outcome.reason) == ("went-back", update_codes.DEVICES_SILENT)
        assert await bench.version() == OLD
        bench.sensor.is_mute = False
        again = await update.run()
        assert again.result == "kept"

    on_update_bench(tmp_path, body, prepare=lay_new)


def test_a_device_that_was_silent_before_the_update_does_not_keep_it_away(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        assert (await updated(bench, bundle_of(NEW))).result == "kept"

    on_update_bench(tmp_path, body, prepare=lay_new, with_sensor=False)


def test_a_power_cut_in_the_trial_is_its_end_and_another_trial_needs_no_transfer(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        update = bench.update(bundle_of(NEW))
        assert (await update.send()).result == "ready"
        bench.sensor.is_mute = True
        trying = asyncio.create_task(update.try_it())
        while (await bench.state_or_none()) != update_codes.TRIAL:
            await asyncio.sleep(0.5)
        bench.bench.machine.kill()
        await bench.bench.power_on()
        outcome = await trying
        assert (outcome.result, outcome.reason) == ("went-back", update_codes.RESTARTED)
        bench.sensor.is_mute = False
        await asyncio.sleep(POLLED_AFTER_S)
        seen: list[int] = []
        assert (await update.run(lambda done, _total: seen.append(done))).result == "kept"
        assert seen in ([], [len(bundle_of(NEW).content)])

    on_update_bench(tmp_path, body, prepare=lay_new)


BROKEN = {
    "cannot be loaded": ({"node/app.py": "import nothing_of_the_kind\n"}, update_codes.CANNOT_START),
    "ends by an error": ({"node/server.py": "raise RuntimeError(1)\n"}, update_codes.CRASHED),
    "hangs": (
        {"node/app.py": "import asyncio\nfrom node import board\n\ndef main():\n    board.start_watchdog()\n"
         "    asyncio.run(asyncio.sleep(10000))\n"},
        update_codes.CRASHED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_version_that_does_not_run_goes_back_by_itself(tmp_path: Path, kind: str) -> None:
    changes, reason = BROKEN[kind]
    broken = changed_bundle(NEW, changes)

    def prepare(flash: Path) -> None:
        lay_key(flash)
        lay_bundle(flash, broken, firmware_files(NEW, changes))

    async def body(bench: UpdateBench) -> None:
        outcome = await updated(bench, broken)
        assert (outcome.result, outcome.reason) == ("went-back", reason), outcome
        assert await bench.version() == OLD
        bench.bench.machine.printed.clear()

    on_update_bench(tmp_path, body, prepare=prepare)


def test_a_bundle_signed_by_the_second_key_is_taken(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        assert (await bench.update(bundle_of(NEW)).send()).result == "ready"

    def prepare(flash: Path) -> None:
        lay_new(flash)
        lay_key(flash, other_key(), signing_key())

    on_update_bench(tmp_path, body, prepare=prepare)


def test_the_floor_outlives_the_version_that_raised_it(tmp_path: Path) -> None:
    strict = bundle_of(NEW, minimum=(0, 1, 5))

    def prepare(flash: Path) -> None:
        lay_key(flash)
        lay_bundle(flash, strict, firmware_files(NEW))

    async def body(bench: UpdateBench) -> None:
        assert (await updated(bench, strict)).result == "kept"
        refused = await updated(bench, bundle_of(OLD))
        assert (refused.result, refused.reason) == ("refused", update_codes.TOO_OLD)
        assert (await updated(bench, bundle_of((0, 1, 9)))).result == "kept"
        refused = await updated(bench, bundle_of((0, 1, 4)))
        assert (refused.result, refused.reason) == ("refused", update_codes.TOO_OLD)

    on_update_bench(tmp_path, body, prepare=prepare)


def test_during_a_trial_no_other_update_begins(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        update = bench.update(bundle_of(NEW))
        assert (await update.send()).result == "ready"
        bench.sensor.is_mute = True
        await update._command(update_codes.TRY)
        await asyncio.sleep(5)
        assert (await bench.state()).state == update_codes.TRIAL
        other = await bench.update(bundle_of((0, 3, 0)), silent_limit_s=5).send()
        assert other.result == "failed"
        assert (tmp_path / "slot_a/manifest.bin").exists()

    on_update_bench(tmp_path, body, prepare=lay_new)


def test_the_modules_of_an_update_leave_the_heap_after_it(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        machine = bench.bench.machine
        await asyncio.sleep(5)
        first = await bench.update(bundle_of(NEW)).send()
        assert first.result == "ready"
        await asyncio.sleep(65)
        after_one = machine.info()["heap_used_bytes"]
        assert (await bench.update(bundle_of((0, 3, 0))).send()).result == "ready"
        await asyncio.sleep(65)
        assert machine.info()["heap_used_bytes"] <= after_one + 256

    on_update_bench(tmp_path, body)

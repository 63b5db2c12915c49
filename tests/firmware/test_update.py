"""A signed update over the pole bus: sent, resumed, verified, tried, kept or left."""

import asyncio
from pathlib import Path

import pytest

from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import Write
from hardware.bundle.firmware_files import firmware_files, sources
from hardware.rig.line_faults import BitFlips, LineFaults, LostBytes, Mute, NoiseBefore
from hardware.rig.machine.node_machine import STOCK_ESP32_HEAP_BYTES
from protocols import event_codes, node_map, quality, update_codes
from protocols.node_table_writer import NodeTableWriter
from tests.firmware import demo_nodes
from tests.firmware.boot_files import boot_block, newest_body, write_boot
from tests.firmware.test_lamp import ACTUAL, CURVE, LEVEL, Driver
from tests.firmware.update_bench import (
    NEW,
    OLD,
    SENSOR,
    UpdateBench,
    ballast_bundle,
    bundle_of,
    changed_bundle,
    lay_bundle,
    lay_key,
    lay_new,
    linked,
    on_update_bench,
    other_key,
    signing_key,
    updated,
)
from tests.firmware.workbench import NODE, Workbench

POLLED_AFTER_S = 3
HEAP_LEFT_BYTES = 16_384


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


def lamp_table() -> bytes:
    """A lamp's driver, read every second, and a sensor beside it."""
    writer = NodeTableWriter(9600, node_unit=NODE)
    device = writer.add_device(1000, 1, 200, 5, 1)
    writer.add_request(1, 3, ACTUAL, 1)
    slot = writer.add_point("u16", 0, 0, 255)
    writer.set_lamp(device, 1, 6, LEVEL, slot, 1, 3, ACTUAL, 100, CURVE)
    writer.add_device(1000, SENSOR, 200, 5, 1)
    writer.add_request(SENSOR, 3, 0, 1)
    writer.add_point("u16", 0, 0, 65535)
    return writer.table()


async def lamp_delay_s(bench: UpdateBench, driver: Driver, sequence: int, level_pct: int) -> float:
    """Command the lamp, as the gateway does in the middle of a transfer; seconds until the driver has the level."""
    registers = [sequence, level_pct, 0, 0, 0]
    write = Write(NODE, node_map.LAMP_COMMAND, len(registers), lambda _end_ms: registers)
    await bench.link.write(write, Urgency.COMMAND)
    loop = asyncio.get_running_loop()
    start = loop.time()
    while driver.registers[LEVEL] != CURVE[level_pct] and loop.time() < start + 10:
        await asyncio.sleep(0.01)
    return loop.time() - start


def test_no_poll_is_missed_and_the_lamp_obeys_all_through_the_transfer(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        driver = Driver(bench.bench.sensors, 1, {LEVEL: 0, ACTUAL: 0})
        await bench.bench.master.set_time(bench.bench.clock.unix_ms())
        await asyncio.sleep(12)  # the driver was lost before it was plugged in
        loop = asyncio.get_running_loop()
        before, start = len(bench.sensor.asked), loop.time()
        sending = asyncio.create_task(bench.update(ballast_bundle(NEW)).send())
        delays = []
        while not sending.done():
            delays.append(await lamp_delay_s(bench, driver, len(delays) + 1, 10 + 60 * (len(delays) % 2)))
            await asyncio.sleep(2)
        assert (await sending).result == "ready"
        polls, seconds = len(bench.sensor.asked) - before, loop.time() - start
        print(f"{polls} polls in {seconds:.1f} s; {len(delays)} lamp commands, the slowest took {max(delays):.2f} s")
        assert len(delays) > 8
        assert max(delays) < 1
        assert polls >= int(seconds)
        assert (await bench.bench.master.slot(1)).quality == quality.GOOD

    on_update_bench(tmp_path, body, table=lamp_table())


def test_an_update_of_the_demos_lamp_node_fits_into_a_stock_board(tmp_path: Path) -> None:
    pole = demo_nodes.demo_pole(tmp_path)
    node = demo_nodes.CASES["lamp-air"]

    async def body(bench: Workbench) -> None:
        lay_key(tmp_path / node)
        bench.machine.watches_heap = True
        await bench.power_on()
        await asyncio.sleep(60)
        bench.machine.heap_peak_bytes = 0
        async with linked(bench) as gateway:
            assert (await gateway.update(ballast_bundle(NEW)).send()).result == "ready"
        print(f"the heap's peak in a transfer is {bench.machine.heap_peak_bytes} bytes")
        assert bench.machine.heap_peak_bytes < STOCK_ESP32_HEAP_BYTES - HEAP_LEFT_BYTES
        assert bench.machine.ends == []

    demo_nodes.on_bench_with_devices(tmp_path, pole, node, body)


def test_a_noisy_bus_costs_time_and_nothing_else(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        there = LineFaults(1, BitFlips(1e-4), LostBytes(2e-4), NoiseBefore(None, 2, 0.2))
        back = LineFaults(2, BitFlips(1e-4), Mute(0.05), NoiseBefore(None, 2, 0.2))
        bench.port.drop.faults, bench.bench.pole_drop.faults = there, back
        seen: list[int] = []
        outcome = await bench.update(ballast_bundle(NEW), silent_limit_s=60).send(
            lambda done, _total: seen.append(done)
        )
        print(f"{there.hits} of {there.frames} requests, {back.hits} of {back.frames} answers")
        assert outcome.result == "ready", outcome
        assert sum(there.hits.values()) > 40
        assert sum(back.hits.values()) > 40
        assert seen == sorted(seen)
        bench.port.drop.faults = bench.bench.pole_drop.faults = None

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
        sending = asyncio.create_task(bench.update(ballast_bundle(NEW)).send(lambda done, _total: seen.append(done)))
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
        outcome = await bench.update(ballast_bundle(NEW)).send(lambda done, _total: again.append(done))
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


def has_spare(flash: Path) -> bool:
    """Whether the node would go back to its other slot if the version that runs went on crashing."""
    body = newest_body(flash, "boot")
    return body is not None and body[8] == 1


def test_the_floor_outlives_the_version_that_raised_it(tmp_path: Path) -> None:
    strict = bundle_of(NEW, minimum=(0, 1, 5))

    def prepare(flash: Path) -> None:
        lay_key(flash)
        lay_bundle(flash, strict, firmware_files(NEW))

    async def body(bench: UpdateBench) -> None:
        assert (await updated(bench, strict)).result == "kept"
        assert not has_spare(tmp_path)
        assert newest_body(tmp_path, "floor") == bytes([0, 1, 0, 5])
        refused = await updated(bench, bundle_of(OLD))
        assert (refused.result, refused.reason) == ("refused", update_codes.TOO_OLD)
        assert (await updated(bench, bundle_of((0, 1, 9)))).result == "kept"
        assert has_spare(tmp_path)
        refused = await updated(bench, bundle_of((0, 1, 4)))
        assert (refused.result, refused.reason) == ("refused", update_codes.TOO_OLD)

    on_update_bench(tmp_path, body, prepare=prepare)


def replaced(flash: Path, name: str, old: str, new: str) -> None:
    """Lay the version that runs with one place of one module changed."""
    source = sources()[name]
    assert old in source
    for path, content in firmware_files(OLD, {name: source.replace(old, new)}).items():
        (flash / "slot_a" / path).write_bytes(content)


def test_a_flash_without_room_is_told_before_a_file_is_sent(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        outcome = await updated(bench, bundle_of(NEW))
        assert (outcome.result, outcome.reason) == ("refused", update_codes.FLASH_FULL)
        assert not list((tmp_path / "slot_b").rglob("*.mpy"))
        assert await bench.version() == OLD

    def prepare(flash: Path) -> None:
        lay_new(flash)
        full = "(4096, 4096, 512, 60, 60)"
        replaced(flash, "node/update_slot.py", "os.statvfs(self.folder)", full)
        for path in (flash / "slot_b/node/app.mpy", flash / "slot_b/manifest.bin"):
            path.unlink()

    on_update_bench(tmp_path, body, prepare=prepare)


def test_too_little_heap_to_begin_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        outcome = await updated(bench, bundle_of(NEW))
        assert (outcome.result, outcome.reason) == ("refused", update_codes.NO_MEMORY)
        assert bench.bench.machine.starts == 1

    def prepare(flash: Path) -> None:
        lay_key(flash)
        replaced(flash, "node/update_signature.py", "_PAUSE_MS = const(1)", "bytearray(1 << 28)")

    on_update_bench(tmp_path, body, prepare=prepare)


def test_a_node_in_safe_mode_is_mended_by_an_update(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        assert boot_block(await bench.bench.master.read(node_map.BOOT, 12)).safe_mode == 1
        assert (await bench.update(bundle_of(NEW)).run()).result == "kept"
        await asyncio.sleep(POLLED_AFTER_S)
        assert (await bench.bench.master.slot(0)).quality == quality.GOOD
        bench.bench.machine.kill()
        await bench.bench.power_on()
        assert boot_block(await bench.bench.master.read(node_map.BOOT, 12)).safe_mode == 0

    def prepare(flash: Path) -> None:
        lay_new(flash)
        write_boot(flash, crashes=3, safe_mode=1)

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
        first = await bench.update(ballast_bundle(NEW)).send()
        assert first.result == "ready"
        await asyncio.sleep(65)
        after_one = machine.info()["heap_used_bytes"]
        assert (await bench.update(ballast_bundle((0, 3, 0))).send()).result == "ready"
        await asyncio.sleep(65)
        assert machine.info()["heap_used_bytes"] <= after_one + 256

    on_update_bench(tmp_path, body)

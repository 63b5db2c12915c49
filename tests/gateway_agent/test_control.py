"""Commands: stored before they act, carried out once, and their outcome told; whatever restarts in between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway_agent.control import Control, find_problem
from gateway_agent.errors import GatepostError
from gateway_agent.journal import RESULT, Journal
from gateway_agent.journal.commands import StoredCommand, unfinished_commands
from gateway_agent.records import Command, CommandResult, LampOutcome
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.gateway_agent.uplink.pole import pole


class Lamps:
    """Lamps that take their time; `log` is what reached them, `looks_at` is called when one is reached."""

    def __init__(self, takes_s: float = 1.0) -> None:
        self.takes_s = takes_s
        self.log: list[tuple[str, int, int, int]] = []
        self.outcome: LampOutcome | Exception | None = None
        self.looks_at: Callable[[], None] = lambda: None

    async def lamp(
        self, target: str, level_pct: int, fade_s: int, expires_ms: int, hold_s: int, reason: int
    ) -> LampOutcome:
        self.looks_at()
        self.log.append((target, level_pct, fade_s, expires_ms))
        await asyncio.sleep(self.takes_s)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome or LampOutcome("confirmed", level_pct, "")

    async def look_at_lamp(self, target: str, fade_s: int) -> LampOutcome:
        levels = [level_pct for lamp, level_pct, *_ in self.log if lamp == target]
        return LampOutcome("confirmed", levels[-1] if levels else 70, "read back")

    async def manhole(self, target: str, acknowledge: int, learn: int) -> LampOutcome:
        self.log.append((target, acknowledge, learn, 0))
        return LampOutcome("confirmed", None, "")

    async def send_log(self) -> LampOutcome:
        self.log.append(("gateway", 0, 0, 0))
        return LampOutcome("confirmed", None, "")


@asynccontextmanager
async def running(journal: Journal, lamps: Lamps, clock: RigClock) -> AsyncIterator[Control]:
    control = Control(journal, lamps, clock)
    task = asyncio.create_task(control.run())
    try:
        yield control
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def unfinished(journal: Journal) -> list[StoredCommand]:
    """Commands without a result, as they stand on the disk at this moment."""
    return unfinished_commands(journal._writer.contents.items)


async def results(journal: Journal) -> list[CommandResult]:
    contents = [record.content for record in await journal.read(RESULT, 100)]
    return [content for content in contents if isinstance(content, CommandResult)]


def dim(number: int = 1, level_pct: int = 40, expires_ms: int = 0, target: str = "street_lamp") -> Command:
    return Command(f"dim-{number}", "lamp", target, {"level_pct": level_pct, "fade_s": 2}, expires_ms)


def test_a_command_is_durably_acting_before_it_reaches_the_lamp_and_its_result_is_stored(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal, lamps, states = Journal.open(tmp_path / "j.sqlite", clock), Lamps(), []
        lamps.looks_at = lambda: states.extend(stored.state for stored in unfinished(journal))
        async with running(journal, lamps, clock) as control:
            control.offer([dim(expires_ms=clock.unix_ms() + 9000)])
            await asyncio.sleep(0.5)
            assert [view.state for view in control.recent] == ["acting"]
            await asyncio.sleep(1)
            assert [view.state for view in control.recent] == ["confirmed"]
        assert states == ["acting"]
        assert lamps.log == [("street_lamp", 40, 2, clock.unix_ms() + 9000 - 1500)]
        assert [(result.state, result.level_pct) for result in await results(journal)] == [("confirmed", 40)]
        await journal.close()

    run_virtual(main)


def test_a_command_that_expires_waits_until_the_time_is_known(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal, lamps = Journal.open(tmp_path / "j.sqlite", clock), Lamps()
        clock.is_trusted = False
        async with running(journal, lamps, clock) as control:
            control.offer([dim(1, expires_ms=clock.unix_ms() + 5_000), dim(2, target="other")])
            await asyncio.sleep(10)
            assert [entry[0] for entry in lamps.log] == ["other"]
            clock.is_trusted = True
            await asyncio.sleep(2)
        states = {result.command_id: result.state for result in await results(journal)}
        assert states == {"dim-1": "expired", "dim-2": "confirmed"}
        assert len(lamps.log) == 1
        await journal.close()

    run_virtual(main)


def test_a_command_that_is_repeated_acts_once_and_its_result_is_repeated(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal, lamps = Journal.open(tmp_path / "j.sqlite", clock), Lamps()
        async with running(journal, lamps, clock) as control:
            for _ in range(20):
                control.offer([dim(), dim()])
                await asyncio.sleep(0.2)
            assert len(lamps.log) == len(await results(journal)) == 1
            sequences = [record.sequence for record in await journal.read(RESULT, 10)]
            await journal.acknowledge(sequences)
            control.offer([dim()])
            await asyncio.sleep(2)
            assert len(lamps.log) == len(await results(journal)) == 1
        await journal.close()

    run_virtual(main)


def test_commands_of_one_lamp_go_in_order_and_those_of_others_meanwhile(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal, lamps = Journal.open(tmp_path / "j.sqlite", clock), Lamps(takes_s=5)
        async with running(journal, lamps, clock) as control:
            control.offer([dim(1, 10), dim(2, 20), dim(3, 30, target="other_lamp")])
            await asyncio.sleep(1)
            assert sorted(level for _, level, _, _ in lamps.log) == [10, 30]
            await asyncio.sleep(10)
            assert [level for target, level, _, _ in lamps.log if target == "street_lamp"] == [10, 20]
        await journal.close()

    run_virtual(main)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command("c", "dance", "street_lamp", {}), "unknown"),
        (Command("c", "lamp", "street_lamp", {}), "level_pct is missing"),
        (Command("c", "lamp", "street_lamp", {"level_pct": 101}), "0 to 100"),
        (Command("c", "lamp", "street_lamp", {"level_pct": -1}), "0 to 100"),
        (Command("c", "lamp", "street_lamp", {"level_pct": 1, "fade_s": 3601}), "0 to 3600"),
        (Command("c", "lamp", "street_lamp", {"level_pct": 1, "speed": 1}), "unknown"),
    ],
)
def test_a_wrong_command_is_refused_with_the_reason_and_never_acts(
    tmp_path: Path, command: Command, words: str
) -> None:
    async def main(clock: RigClock) -> None:
        journal, lamps = Journal.open(tmp_path / "j.sqlite", clock), Lamps()
        async with running(journal, lamps, clock) as control:
            control.offer([command])
            await asyncio.sleep(1)
        assert lamps.log == []
        assert [result.state for result in await results(journal)] == ["refused"]
        assert words in (await results(journal))[0].detail
        assert words in str(find_problem(command))
        await journal.close()

    run_virtual(main)


def test_an_expired_command_does_not_act(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal, lamps = Journal.open(tmp_path / "j.sqlite", clock), Lamps(takes_s=5)
        async with running(journal, lamps, clock) as control:
            now = clock.unix_ms()
            control.offer([dim(1, expires_ms=now), dim(2), dim(3, expires_ms=now + 2000)])
            await asyncio.sleep(20)
        assert len(lamps.log) == 1
        assert {result.command_id: result.state for result in await results(journal)} == {
            "dim-1": "expired",
            "dim-2": "confirmed",
            "dim-3": "expired",
        }
        await journal.close()

    run_virtual(main)


@pytest.mark.parametrize(
    ("outcome", "state", "words"),
    [
        (LampOutcome("failed", 0, "the driver does not answer"), "failed", "driver"),
        (LampOutcome("refused", None, "no such lamp"), "refused", "no such lamp"),
        (GatepostError("node lamp_node is silent"), "failed", "silent"),
        (ZeroDivisionError("oops"), "failed", "ZeroDivisionError"),
    ],
)
def test_a_lamp_that_does_not_do_it_is_told_and_the_next_command_goes_on(
    tmp_path: Path, outcome: LampOutcome | Exception, state: str, words: str
) -> None:
    async def main(clock: RigClock) -> None:
        journal, lamps = Journal.open(tmp_path / "j.sqlite", clock), Lamps()
        async with running(journal, lamps, clock) as control:
            lamps.outcome = outcome
            control.offer([dim(1)])
            await asyncio.sleep(2)
            lamps.outcome = None
            control.offer([dim(2)])
            await asyncio.sleep(2)
        first, second = await results(journal)
        assert (first.state, second.state) == (state, "confirmed")
        assert words in first.detail
        await journal.close()

    run_virtual(main)


def test_what_a_restart_leaves_behind_is_finished_honestly(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path, lamps = tmp_path / "j.sqlite", Lamps()
        journal = Journal.open(path, clock)
        soon = clock.unix_ms() + 60_000
        for command in (dim(1), dim(2, expires_ms=soon), dim(3), dim(4, 90, soon)):
            await journal.receive_command(command)
        for number in (3, 4):
            await journal.begin_command(f"dim-{number}")
        await journal.close()
        await asyncio.sleep(61)
        journal = Journal.open(path, clock)
        async with running(journal, lamps, clock) as control:
            control.offer([dim(1), dim(2, expires_ms=soon), dim(3), dim(4, expires_ms=soon)])
            await asyncio.sleep(30)
        states = {result.command_id: result.state for result in await results(journal)}
        # dim-1 has set 40 by the time dim-3 looks; nothing was done for dim-3 and dim-4.
        assert states == {"dim-1": "confirmed", "dim-2": "expired", "dim-3": "confirmed", "dim-4": "failed"}
        assert "unknown" in next(result.detail for result in await results(journal) if result.command_id == "dim-4")
        assert len(lamps.log) == 1
        await journal.close()

    run_virtual(main)


def test_a_manhole_is_acknowledged_and_its_cover_learned(tmp_path: Path) -> None:
    async def body(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        nodes = Lamps()
        async with running(journal, nodes, clock) as control:
            given = [{"acknowledge": 3}, {"learn": 1}, {"learn": 2}, {"level_pct": 5}]
            control.offer(
                [Command(f"m-{number}", "manhole", "well", one) for number, one in enumerate(given)]  # type: ignore[arg-type]
            )
            await asyncio.sleep(5)
        assert nodes.log == [("well", 3, 0, 0), ("well", 0, 1, 0)]
        states = {result.command_id: result.state for result in await results(journal)}
        assert states == {"m-0": "confirmed", "m-1": "confirmed", "m-2": "refused", "m-3": "refused"}
        await journal.close()

    run_virtual(body)


def test_a_lamp_is_controlled_while_the_disk_cannot_be_written_and_once_only(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk, lamps = FailingDisk(), Lamps()
        journal = Journal.open(tmp_path / "j.sqlite", clock, vfs=disk.vfs_name)
        async with running(journal, lamps, clock) as control:
            disk.full = True
            for _ in range(10):
                control.offer([dim()])
                await asyncio.sleep(1)
            assert len(lamps.log) == 1
            assert journal.trouble is not None
            disk.full = False
            await asyncio.sleep(60)
            control.offer([dim()])
            await asyncio.sleep(5)
            assert journal.trouble is None
            assert len(lamps.log) == len(await results(journal)) == 1
        await journal.close()
        journal = Journal.open(tmp_path / "j.sqlite", clock)
        assert (await journal.receive_command(dim())).state == "confirmed"
        await journal.close()

    run_virtual(main)


def test_a_command_travels_from_the_platform_to_the_lamp_and_back(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        lamps = Lamps()
        async with pole(clock, tmp_path, batch_s=5) as this:
            async with running(this.journal, lamps, clock) as control:
                this.on_mailbox(control.offer)
                this.platform.send(dim())
                await this.measure_for(12)
                assert [command["state"] for command in this.platform.commands] == ["confirmed"]
                assert this.platform.commands[0]["level_pct"] == 40
            assert len(lamps.log) == 1
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)

"""A gateway that ends at any step of beginning or renewing its keys: it is heard afterwards, and no number comes twice.

A step is whatever can be told from outside: a datagram that is sent or has come, the begin and the end of a commit, and
the new name, the content and the last name of the file of keys.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway_agent.uplink import key_ring
from gateway_agent.uplink.datagram import read_datagram, read_kid, split_edhoc
from gateway_agent.uplink.errors import ExchangeFailed
from gateway_agent.uplink.key_ring import UNANSWERED
from gateway_agent.whole_file import NEW, write_whole
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.gateway_agent.uplink.key_city import City, city

OLD_S = 31 * 86_400
FEW = 40


class PowerCutError(Exception):
    """The gateway ended at this step."""


class Numbers:
    """What was protected with each number of each key id, as it went over the air."""

    def __init__(self) -> None:
        self.used: dict[tuple[bytes, bytes], set[bytes]] = {}

    def add(self, data: bytes) -> None:
        """Note a datagram of the gateway."""
        datagram = read_datagram(data, 16)
        if datagram.oscore is None:
            return
        kid, _ = read_kid(datagram.oscore)
        protected = split_edhoc(datagram.payload)[1] if datagram.has_edhoc_message else datagram.payload
        number = datagram.oscore[1 : 1 + (datagram.oscore[0] & 7)]
        self.used.setdefault((kid, number), set()).add(protected)

    @property
    def reused(self) -> list[tuple[bytes, bytes]]:
        """Numbers that protected more than one thing."""
        return [name for name, protected in self.used.items() if len(protected) > 1]


class Steps:
    """Counts the steps of a gateway and ends it at one of them; `is_heard` tells whether a datagram of that step
    arrives."""

    def __init__(self, this: City, monkeypatch: pytest.MonkeyPatch, end_at: int | None, is_heard: bool) -> None:
        self.passed: list[str] = []
        self.is_over = False
        self.ended = asyncio.Event()
        self._watched: list[tuple[Any, Any]] = []
        self._this = this
        self._end_at = end_at
        self._is_heard = is_heard
        self._loop = asyncio.get_running_loop()
        self._store = this.ring._store
        this.ring._store = self
        self._watch(this.relay.up, "sent")
        self._watch(this.relay.down_link, "came")
        monkeypatch.setattr(key_ring, "write_whole", self._write_whole)

    def step(self, name: str) -> None:
        """Pass a step, or end here."""
        if self.is_over:
            raise PowerCutError(name)
        self.passed.append(name)
        if len(self.passed) - 1 == self._end_at:
            self.is_over = True
            self._loop.call_soon_threadsafe(self.ended.set)
            raise PowerCutError(name)

    async def commit(self, *entries: Any) -> None:
        """As the store."""
        self.step("commit")
        await self._store.commit(*entries)
        self.step("committed")

    async def look(self, function: Callable[[Any], Any]) -> Any:
        """As the store."""
        return await self._store.look(function)

    def _write_whole(self, path: Path, data: bytes, mode: int) -> None:
        new = path.with_name(path.name + NEW)
        new.write_bytes(b"")
        self.step("new file")
        new.write_bytes(data[: len(data) // 2])
        self.step("half a file")
        write_whole(path, data, mode)
        self.step("whole file")

    def _watch(self, count: Any, name: str) -> None:
        add = count.add

        def noted(data: bytes) -> None:
            add(data)
            try:
                self.step(name)
            except PowerCutError:
                self._this.relay.down = self._this.relay.down or not self._is_heard

        self._watched.append((count, add))
        count.add = noted

    def look_away(self) -> None:
        """Count datagrams no longer."""
        for count, add in self._watched:
            count.add = add


async def end_at(this: City, steps: Steps) -> None:
    """Ask twice, unless the gateway ends before."""

    async def twice() -> None:
        await this.ask()
        await this.ask()
        await this.ring._settled()

    asking, ended = asyncio.create_task(twice()), asyncio.create_task(steps.ended.wait())
    await asyncio.wait({asking, ended}, return_when=asyncio.FIRST_COMPLETED)
    is_complete = asking.done() and not steps.is_over
    for task in (asking, ended):
        task.cancel()
    results = await asyncio.gather(asking, ended, return_exceptions=True)
    if is_complete:
        for problem in results:
            if isinstance(problem, Exception):
                raise problem


async def is_heard_again(this: City, numbers: Numbers) -> None:
    """Start the gateway anew, and see that it is heard and has used no number twice."""
    await this.stop_gateway(gently=False)
    this.relay.down = False
    await asyncio.sleep(1)
    await this.start_gateway()
    arrived = len(this.arrived)
    assert await this.ask_until_answered() <= UNANSWERED + 1
    await this.ask()
    assert len(this.arrived) == arrived + 2
    assert numbers.reused == []


def run_ended_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: int | None, *, is_renewal: bool, is_heard: bool = True
) -> list[str]:
    """One run; the steps that were passed."""

    async def main(clock: RigClock) -> list[str]:
        async with city(folder, clock) as this:
            numbers = Numbers()
            add = this.relay.up.add

            def noted(data: bytes) -> None:
                add(data)
                numbers.add(data)

            this.relay.up.add = noted  # type: ignore[method-assign]
            if is_renewal:
                await this.ask()
                await asyncio.sleep(OLD_S)
            with monkeypatch.context() as patched:
                steps = Steps(this, patched, at, is_heard)
                await end_at(this, steps)
                steps.look_away()
            if at is None:
                assert this.ring.agreements == int(is_renewal)
                return steps.passed
            assert steps.is_over
            await is_heard_again(this, numbers)
            return steps.passed

    return run_virtual(main)


@pytest.mark.parametrize("is_renewal", [False, True], ids=["begin", "renewal"])
@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
def test_after_an_end_at_any_step_it_is_heard_again_and_no_number_came_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_renewal: bool, is_heard: bool
) -> None:
    (tmp_path / "whole").mkdir()
    steps = run_ended_at(tmp_path / "whole", monkeypatch, None, is_renewal=is_renewal)
    assert {"sent", "came", "commit", "committed", "new file", "half a file", "whole file"} <= set(steps)
    assert len(steps) < FEW
    for at in range(len(steps)):
        folder = tmp_path / str(at)
        folder.mkdir()
        passed = run_ended_at(folder, monkeypatch, at, is_renewal=is_renewal, is_heard=is_heard)
        assert passed == steps[: at + 1]


def test_a_disk_that_is_brought_back_would_show_as_numbers_that_came_twice(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            numbers = Numbers()
            this.relay.up.add = numbers.add  # type: ignore[method-assign]
            await this.ask()
            await this.stop_gateway(gently=True)
            shutil.copytree(tmp_path, tmp_path / "copy")
            await this.start_gateway()
            await this.ask()
            await this.stop_gateway(gently=True)
            assert numbers.reused == []
            shutil.copytree(tmp_path / "copy", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("platform*"))
            await this.start_gateway()
            with pytest.raises(ExchangeFailed):
                await this.ask()
            assert len(numbers.reused) == 1

    run_virtual(main)


def test_a_disk_that_fails_at_any_step_of_a_renewal_costs_no_keys(tmp_path: Path) -> None:
    async def main(clock: RigClock, folder: Path, good_steps: int) -> bool:
        async with city(folder, clock) as this:
            numbers = Numbers()
            add = this.relay.up.add

            def noted(data: bytes) -> None:
                add(data)
                numbers.add(data)

            this.relay.up.add = noted  # type: ignore[method-assign]
            await this.stop_gateway(gently=False)
            this.disk = FailingDisk()
            await this.start_gateway()
            await this.ask()
            await asyncio.sleep(OLD_S)
            this.disk.good_steps = good_steps
            await this.ask()
            await this.ask()
            # Keys that could be begun on the disk and not be used from it are given up for others in memory.
            assert 1 <= this.ring.agreements <= 2
            has_failed = this.disk.refused > 0
            this.disk.good_steps = this.disk.error = None
            await is_heard_again(this, numbers)
            return has_failed

    def ended_at(good_steps: int) -> bool:
        folder = tmp_path / str(good_steps)
        folder.mkdir()
        return run_virtual(lambda clock: main(clock, folder, good_steps))

    good_steps = next((steps for steps in range(FEW) if not ended_at(steps)), None)
    assert good_steps is not None
    assert good_steps > 2

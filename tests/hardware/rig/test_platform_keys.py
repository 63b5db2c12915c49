"""The platform's keys over its own ends: at whatever statement it stops, nobody is half enrolled and nobody is back."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway_agent.uplink.errors import ExchangeFailed
from gateway_agent.uplink.identity import Enrolment, enrol, load_identity, load_platform, load_record
from gateway_agent.uplink.key_ring import UNANSWERED
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.platform_keys import PlatformKeys
from hardware.rig.platform_store import PlatformStore
from tests.bench._wire_keys import Enrolled
from tests.gateway_agent.uplink.key_city import NAME, City, city

STATEMENTS = 40
"""More than any of these takes."""
TRANSACTIONS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
"""What is not committed is as if it had not begun, so an end here is an end at the statement before or after."""


class PowerCutError(Exception):
    """The platform ended before this statement."""


@contextmanager
def ending_at(keys: PlatformKeys, number: int) -> Iterator[Callable[[], bool]]:
    """Let neither of the platform's files run more than `number` statements; what is yielded tells whether it ended."""
    left = [number]

    def trace(cursor: Any, statement: str, bindings: Any) -> bool:
        if statement.split(maxsplit=1)[0] in TRANSACTIONS:
            return True
        left[0] -= 1
        if left[0] < 0:
            raise PowerCutError(statement)
        return True

    files = (keys._connection, keys._store.connection)
    for file in files:
        file.exec_trace = trace
    try:
        yield lambda: left[0] < 0
    finally:
        for file in files:
            file.exec_trace = None


@contextmanager
def failing(keys: PlatformKeys, only: str = "") -> Iterator[None]:
    """Let each change of the platform's files that begins with `only` fail as on a broken disk."""

    def trace(cursor: Any, statement: str, bindings: Any) -> bool:
        if statement.startswith(only) and statement.startswith(("INSERT", "UPDATE", "DELETE")):
            raise apsw.IOError("disk I/O error")
        return True

    files = (keys._connection, keys._store.connection)
    for file in files:
        file.exec_trace = trace
    try:
        yield
    finally:
        for file in files:
            file.exec_trace = None


async def restart(this: City) -> None:
    await this.stop_platform()
    await this.start_platform()


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()


def contents(folder: Path, pattern: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob(pattern)}


def another(this: City, folder: Path) -> Enrolment:
    public = load_platform(folder / "city.public.toml")
    return enrol(NAME, public, revokes=this.files.identity.key.kid)


def test_a_platform_that_ends_while_it_takes_a_record_takes_it_the_next_time(tmp_path: Path) -> None:
    async def main(clock: RigClock, number: int) -> bool:
        folder = tmp_path / str(number)
        folder.mkdir()
        async with city(folder, clock) as this:
            await this.ask()
            made = another(this, folder)
            record = load_record(write(folder, "new.toml", made.record))
            with ending_at(this.keys, number) as ended:
                with suppress(PowerCutError):
                    await this.keys.enrol(record)
                was_cut = ended()
            await restart(this)
            assert this.keys.gateways == [NAME]
            if was_cut:
                # Nothing was done of it: the old gateway is as good as before.
                await this.ask()
            await this.keys.enrol(record)
            await this.stop_gateway(gently=True)
            this.files.identity, old = load_identity(write(folder, "own.toml", made.identity)), this.files.identity
            (folder / "identity.used").unlink()
            remove(folder, "journal.sqlite*")
            await this.start_gateway()
            before = len(this.arrived)
            await this.ask()
            # Its provisioned keys serve: no half of an enrolment has used them up.
            assert (len(this.arrived), this.ring.agreements) == (before + 1, 0)
            assert this.keys._credential(bytes.fromhex(old.key.kid)) is None
            return was_cut

    for number in range(STATEMENTS):
        if not run_virtual(lambda clock, number=number: main(clock, number)):
            break
    assert 5 < number < STATEMENTS - 1


def test_a_platform_that_ends_while_keys_are_renewed_is_spoken_to_afterwards(tmp_path: Path) -> None:
    async def main(clock: RigClock, number: int) -> bool:
        folder = tmp_path / str(number)
        folder.mkdir()
        async with city(folder, clock) as this:
            await this.ask()
            await asyncio.sleep(31 * 86_400)
            with ending_at(this.keys, number) as ended:
                try:
                    await this.ask()
                except ExchangeFailed:
                    assert ended()
                was_cut = ended()
            await restart(this)
            before = len(this.arrived)
            # At worst the gateway tries the keys in vain that were lost, and then agrees new ones.
            assert await this.ask_until_answered(2 * UNANSWERED + 2) <= UNANSWERED + 1
            await this.ask()
            assert len(this.arrived) == before + 2
            assert this.keys._connection.execute("SELECT count(*) FROM contexts").get == 1
            return was_cut

    for number in range(STATEMENTS):
        if not run_virtual(lambda clock, number=number: main(clock, number)):
            break
    assert 5 < number < STATEMENTS - 1


def test_a_platform_that_lost_its_files_takes_records_without_numbers_that_were_used(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await this.server.stop()
            this.keys.close()
            remove(tmp_path, "platform.keys*")
            lost = PlatformKeys(tmp_path / "platform.keys", this.files.platform, clock)
            assert await lost.enrol(this.files.record, is_first=False)
            lost.close()
            await this.start_platform()
            assert await this.ask_until_answered(UNANSWERED + 2) == UNANSWERED + 1
            assert (len(this.arrived), this.ring.agreements) == (2, 1)

    run_virtual(main)


def test_all_contexts_can_be_given_up_after_a_copy_was_put_back(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            this.keys.forget_contexts()
            await restart(this)
            assert await this.ask_until_answered(UNANSWERED + 2) == UNANSWERED + 1
            assert (len(this.arrived), this.ring.agreements) == (2, 1)

    run_virtual(main)


def test_a_gateway_whose_card_was_put_back_from_a_copy_is_not_believed_and_gets_new_keys(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await this.stop_gateway(gently=True)
            copied = contents(tmp_path, "journal.sqlite*")
            await this.start_gateway()
            for _ in range(40):
                await this.ask()
            await this.stop_gateway(gently=True)
            remove(tmp_path, "journal.sqlite*")
            for path, content in copied.items():
                path.write_bytes(content)
            await this.start_gateway()
            assert await this.ask_until_answered(UNANSWERED + 2) == UNANSWERED + 1
            assert (len(this.arrived), this.ring.agreements) == (42, 1)
            assert this.server.refused["replayed"] > 0

    run_virtual(main)


def test_revoked_is_revoked_over_a_restart(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            assert this.keys.revoke(NAME)
            assert not this.keys.revoke(NAME)
            await restart(this)
            assert this.keys.gateways == []
            for _ in range(UNANSWERED + 2):
                with pytest.raises(ExchangeFailed):
                    await this.ask()
            assert (len(this.arrived), this.keys.counters.completed) == (1, 0)

    run_virtual(main)


def test_a_platform_whose_disk_fails_is_silent_and_forgets_nobody(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await restart(this)
            with failing(this.keys):
                with pytest.raises(ExchangeFailed):
                    await this.ask()
                with pytest.raises(ExchangeFailed):
                    await this.ask()
            assert len(this.arrived) == 1
            await this.ask()
            assert (len(this.arrived), this.ring.agreements) == (2, 0)

    run_virtual(main)


def test_new_keys_that_the_platform_cannot_note_as_spoken_serve_all_the_same(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await asyncio.sleep(31 * 86_400)
            with failing(this.keys, only="UPDATE contexts"):
                await this.ask()
                await this.ask()
            contexts = "SELECT count(*) FROM contexts"
            assert this.keys._connection.execute(contexts).get == 2
            await this.ask()
            assert this.keys._connection.execute(contexts).get == 1
            assert (len(this.arrived), this.ring.agreements) == (4, 1)

    run_virtual(main)


def test_an_agreement_that_the_platform_cannot_write_down_fails_and_the_next_one_is_good(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await asyncio.sleep(31 * 86_400)
            with failing(this.keys), pytest.raises(ExchangeFailed):
                await this.ask()
            assert this.keys.counters.completed == 1
            assert await this.ask_until_answered(2 * UNANSWERED) <= UNANSWERED + 1
            assert len(this.arrived) == 2

    run_virtual(main)


def test_files_that_are_closed_twice_leave_those_of_others_open(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        keys = await Enrolled.make("gp-1", tmp_path).platform_keys(tmp_path / "keys", clock)
        store = PlatformStore(tmp_path / "platform.sqlite")
        keys.close()
        store.close()
        others = [os.open(tmp_path / f"other{number}", os.O_CREAT | os.O_RDWR) for number in range(8)]
        keys.close()
        store.close()
        assert all(os.fstat(other).st_nlink for other in others)
        for other in others:
            os.close(other)

    run_virtual(main)

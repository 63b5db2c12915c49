"""The state of OSCORE contexts in the journal: numbers are reserved before use, and doubt ends in new keys."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.journal import security
from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.journal.kept_context import SPARE, STEP_FIRST, STEP_LONGEST, KeptContext, Store
from gateway_agent.journal.memory_store import MemoryStore
from gateway_agent.journal.security import NUMBERS, SecurityState, Window, find_context
from gateway_agent.journal.store import Entry
from gateway_agent.journal.transaction import Transaction
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.gateway_agent.journal.security_store import journal_store, new_journal

ID = "city/1"
COLUMNS = ("id", "epoch", "generation", "reserved", "replay_window", "crc32")


async def row(store: Store) -> SecurityState:
    return await store.look(lambda connection: find_context(connection, ID))


async def use(context: KeptContext, count: int) -> list[int]:
    used = []
    for _ in range(count):
        await context.reserve()
        used.append(context.take_number())
    return used


class CountingStore(MemoryStore):
    """Counts commits."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0

    async def commit(self, *entries: Entry) -> None:
        self.commits += 1
        await super().commit(*entries)


def test_numbers_go_on_at_the_reservation_after_an_unclean_end_and_exactly_after_a_clean_one(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path = await new_journal(tmp_path / "journal.sqlite")
        store = journal_store(path)
        context = await KeptContext.begin(store, ID)
        assert await use(context, 3) == [0, 1, 2]
        await store.close()

        store = journal_store(path)
        context = await KeptContext.open(store, ID)
        assert await use(context, 2) == [STEP_FIRST, STEP_FIRST + 1]
        await context.close(Window(7, 5))
        await store.close()

        store = journal_store(path)
        context = await KeptContext.open(store, ID)
        assert await use(context, 1) == [STEP_FIRST + 2]
        assert context.take_window() == Window(7, 5)
        await store.close()

    run_virtual(main)


def test_the_window_is_known_after_a_clean_end_and_not_after_an_unclean_one() -> None:
    async def main() -> None:
        store = MemoryStore()
        context = await KeptContext.begin(store, ID)
        assert (await row(store)).window == Window()
        await context.reserve()
        assert (await row(store)).window is None
        assert (context.take_window(), context.take_window()) == (Window(), None)
        again = await KeptContext.open(store, ID)
        await again.reserve()
        assert again.take_window() is None

    asyncio.run(main())


def test_opening_writes_nothing_and_the_first_use_marks_and_reserves_in_one_commit() -> None:
    async def main() -> None:
        store = CountingStore()
        await (await KeptContext.begin(store, ID)).close(None)
        context = await KeptContext.open(store, ID)
        assert store.commits == 1
        with pytest.raises(SecurityStateLost, match="not in use yet"):
            context.check_in_use()
        with pytest.raises(SecurityStateLost, match="not in use yet"):
            context.take_number()
        await context.reserve()
        assert store.commits == 2
        assert await row(store) == SecurityState(ID, (await row(store)).epoch, 1, STEP_FIRST, None)

    asyncio.run(main())


def test_reservations_double_up_to_a_limit_so_that_few_messages_cause_a_commit() -> None:
    async def main() -> None:
        store = CountingStore()
        context = await KeptContext.begin(store, ID)
        assert await use(context, 10_000) == list(range(10_000))
        assert store.commits < 60
        assert context.reserved - context.next_number <= STEP_LONGEST + SPARE

    asyncio.run(main())


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 300), st.booleans()), max_size=8))
def test_no_number_is_used_twice_whatever_the_order_of_uses_and_ends(starts: list[tuple[int, int, bool]]) -> None:
    async def main() -> None:
        store = MemoryStore()
        await KeptContext.begin(store, ID)
        used: list[int] = []
        for takes, ahead, is_clean in starts:
            context = await KeptContext.open(store, ID)
            for _ in range(takes):
                await context.reserve(ahead)
                assert context.reserved == (await row(store)).reserved
                used.append(context.take_number())
            if is_clean:
                await context.close(None)
                assert takes == 0 or (await row(store)).reserved == used[-1] + 1
        assert used == sorted(set(used))

    asyncio.run(main())


def test_a_number_beyond_the_reservation_is_refused() -> None:
    async def main() -> None:
        context = await KeptContext.begin(MemoryStore(), ID)
        await context.reserve()
        for number in range(STEP_FIRST):
            assert context.take_number() == number
        with pytest.raises(SecurityStateLost, match="no sender number is reserved"):
            context.take_number()
        await context.reserve()
        assert context.take_number() == STEP_FIRST

    asyncio.run(main())


def test_many_tasks_share_a_context_and_no_number_is_given_twice() -> None:
    async def main() -> list[int]:
        class SlowStore(MemoryStore):
            async def commit(self, *entries: Entry) -> None:
                await asyncio.sleep(0.01)
                await super().commit(*entries)

        context = await KeptContext.begin(SlowStore(), ID)
        return [number for taken in await asyncio.gather(*(use(context, 20) for _ in range(30))) for number in taken]

    assert sorted(asyncio.run(main())) == list(range(600))


def test_an_id_is_begun_once_even_after_it_was_closed_or_damaged() -> None:
    async def main() -> None:
        store = MemoryStore()
        await (await KeptContext.begin(store, ID)).close(None)
        with pytest.raises(SecurityStateLost, match="begun before"):
            await KeptContext.begin(store, ID)
        await store.look(lambda connection: connection.execute("UPDATE security SET crc32 = 0").fetchall())
        with pytest.raises(SecurityStateLost, match="begun before"):
            await KeptContext.begin(store, ID)
        await KeptContext.begin(store, "city/2")

    asyncio.run(main())


def test_who_opened_it_before_somebody_else_cannot_reserve_nor_give_back() -> None:
    async def main() -> None:
        store = MemoryStore()
        first = await KeptContext.begin(store, ID)
        await first.reserve()
        second = await KeptContext.open(store, ID)
        await second.reserve()
        third = await KeptContext.open(store, ID)
        await third.reserve()
        held = await row(store)
        with pytest.raises(SecurityStateLost, match="somebody else"):
            await first.reserve(100)
        with pytest.raises(SecurityStateLost, match="somebody else"):
            await second.close(Window())
        assert await row(store) == held

    asyncio.run(main())


def damages() -> list[Callable[[apsw.Connection], object]]:
    found: list[Callable[[apsw.Connection], object]] = [
        lambda connection: connection.execute("DELETE FROM security").fetchall(),
        lambda connection: connection.execute("UPDATE security SET reserved = CAST(x'ff' AS TEXT)").fetchall(),
        lambda connection: connection.execute("UPDATE item SET body = x'182a' WHERE kind = 1").fetchall(),
        lambda connection: connection.execute("UPDATE security SET replay_window = NULL").fetchall(),
    ]
    for column in COLUMNS[1:]:
        for value in ("9", "-1", "NULL", "x'00'", "zeroblob(16)"):
            statement = f"UPDATE OR REPLACE security SET {column} = {value}"
            if "NULL" not in value or column == "replay_window":
                found.append(lambda connection, statement=statement: connection.execute(statement).fetchall())
    return found


@pytest.mark.parametrize("damage", damages())
def test_a_row_that_is_missing_damaged_or_salvaged_ends_the_keys(damage: Callable[[apsw.Connection], object]) -> None:
    async def main() -> None:
        store = MemoryStore()
        context = await KeptContext.begin(store, ID)
        await context.reserve()
        context.take_number()
        await context.close(Window(3, 9))
        opened = await KeptContext.open(store, ID)
        await store.look(damage)
        with pytest.raises(SecurityStateLost, match="new keys must be agreed"):
            await opened.reserve()
        with pytest.raises(SecurityStateLost, match="new keys must be agreed"):
            await opened.reserve()
        with pytest.raises(SecurityStateLost, match="new keys must be agreed"):
            await KeptContext.open(store, ID)

    asyncio.run(main())


@given(st.data())
def test_no_flipped_bit_of_a_row_passes(data: st.DataObject) -> None:
    async def main() -> None:
        store = MemoryStore()
        context = await KeptContext.begin(store, ID)
        await context.reserve()
        await context.close(Window(3, 9))

        def flip(connection: apsw.Connection) -> None:
            column = data.draw(st.sampled_from(COLUMNS[1:]))
            held = connection.execute(f"SELECT {column} FROM security").get
            bits = 64 if isinstance(held, int) else 8 * len(held)
            bit = data.draw(st.integers(0, bits - 2))
            if isinstance(held, int):
                connection.execute(f"UPDATE security SET {column} = ?", (held ^ 1 << bit,))
            else:
                flipped = int.from_bytes(held, "big") ^ 1 << bit
                connection.execute(f"UPDATE security SET {column} = ?", (flipped.to_bytes(len(held), "big"),))

        await store.look(flip)
        with pytest.raises(SecurityStateLost):
            await KeptContext.open(store, ID)

    asyncio.run(main())


def test_a_row_that_is_older_than_what_is_known_ends_the_keys() -> None:
    async def main() -> None:
        store = MemoryStore()
        context = await KeptContext.begin(store, ID)
        await context.reserve()
        (older,) = await store.look(lambda connection: connection.execute("SELECT * FROM security").fetchall())
        await context.reserve(100)
        await store.look(
            lambda connection: connection.execute("REPLACE INTO security VALUES (?, ?, ?, ?, ?, ?)", older).fetchall()
        )
        with pytest.raises(SecurityStateLost, match="older"):
            await context.reserve(200)

    asyncio.run(main())


@pytest.mark.parametrize("failing_step", ["begin", "open", "reserve", "close"])
@pytest.mark.parametrize("is_full", [True, False])
def test_a_commit_that_fails_ends_the_keys_and_is_not_made_up_for_later(
    tmp_path: Path, failing_step: str, is_full: bool
) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        store = journal_store(await new_journal(tmp_path / "journal.sqlite"), disk.vfs_name)

        def fail(step: str) -> None:
            if step == failing_step:
                disk.full, disk.broken_syncs = is_full, 0 if is_full else 1

        used: list[int] = []
        before: list[SecurityState] = []
        contexts: list[KeptContext] = []

        async def life() -> None:
            fail("begin")
            contexts.append(await KeptContext.begin(store, ID))
            before.append(await row(store))
            for step, count in (("open", 5), ("reserve", 20)):
                fail(step)
                used.extend(await use(contexts[0], count))
                before.append(await row(store))
            fail("close")
            await contexts[0].close(Window())

        with pytest.raises(SecurityStateLost, match="new keys must be agreed"):
            await life()
        assert disk.refused >= 1
        for context in contexts:
            with pytest.raises(SecurityStateLost):
                await context.reserve()
            with pytest.raises(SecurityStateLost):
                context.take_number()
        disk.full = False
        await asyncio.sleep(60)
        if not before:
            with pytest.raises(SecurityStateLost, match="missing"):
                await row(store)
        elif is_full:
            assert await row(store) == before[-1]
        assert not used or (await row(store)).reserved > used[-1]
        await store.close()

    run_virtual(main)


def test_a_cancelled_reservation_leaves_the_context_usable_and_reuses_nothing(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        store = journal_store(await new_journal(tmp_path / "journal.sqlite"))
        context = await KeptContext.begin(store, ID)
        used = await use(context, 5)
        for _ in range(5):
            waiting = asyncio.ensure_future(context.reserve(50))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            used += await use(context, 5)
        await store.close()
        assert used == list(range(30))

    run_virtual(main)


def test_keys_whose_numbers_are_used_up_are_not_continued() -> None:
    async def main() -> None:
        store = MemoryStore()
        context = await KeptContext.begin(store, ID)
        await context.reserve()
        context.next_number = context.reserved = NUMBERS - 40
        await store.commit(SetReserved(NUMBERS - 40))
        taken: list[int] = []

        async def use_up() -> None:
            while True:
                taken.extend(await use(context, 1))

        with pytest.raises(SecurityStateLost, match="used up"):
            await use_up()
        assert taken == list(range(NUMBERS - 40, NUMBERS))
        with pytest.raises(SecurityStateLost, match="used up"):
            context.take_number()

    asyncio.run(main())


class SetReserved:
    """Moves the reservation, with a right checksum."""

    readings = 0

    def __init__(self, reserved: int) -> None:
        self._reserved = reserved

    def write(self, transaction: Transaction) -> None:
        security._store(
            transaction.connection, replace(find_context(transaction.connection, ID), reserved=self._reserved)
        )

"""Our OSCORE context against aiocoap's own, in both directions, over real bytes, through restarts and failing disks."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiocoap import GET, Message, oscore  # type: ignore[import-untyped]

from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.journal.kept_context import STEP_FIRST, Store
from gateway_agent.journal.memory_store import MemoryStore
from gateway_agent.uplink.errors import UplinkError
from gateway_agent.uplink.oscore_context import ID_BYTES, JournalSecurityContext, OscoreKeys
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.gateway_agent.journal.security_store import journal_store, new_journal
from tests.gateway_agent.uplink.oscore_peer import (
    GATEWAY_KEYS,
    PLATFORM_KEYS,
    Exchange,
    Platform,
    ask,
    ask_with_echo,
    is_accepted,
    request_bytes,
    sender_numbers,
    serve,
)

ID = "city/1"
RFC_SECRET = bytes.fromhex("0102030405060708090a0b0c0d0e0f10")
RFC_SALT = bytes.fromhex("9e7ca92223786340")


@pytest.fixture
def file_peer(tmp_path: Path) -> Iterator[Any]:
    """aiocoap's own context, as it is, over a folder."""
    folder = tmp_path / "platform"
    folder.mkdir()
    settings = {
        "secret_hex": PLATFORM_KEYS.master_secret.hex(),
        "salt_hex": PLATFORM_KEYS.master_salt.hex(),
        "sender-id_hex": PLATFORM_KEYS.sender_id.hex(),
        "recipient-id_hex": PLATFORM_KEYS.recipient_id.hex(),
        "id-context_hex": (PLATFORM_KEYS.id_context or b"").hex(),
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    context = oscore.FilesystemSecurityContext(str(folder))
    yield context
    context._destroy()


async def begun(store: Store) -> JournalSecurityContext:
    context = await JournalSecurityContext.begin(store, ID, GATEWAY_KEYS)
    await context.prepare()
    return context


async def opened(store: Store) -> JournalSecurityContext:
    context = await JournalSecurityContext.open(store, ID, GATEWAY_KEYS)
    await context.prepare()
    return context


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_keys_and_a_request_are_those_of_the_rfc() -> None:
    """RFC 8613, C.1.1 and C.4."""

    async def main() -> None:
        keys = OscoreKeys(RFC_SECRET, b"", b"\x01", master_salt=RFC_SALT)
        context = await JournalSecurityContext.begin(MemoryStore(), ID, keys)
        assert context.sender_key.hex() == "f0910ed7295e6ad4b54fc793154302ff"
        assert context.recipient_key.hex() == "ffb14e093c94c9cac9471648b4f98710"
        assert context.common_iv.hex() == "4622d4dd6d944168eefb54987c"
        await context.prepare(21)
        for _ in range(20):
            context.new_sequence_number()
        outer, _ = context.protect(Message(code=GET, uri_host="localhost", uri_path=("tv1",)))
        assert outer.opt.oscore.hex() == "0914"
        assert outer.payload.hex() == "612f1092f1776f1c1668b3825e"

    asyncio.run(main())


def test_exchanges_in_both_directions_with_aiocoaps_own_context(file_peer: Any) -> None:
    async def main() -> None:
        store = MemoryStore()
        context = await begun(store)
        seen: list[int] = []
        for number in range(200):
            await context.prepare(2)
            seen += sender_numbers(ask(context, file_peer, b"up %d" % number).request)
            ask(file_peer, context, b"down %d" % number)
            if number % 50 == 49:
                await context.close()
                context = await opened(store)
        assert seen == list(range(200))

    asyncio.run(main())


def test_a_request_is_accepted_once_before_and_after_each_kind_of_end(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path = await new_journal(tmp_path / "journal.sqlite")
        store, platform = journal_store(path), Platform()
        context = await begun(store)
        taken: list[bytes] = []
        for end in ("clean", "unclean", "unclean", "clean", "clean"):
            for number in range(40):
                await context.prepare(3)
                taken.append(ask_with_echo(platform, context, b"%d" % number).request)
                assert not is_accepted(context, taken[-1])
            if end == "clean":
                await context.close()
            await store.close()
            store = journal_store(path)
            context = await opened(store)
            assert not any(is_accepted(context, request) for request in taken)
        await store.close()

    run_virtual(main)


def test_late_requests_within_the_window_are_accepted_after_a_clean_end() -> None:
    async def main() -> None:
        store, platform = MemoryStore(), Platform()
        context = await begun(store)
        late, _ = request_bytes(platform, b"late")
        on_time = ask(platform, context, b"on time").request
        await context.close()
        context = await opened(store)
        assert is_accepted(context, late)
        assert not is_accepted(context, late)
        assert not is_accepted(context, on_time)

    asyncio.run(main())


def test_after_an_unclean_end_the_first_request_is_challenged_with_echo_and_then_all_goes_on() -> None:
    async def main() -> None:
        store, platform = MemoryStore(), Platform()
        ask(platform, await begun(store), b"before")
        context = await opened(store)
        request, _ = request_bytes(platform, b"challenged")
        with pytest.raises(oscore.ReplayErrorWithEcho):
            serve(context, request)
        ask_with_echo(platform, context, b"challenged")
        ask(platform, context, b"accepted at once")
        assert not is_accepted(context, request)

    asyncio.run(main())


def test_the_numbers_on_the_wire_are_never_repeated_over_restarts_of_any_kind(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path = await new_journal(tmp_path / "journal.sqlite")
        store, platform = journal_store(path), Platform()
        context = await begun(store)
        wire: list[Exchange] = []
        from_platform: list[Exchange] = []
        for start in range(12):
            for number in range(start * 5):
                await context.prepare(3)
                wire.append(ask(context, platform, b"%d" % number))
                from_platform.append(ask_with_echo(platform, context, b"%d" % number))
            if start % 3 == 0:
                await context.close()
            await store.close()
            store = journal_store(path)
            context = await opened(store)
        await store.close()
        numbers = list(sender_numbers(*(each.request for each in wire), *(each.answer for each in from_platform)))
        assert len(numbers) == len(set(numbers)) >= 330

    run_virtual(main)


def test_nothing_is_protected_or_accepted_before_the_store_says_in_use() -> None:
    async def main() -> None:
        store, platform = MemoryStore(), Platform()
        context = await JournalSecurityContext.begin(store, ID, GATEWAY_KEYS)
        request, _ = request_bytes(platform, b"early")
        with pytest.raises(SecurityStateLost, match="not in use yet"):
            serve(context, request)
        with pytest.raises(SecurityStateLost, match="not in use yet"):
            request_bytes(context, b"early")
        await context.prepare()
        assert serve(context, request)[0] == b"early"

    asyncio.run(main())


def test_messages_beyond_what_was_prepared_are_refused_and_nothing_of_them_is_sent() -> None:
    async def main() -> None:
        context = await begun(MemoryStore())
        for _ in range(STEP_FIRST):
            request_bytes(context, b"prepared")
        with pytest.raises(SecurityStateLost, match="no sender number is reserved"):
            request_bytes(context, b"not prepared")
        await context.prepare()
        assert list(sender_numbers(request_bytes(context, b"prepared")[0])) == [STEP_FIRST]

    asyncio.run(main())


@pytest.mark.parametrize("is_full", [True, False])
def test_a_disk_that_fails_ends_the_keys_and_new_ones_work_in_memory(tmp_path: Path, is_full: bool) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        path = await new_journal(tmp_path / "journal.sqlite")
        store = journal_store(path, disk.vfs_name)
        context, platform = await begun(store), Platform()
        accepted = ask(platform, context, b"command").request
        _, open_request = request_bytes(context, b"waits for its answer")
        disk.full, disk.broken_syncs = is_full, 0 if is_full else 1
        with pytest.raises(SecurityStateLost, match="new keys must be agreed and kept in memory"):
            await context.prepare(1000)
        with pytest.raises(SecurityStateLost):
            request_bytes(context, b"more")
        with pytest.raises(SecurityStateLost):
            is_accepted(context, accepted)
        with pytest.raises(SecurityStateLost):
            context.unprotect(Message.decode(accepted), open_request)
        await context.close()

        fresh = OscoreKeys(b"agreed by EDHOC!", b"gate", b"city")
        in_memory = await JournalSecurityContext.begin(MemoryStore(), "city/2", fresh)
        new_platform = Platform(OscoreKeys(b"agreed by EDHOC!", b"city", b"gate"))
        before = contents(tmp_path)
        for number in range(100):
            await in_memory.prepare()
            request = ask(in_memory, new_platform, b"%d" % number).request
            assert list(sender_numbers(request)) == [number]
            ask(new_platform, in_memory, b"%d" % number)
        await in_memory.close()
        assert contents(tmp_path) == before
        await store.close()

    run_virtual(main)


def test_a_closed_context_protects_and_accepts_nothing() -> None:
    async def main() -> None:
        store, platform = MemoryStore(), Platform()
        context = await begun(store)
        request, _ = request_bytes(platform, b"late")
        await context.close()
        await context.close()
        with pytest.raises(SecurityStateLost, match="closed"):
            request_bytes(context, b"after the end")
        with pytest.raises(SecurityStateLost, match="closed"):
            serve(context, request)
        with pytest.raises(SecurityStateLost, match="closed"):
            await context.prepare()

    asyncio.run(main())


def test_preparing_by_many_tasks_at_the_start_does_not_forget_what_was_accepted() -> None:
    async def main() -> None:
        platform = Platform()
        context = await JournalSecurityContext.begin(MemoryStore(), ID, GATEWAY_KEYS)
        request, _ = request_bytes(platform, b"once")

        async def take() -> bool:
            await context.prepare()
            return is_accepted(context, request)

        assert sum(await asyncio.gather(*(take() for _ in range(10)))) == 1

    asyncio.run(main())


def test_a_changed_message_is_refused() -> None:
    async def main() -> None:
        context, platform = await begun(MemoryStore()), Platform()
        request, _ = request_bytes(platform, b"command")
        changed = request[:-1] + bytes([request[-1] ^ 1])
        with pytest.raises(oscore.ProtectionInvalid, match="Tag"):
            serve(context, changed)
        assert is_accepted(context, request)

    asyncio.run(main())


def test_ids_that_cannot_be_are_refused_and_secrets_are_not_shown() -> None:
    with pytest.raises(UplinkError, match="at most 7 bytes"):
        OscoreKeys(RFC_SECRET, b"x" * (ID_BYTES + 1), b"y")
    with pytest.raises(UplinkError, match="share one key"):
        OscoreKeys(RFC_SECRET, b"x", b"x")
    assert repr(RFC_SECRET) not in repr(OscoreKeys(RFC_SECRET, b"x", b"y"))

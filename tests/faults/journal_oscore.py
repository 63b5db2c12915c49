"""OSCORE messages in both directions, cut at every write and sync: no number is used twice, no request is done twice.

A run of seven starts of the gateway is recorded, with clean and unclean ends. At each operation on the disk the power
is cut, and the gateway starts again from what may be left: whoever listens sends again what was carried out, fresh
messages go both ways, and it ends and starts once more. After some cuts that recovery is cut everywhere as well.
`lost` are states that could not be opened although they were used, and fresh messages that were refused.

The control is the same run with aiocoap's own store. The disk may forget a rename after which nobody synced the folder,
so it must reuse numbers.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from aiocoap import oscore  # type: ignore[import-untyped]

from gateway_agent.journal import Journal
from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.uplink.oscore_context import JournalSecurityContext
from tests.faults._cases import Row
from tests.faults._oscore_world import Harm, World
from tests.faults._power import (
    CREATE,
    DROP,
    SYNC,
    WRITE,
    Image,
    Operation,
    RecordingDisk,
    images,
    lay,
    memory_folder,
    recording,
    take,
)
from tests.faults._progress import OnProgress, silent
from tests.gateway_agent.journal.security_store import journal_store, new_journal
from tests.gateway_agent.uplink.oscore_peer import GATEWAY_KEYS

_SECOND_EVERY = 10
_STARTS = ((30, True), (40, False), (60, True), (0, True), (5, False), (0, False), (10, True))
"""Exchanges in each direction from a start to an end, and whether that is clean."""
_ID = "city/1"
_SETTINGS = {
    "secret_hex": GATEWAY_KEYS.master_secret.hex(),
    "salt_hex": GATEWAY_KEYS.master_salt.hex(),
    "sender-id_hex": GATEWAY_KEYS.sender_id.hex(),
    "recipient-id_hex": GATEWAY_KEYS.recipient_id.hex(),
    "id-context_hex": (GATEWAY_KEYS.id_context or b"").hex(),
}


class Life(Protocol):
    """A gateway from its start to its end; `context` is aiocoap's, or ours."""

    context: Any

    async def prepare(self) -> None:
        """Before an exchange."""

    async def end(self, is_clean: bool) -> None:
        """The end of the process."""


class JournalLife:
    """With the context that is in the journal."""

    def __init__(self, store: Journal, context: JournalSecurityContext) -> None:
        self.context = context
        self._store = store

    @classmethod
    async def start(cls, folder: Path, disk: RecordingDisk | None) -> "JournalLife":
        store = journal_store(folder / "journal.sqlite", disk.vfs_name if disk else None)
        try:
            context = await JournalSecurityContext.open(store, _ID, GATEWAY_KEYS)
            await context.prepare()
        except SecurityStateLost:
            await store.close()
            raise
        return cls(store, context)

    async def prepare(self) -> None:
        await self.context.prepare(3)

    async def end(self, is_clean: bool) -> None:
        if is_clean:
            await self.context.close()
        await self._store.close()


class FolderLife:
    """With aiocoap's own context."""

    def __init__(self, folder: Path) -> None:
        self.context = oscore.FilesystemSecurityContext(str(folder))

    @classmethod
    async def start(cls, folder: Path, disk: RecordingDisk | None) -> "FolderLife":
        return cls(folder)

    async def prepare(self) -> None:
        """It stores what it must by itself."""

    async def end(self, is_clean: bool) -> None:
        if is_clean:
            self.context._destroy()
        else:
            self.context.lockfile.release()
            self.context.lockfile = None


Start = Callable[[Path, RecordingDisk | None], Awaitable[Life]]
Play = Callable[[Path, RecordingDisk | None, World], Awaitable[None]]


class Cuts:
    """Runs in a folder of their own, recorded or not; adds up what came of the cuts."""

    def __init__(self, start: Start, watch: Callable[[RecordingDisk], AbstractContextManager[None]]) -> None:
        self.found: Counter[str] = Counter()
        self._start = start
        self._watch = watch

    async def day(self, folder: Path, disk: RecordingDisk | None, world: World) -> None:
        """The run that is cut."""
        for exchanges, is_clean in _STARTS:
            life = await self._start(folder, disk)
            await self._talk(life, world, exchanges)
            await life.end(is_clean)

    async def recovery(self, folder: Path, disk: RecordingDisk | None, world: World) -> None:
        """What follows a cut; tells harm in `world`."""
        for is_clean in (True, False):
            try:
                life = await self._start(folder, disk)
            except (SecurityStateLost, ValueError):
                world.harm.lost += 1
                return
            await life.prepare()
            world.replay(life.context)
            await self._talk(life, world, 2)
            world.replay(life.context)
            await life.end(is_clean)

    def record(self, start: Image, play: Play, world: World | None = None) -> tuple[list[Operation], World]:
        """Play from `start` on and give what was done to the disk, and the world then."""
        with memory_folder() as folder:
            lay(folder, start)
            with recording(folder) as disk, self._watch(disk):
                known = World(lambda: len(disk.log)) if world is None else world.at(0, lambda: len(disk.log))
                asyncio.run(play(folder, disk, known))
                return list(disk.log), known

    def judge(self, image: Image, world: World) -> None:
        """Recover from `image` and count."""
        with memory_folder() as folder:
            lay(folder, image)
            asyncio.run(self.recovery(folder, None, world))
        self._count(world.harm)

    def _count(self, harm: Harm) -> None:
        self.found.update(
            tried=1,
            survived=int(harm.is_none),
            lost=harm.lost,
            duplicated=harm.reused + harm.replayed,
            wrong=harm.wrong,
            numbers_reused=harm.reused,
            replays_accepted=harm.replayed,
        )

    async def _talk(self, life: Life, world: World, exchanges: int) -> None:
        for number in range(exchanges):
            await life.prepare()
            world.up(life.context, b"up %d" % number)
            world.down(life.context, b"down %d" % number)


def oscore_cut(on_progress: OnProgress = silent, every: int = 1, second_every: int = _SECOND_EVERY) -> Row:
    """Each operation, or each `every`-th; recoveries after each `second_every`-th cut are cut everywhere too."""
    cuts = Cuts(JournalLife.start, lambda disk: nullcontext())
    return _cut_everywhere("journal/oscore", cuts, asyncio.run(_new_journal()), on_progress, every, second_every)


def oscore_cut_control(on_progress: OnProgress = silent, every: int = 1) -> Row:
    """The same with aiocoap's own store, which was ended cleanly and has reached the disk before the run."""
    cuts = Cuts(FolderLife.start, _watch_files)
    settled = {"next-to-send": 0, "received": {"index": 0, "bitfield": 0}}
    start = {"settings.json": json.dumps(_SETTINGS).encode(), "sequence.json": json.dumps(settled).encode()}
    return _cut_everywhere("journal/oscore-control", cuts, start, on_progress, every, second_every=0)


def _cut_everywhere(case: str, cuts: Cuts, start: Image, on_progress: OnProgress, every: int, second_every: int) -> Row:
    log, world = cuts.record(start, cuts.day)
    assert world.harm.is_none
    chosen = range(0, len(log) + 1, every)
    second_cuts = 0
    for cut, mode, image in images(log, start, chosen):
        cuts.judge(image, world.at(cut, lambda: 0))
        if mode == DROP and second_every and cut % second_every == 0:
            second_log, second_world = cuts.record(image, cuts.recovery, world.at(cut, lambda: 0))
            for second_cut, _mode, second_image in images(second_log, image, range(len(second_log) + 1)):
                cuts.judge(second_image, second_world.at(second_cut, lambda: 0))
                second_cuts += 1
        on_progress(cut, len(log))
    return {
        "case": case,
        **cuts.found,
        "operations": len(log),
        "cuts_in_recovery": second_cuts,
        "messages": len(world.numbers) + len(world.accepted),
    }


async def _new_journal() -> Image:
    """A journal in which the context has been begun."""
    with memory_folder() as folder:
        store = journal_store(await new_journal(folder / "journal.sqlite"))
        await JournalSecurityContext.begin(store, _ID, GATEWAY_KEYS)
        await store.close()
        return take(folder)


@contextmanager
def _watch_files(disk: RecordingDisk) -> Any:
    """Note what aiocoap has written and synced before it renames a file."""
    rename = os.replace

    def noted(old: str, new: str) -> None:
        disk.note(CREATE, old)
        disk.note(WRITE, old, 0, Path(old).read_bytes())
        disk.note(SYNC, old)
        rename(old, new)

    with patch.object(os, "replace", noted):
        yield


CASES = {"journal/oscore": oscore_cut, "journal/oscore-control": oscore_cut_control}

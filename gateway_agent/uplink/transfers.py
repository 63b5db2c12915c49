"""Files that go up and come down in blocks, one block at a time, whenever nothing more urgent waits.

Each block is an exchange of its own (RFC 7959), so an alarm waits for one block at most, and a step may be cancelled at
any moment. What the platform has of an upload it says itself; what is here of a download is in a file beside the
journal (transfer_folder.py). So neither begins again from nothing, whoever was restarted, and a file that is here
whole is not fetched again. A disk that fails makes a transfer wait. protocols/spec/transfer.md tells it in words and
bytes.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from gateway_agent.uplink.answer import MAX_FILES, FileOffer
from gateway_agent.uplink.batches import PAYLOAD_BYTES
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.coap_message import TRANSFER, Request
from gateway_agent.uplink.errors import ExchangeFailed, FormatError, Refused
from gateway_agent.uplink.on_disk import on_disk
from gateway_agent.uplink.transfer_block_size import BlockSize
from gateway_agent.uplink.transfer_download import Download
from gateway_agent.uplink.transfer_folder import Outcome, PartFile, TransferFolder
from gateway_agent.uplink.transfer_format import (
    CHANNELS,
    DOWN,
    DOWNLOAD_LIMITS,
    REFUSED,
    REPORT_KEY,
    TAKEN,
    UPLOAD_LIMITS,
    Offer,
    TransferError,
    check_limits,
    digest_of,
)
from gateway_agent.uplink.transfer_upload import Progress, Upload

log = logging.getLogger("gatepost.uplink")

Take = Callable[[bytes], Awaitable[str]]
"""Takes a file that was fetched; returns "" when it was taken, else in words why it is refused. May get a file again
after a restart. An OSError of it means that the disk fails: it gets the file again later."""

_BROKEN_MOST = 2
"""So often a file is fetched whose digest is then another."""
_KEPT_DIGESTS = 64


class Transfers:
    """What is to be sent and fetched. `problem` is why the last transfer does not get on, "" while it does;
    `table_is_there` tells that the platform has taken the channel table that was sent."""

    def __init__(
        self,
        client: CoapClient,
        who: tuple[str, ...],
        folder: Path | None = None,
        takers: Mapping[str, Take] | None = None,
        payload_bytes: Callable[[], int] = lambda: PAYLOAD_BYTES,
    ) -> None:
        """`who` is the query that names the gateway in the clear. Without a `folder`, or when the disk does not let us
        have it, nothing is fetched and nothing but the channel table is sent; `takers` are by kind of file.
        `payload_bytes` tells what one datagram takes now."""
        self.problem = ""
        self.blocks = 0
        self.table_is_there = False
        self._client = client
        self._who = who
        self._takers = takers or {}
        self._payload_bytes = payload_bytes
        self._size = BlockSize()
        self._table: Upload | None = None
        self._upload: Upload | None = None
        self._download: Download | None = None
        self._offers: dict[str, Offer] = {}
        self._waiting: list[tuple[str, bytes]] = []
        self._untold: dict[str, Outcome] = {}
        self._broken: dict[bytes, int] = {}
        self._given_up: set[bytes] = set()
        self._disk_has_failed = False
        self._folder: TransferFolder | None = None
        if folder is not None:
            try:
                self._use(TransferFolder(folder))
            except OSError as error:
                log.error("%s: no files can be sent or fetched before the next start: %s", folder, error)

    def _use(self, folder: TransferFolder) -> None:
        """Take up what lies in the folder. Raises OSError."""
        outcomes = {kind: folder.outcome(kind) for kind in DOWNLOAD_LIMITS}
        self._untold = {kind: one for kind, one in outcomes.items() if one is not None and not one.is_told}
        self._waiting = folder.uploads()
        self._folder = folder

    @property
    def table_is_wanted(self) -> bool:
        """Whether the channel table is under way."""
        return self._table is not None

    def want_table(self, data: bytes) -> None:
        """The platform lacks the channel table: send it, unless it has refused it."""
        if self._table is None and digest_of(data) not in self._given_up:
            self._table = Upload(CHANNELS, digest_of(data), data, self._who, is_new=True)

    def send(self, kind: str, data: bytes) -> None:
        """Send a file; it is kept on the disk until the platform has it. Raises TransferError, and OSError."""
        if self._folder is None:
            raise TransferError(f"there is no folder to keep a file of kind {kind} in")
        waits = kind, self._folder.keep_upload(kind, data)
        if waits not in self._waiting:
            self._waiting.append(waits)

    def offered(self, files: Sequence[FileOffer]) -> None:
        """What the platform has for us, from an answer."""
        if self._folder is None:
            return
        for file in files:
            if file.digest in self._given_up or file.kind in self._untold:
                continue
            try:
                check_limits(file.kind, file.size, {kind: DOWNLOAD_LIMITS[kind] for kind in self._takers})
            except TransferError as error:
                log.error("%s", error)
                if len(self._untold) < MAX_FILES:
                    self._untold[file.kind] = Outcome(file.digest, REFUSED, False)
            else:
                self._offers[file.kind] = Offer(file.kind, file.digest, file.size)

    @property
    def has_work(self) -> bool:
        """Whether `step` would ask the platform for something."""
        return bool(self._table or self._untold or self._offers or self._waiting)

    async def step(self) -> bool:
        """One exchange; returns whether it got something on. What fails is tried again by the next call.

        Raises ExchangeFailed when the platform does not answer.
        """
        self._size.fit(self._payload_bytes())
        try:
            return await self._step()
        except ExchangeFailed:
            self._size.failed()
            raise
        except OSError as error:
            # Which bytes have reached a disk that fails is not known: what was said to be safe is gone on from.
            self._let_go()
            self._disk_has_failed = True
            self.problem = f"the disk fails: {error.strerror or error}"
            return False

    def close(self) -> None:
        """Make what was fetched safe, for the next start to go on from."""
        if self._download is not None:
            try:
                self._download.part.close()
            except OSError as error:
                log.warning("some blocks will be fetched again: %s", error)
            self._download = None

    async def _step(self) -> bool:
        if self._table is not None:
            return await self._send_table(self._table)
        for kind, outcome in self._untold.items():
            return await self._tell(kind, outcome)
        for kind in DOWNLOAD_LIMITS:
            if kind in self._offers and self._folder is not None:
                return await self._fetch(self._offers[kind], self._folder)
        if self._waiting and self._folder is not None:
            return await self._send_next(self._folder)
        return False

    async def _send_table(self, table: Upload) -> bool:
        progress = await self._send_block(table)
        if progress is Progress.GIVEN_UP:
            self._give_up(table.digest)
        self.table_is_there = progress is Progress.DONE
        if progress in (Progress.DONE, Progress.GIVEN_UP):
            self._table = None
        return progress is not Progress.LATER

    async def _send_next(self, folder: TransferFolder) -> bool:
        if self._upload is None:
            order = list(UPLOAD_LIMITS)
            found = min(self._waiting, key=lambda waits: order.index(waits[0]))
            data = await on_disk(folder.read_upload, *found)
            if data is None:
                log.error("a file of kind %s that was to be sent has been damaged on the disk", found[0])
                self._waiting.remove(found)
                return True
            self._upload = Upload(*found, data, self._who, is_new=False)
        upload = self._upload
        progress = await self._send_block(upload)
        if progress in (Progress.DONE, Progress.GIVEN_UP):
            self._upload = None
            self._waiting.remove((upload.kind, upload.digest))
            await on_disk(folder.drop_upload, upload.kind, upload.digest)
        return progress is not Progress.LATER

    async def _send_block(self, upload: Upload) -> Progress:
        request = upload.request(self._size.exponent)
        self.blocks += 1
        try:
            progress = upload.take(await self._client.ask(request))
            self._size.passed(upload.offset or 0)
        except Refused as refused:
            progress = upload.refused(refused.code, refused.payload, refused.diagnostic)
        except FormatError as error:
            upload.problem, progress = str(error), Progress.LATER
        self._note(progress, upload.kind, upload.problem)
        return progress

    async def _fetch(self, offer: Offer, folder: TransferFolder) -> bool:
        """The next block of a file, or what is to be done when it is here whole."""
        download = self._download
        if download is None or download.offer != offer:
            self.close()
            if self._disk_has_failed:
                # Nothing is paid for that the disk would not keep.
                await on_disk(folder.try_disk)
                self._disk_has_failed = False
            here = await on_disk(_what_is_here, folder, offer)
            if isinstance(here, Outcome):
                self._note_outcome(offer.kind, here)
                return True
            if isinstance(here, bytes):
                return await self._hand_over(offer, here, folder)
            self._download = download = Download(here, self._who)
        if download.left_bytes and not await self._fetch_block(download, folder):
            return False
        return bool(download.left_bytes) or await self._finish(download, folder)

    async def _fetch_block(self, download: Download, folder: TransferFolder) -> bool:
        request = download.request(self._size.exponent)
        self.blocks += 1
        try:
            progress = await on_disk(download.take, await self._client.ask(request))
            self._size.passed(download.part.here_bytes)
        except Refused as refused:
            progress = download.refused(refused.code, refused.diagnostic)
        except FormatError as error:
            download.problem, progress = str(error), Progress.LATER
        self._note(progress, download.offer.kind, download.problem)
        if progress is Progress.GIVEN_UP:
            del self._offers[download.offer.kind]
            self._download = None
            await on_disk(folder.drop_part, download.part)
        return progress in (Progress.GOES_ON, Progress.DONE)

    async def _finish(self, download: Download, folder: TransferFolder) -> bool:
        """All bytes are here: see whether they are the right ones."""
        offer = download.offer
        self._download = None
        data = await on_disk(folder.finish_part, download.part)
        if data is not None:
            return await self._hand_over(offer, data, folder)
        self._broken[offer.digest] = self._broken.get(offer.digest, 0) + 1
        log.error("the file of kind %s that was fetched is not the one that was offered", offer.kind)
        if self._broken[offer.digest] < _BROKEN_MOST:
            return True
        del self._broken[offer.digest]
        return await self._end(offer, REFUSED, folder)

    async def _hand_over(self, offer: Offer, data: bytes, folder: TransferFolder) -> bool:
        try:
            why = await self._takers[offer.kind](data)
        except OSError:
            raise
        except Exception as error:
            # What a file from afar can do to its reader must not end the agent, which would fetch and read it again.
            log.exception("a file of kind %s cannot be read", offer.kind)
            why = f"{type(error).__name__}: {error}"
        if why:
            log.error("the file of kind %s that the platform sent is refused: %s", offer.kind, why)
        return await self._end(offer, REFUSED if why else TAKEN, folder)

    async def _end(self, offer: Offer, result: str, folder: TransferFolder) -> bool:
        outcome = Outcome(offer.digest, result, False)
        await on_disk(folder.note_outcome, offer.kind, outcome)
        self._note_outcome(offer.kind, outcome)
        return True

    def _note_outcome(self, kind: str, outcome: Outcome) -> None:
        self.problem = ""
        self._offers.pop(kind, None)
        self._untold[kind] = outcome

    async def _tell(self, kind: str, outcome: Outcome) -> bool:
        """Let the platform hear what came of a file, so that it offers it no longer."""
        query = (f"d={outcome.digest.hex()}", f"{REPORT_KEY}{outcome.result}", *self._who)
        try:
            await self._client.ask(Request("DELETE", (DOWN, kind), query, kind=TRANSFER))
        except Refused as refused:
            if refused.code.startswith("5."):
                self.problem = str(refused)
                return False
            log.info("%s; what came of a file is not told again", refused)
            self._give_up(outcome.digest)
        told = Outcome(outcome.digest, outcome.result, True)
        if self._folder is not None and kind in DOWNLOAD_LIMITS:
            if await on_disk(self._folder.outcome, kind) == outcome:
                await on_disk(self._folder.note_outcome, kind, told)
            else:
                self._give_up(outcome.digest)
        else:
            self._give_up(outcome.digest)
        del self._untold[kind]
        return True

    def _give_up(self, digest: bytes) -> None:
        """Have no more to do with a file until the next start."""
        if len(self._given_up) >= _KEPT_DIGESTS:
            self._given_up.clear()
        self._given_up.add(digest)

    def _let_go(self) -> None:
        if self._download is not None:
            self._download.part.let_go()
            self._download = None

    def _note(self, progress: Progress, kind: str, problem: str) -> None:
        self.problem = problem if progress in (Progress.LATER, Progress.GIVEN_UP) else ""
        if progress is Progress.GIVEN_UP:
            log.error("the transfer of a file of kind %s is given up: %s", kind, problem)


def _what_is_here(folder: TransferFolder, offer: Offer) -> PartFile | Outcome | bytes:
    """What the folder has of a file: what came of it, the whole of it, or the part to go on with."""
    outcome = folder.outcome(offer.kind)
    if outcome is not None and outcome.digest == offer.digest:
        return outcome
    whole = folder.whole(offer.kind)
    if whole is not None and digest_of(whole) == offer.digest:
        return whole
    part = folder.part(offer.kind)
    return part if part is not None and part.offer == offer else folder.begin_part(offer)

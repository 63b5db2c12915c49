"""Files that go up and come down in blocks, one block at a time, whenever nothing more urgent waits.

Each block is an exchange of its own (RFC 7959), so an alarm waits for one block at most. What the platform has of an
upload it says itself; what is here of a download is in a file beside the journal (transfer_folder.py). So neither
begins again from nothing, whoever was restarted. protocols/spec/transfer.md tells it in words and bytes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from gateway_agent.uplink.answer import FileOffer
from gateway_agent.uplink.client import CoapClient, ExchangeFailed, Refused
from gateway_agent.uplink.coap_message import TRANSFER, Request
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.transfer_download import Download
from gateway_agent.uplink.transfer_folder import Outcome, TransferFolder
from gateway_agent.uplink.transfer_format import (
    CHANNELS,
    DEFAULT_EXPONENT,
    DOWN,
    DOWNLOAD_LIMITS,
    REFUSED,
    REPORT_KEY,
    SMALLEST_EXPONENT,
    TAKEN,
    UPLOAD_LIMITS,
    Offer,
    TransferError,
    digest_of,
)
from gateway_agent.uplink.transfer_upload import Progress, Upload

log = logging.getLogger("gatepost.uplink")

Take = Callable[[bytes], Awaitable[str]]
"""Takes a file that was fetched; returns "" when it was taken, else in words why it is refused."""


class Transfers:
    """What is to be sent and fetched. `problem` is why the last transfer does not get on, "" while it does;
    `table_is_there` tells that the platform has taken the channel table that was sent."""

    def __init__(
        self,
        client: CoapClient,
        who: tuple[str, ...],
        folder: Path | None = None,
        takers: Mapping[str, Take] | None = None,
    ) -> None:
        """`who` is the query that names the gateway in the clear. Without a `folder` nothing is fetched and nothing but
        the channel table is sent; `takers` are by kind of file."""
        self.problem = ""
        self.blocks = 0
        self.table_is_there = False
        self._client = client
        self._who = who
        self._folder = None if folder is None else TransferFolder(folder)
        self._takers = takers or {}
        self._exponent = DEFAULT_EXPONENT
        self._table: Upload | None = None
        self._upload: Upload | None = None
        self._download: Download | None = None
        self._offers: dict[str, Offer] = {}
        self._given_up: set[bytes] = set()

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
        self._folder.keep_upload(kind, data)

    def offered(self, files: Sequence[FileOffer]) -> None:
        """What the platform has for us, from an answer."""
        for file in files:
            if file.kind in self._takers and file.digest not in self._given_up:
                self._offers[file.kind] = Offer(file.kind, file.digest, file.size)

    @property
    def has_work(self) -> bool:
        """Whether `step` would ask the platform for something."""
        return bool(
            self._table or self._download or self._upload or self._offers or self._untold() or self._next_upload()
        )

    async def step(self) -> bool:
        """One exchange; returns whether it got something on. What fails is tried again by the next call.

        Raises ExchangeFailed when the platform does not answer.
        """
        if self._table is not None:
            progress = await self._send_block(self._table)
            if progress is Progress.GIVEN_UP:
                self._given_up.add(self._table.digest)
            self.table_is_there = progress is Progress.DONE
            if progress in (Progress.DONE, Progress.GIVEN_UP):
                self._table = None
            return progress is not Progress.LATER
        untold = self._untold()
        if untold is not None:
            return await self._tell(*untold)
        if await self._find_download():
            return await self._fetch_block()
        return await self._send_next()

    async def _send_next(self) -> bool:
        if self._upload is None:
            found = self._next_upload()
            if found is None or self._folder is None:
                return False
            data = await asyncio.to_thread(self._folder.read_upload, *found)
            if data is None:
                log.error("a file of kind %s that was to be sent has been damaged on the disk", found[0])
                return True
            self._upload = Upload(*found, data, self._who, is_new=False)
        upload = self._upload
        progress = await self._send_block(upload)
        if progress in (Progress.DONE, Progress.GIVEN_UP) and self._folder is not None:
            self._upload = None
            await asyncio.to_thread(self._folder.drop_upload, upload.kind, upload.digest)
        return progress is not Progress.LATER

    def _next_upload(self) -> tuple[str, bytes] | None:
        if self._folder is None:
            return None
        order = list(UPLOAD_LIMITS)
        return min(self._folder.uploads(), key=lambda found: order.index(found[0]), default=None)

    async def _send_block(self, upload: Upload) -> Progress:
        self.blocks += 1
        try:
            progress = upload.take(await self._client.ask(upload.request(self._exponent)))
        except ExchangeFailed:
            # The place where a block is lost may be the largest that gets through.
            self._exponent = max(SMALLEST_EXPONENT, self._exponent - 1)
            raise
        except Refused as refused:
            progress = upload.refused(refused.code, refused.payload, refused.diagnostic)
        except FormatError as error:
            upload.problem, progress = str(error), Progress.LATER
        self._note(progress, upload.kind, upload.problem)
        return progress

    async def _find_download(self) -> bool:
        """Whether there is something to fetch; it is taken up where it was left."""
        if self._folder is None:
            return False
        for kind in DOWNLOAD_LIMITS:
            offer = self._offers.get(kind)
            if offer is None:
                continue
            if self._download is not None and self._download.offer == offer:
                return True
            done = await asyncio.to_thread(self._folder.outcome, kind)
            if done is not None and done.digest == offer.digest:
                # The platform has not heard what came of it.
                await asyncio.to_thread(self._folder.note_outcome, kind, Outcome(done.digest, done.result, False))
                del self._offers[kind]
                return False
            part = await asyncio.to_thread(self._folder.part, kind)
            if part is None or part.offer != offer:
                try:
                    part = await asyncio.to_thread(self._folder.begin_part, offer)
                except TransferError as error:
                    log.error("%s", error)
                    self._given_up.add(offer.digest)
                    del self._offers[kind]
                    return False
            self._download = Download(part, self._who)
            return True
        return False

    async def _fetch_block(self) -> bool:
        download, folder = self._download, self._folder
        if download is None or folder is None:
            return False
        self.blocks += 1
        try:
            reply = await self._client.ask(download.request(self._exponent))
            progress = await asyncio.to_thread(download.take, reply)
        except ExchangeFailed:
            self._exponent = max(SMALLEST_EXPONENT, self._exponent - 1)
            raise
        except Refused as refused:
            progress = download.refused(refused.code, refused.diagnostic)
        except FormatError as error:
            download.problem, progress = str(error), Progress.LATER
        self._note(progress, download.offer.kind, download.problem)
        if progress is Progress.GIVEN_UP:
            self._download = None
            self._offers.pop(download.offer.kind, None)
            await asyncio.to_thread(folder.drop_part, download.part)
        elif progress is Progress.DONE:
            self._download = None
            await self._finish(download, folder)
        return progress is not Progress.LATER

    async def _finish(self, download: Download, folder: TransferFolder) -> None:
        offer = download.offer
        data = await asyncio.to_thread(folder.finish_part, download.part)
        self._offers.pop(offer.kind, None)
        if data is None:
            log.error("the file of kind %s that was fetched is not the one that was offered", offer.kind)
            return
        why = await self._takers[offer.kind](data)
        if why:
            log.error("the file of kind %s that the platform sent is refused: %s", offer.kind, why)
        result = REFUSED if why else TAKEN
        await asyncio.to_thread(folder.note_outcome, offer.kind, Outcome(offer.digest, result, False))

    def _untold(self) -> tuple[str, Outcome] | None:
        """What came of a file, and the platform has not heard."""
        if self._folder is None:
            return None
        for kind in self._takers:
            outcome = self._folder.outcome(kind)
            if outcome is not None and not outcome.is_told:
                return kind, outcome
        return None

    async def _tell(self, kind: str, outcome: Outcome) -> bool:
        query = (f"d={outcome.digest.hex()}", f"{REPORT_KEY}{outcome.result}", *self._who)
        try:
            await self._client.ask(Request("DELETE", (DOWN, kind), query, kind=TRANSFER))
        except Refused as refused:
            log.info("%s; what came of a file is not told again", refused)
        if self._folder is not None:
            told = Outcome(outcome.digest, outcome.result, True)
            await asyncio.to_thread(self._folder.note_outcome, kind, told)
        return True

    def _note(self, progress: Progress, kind: str, problem: str) -> None:
        self.problem = problem if progress in (Progress.LATER, Progress.GIVEN_UP) else ""
        if progress is Progress.GIVEN_UP:
            log.error("the transfer of a file of kind %s is given up: %s", kind, problem)

"""One file on its way down, as a row of requests: what to ask next, and what an answer means for it.

Each answer names the file by its ETag, so blocks of two files are never joined. What came is put into the part file at
once; `take` and `finish` wait for the disk and belong into a thread.
"""

from gateway_agent.uplink.coap_message import Block, Reply, Request
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.transfer_folder import PartFile
from gateway_agent.uplink.transfer_format import DOWN, Offer, block_bytes
from gateway_agent.uplink.transfer_upload import Progress

_GONE = ("4.00", "4.03", "4.04", "4.05")
"""Codes by which a platform says that it has no such file any more."""


class Download:
    """A file that is being fetched into `part`. `blocks_got` counts since the start, repeated ones too.

    `longest_exponent` is the SZX by which the platform has answered, when it was smaller than asked for.
    """

    def __init__(self, part: PartFile, query: tuple[str, ...]) -> None:
        self.part = part
        self.longest_exponent: int | None = None
        self.blocks_got = 0
        self.problem = ""
        self._query = query
        self._asked = 0, 0

    @property
    def offer(self) -> Offer:
        """The file that is being fetched."""
        return self.part.offer

    @property
    def left_bytes(self) -> int:
        """Bytes that are still to be fetched."""
        return self.offer.total_bytes - self.part.here_bytes

    def request(self, exponent: int) -> Request:
        """The next request, with a block of no more than `exponent` says."""
        if self.longest_exponent is not None:
            exponent = min(exponent, self.longest_exponent)
        number = self.part.here_bytes // block_bytes(exponent)
        self._asked = number * block_bytes(exponent), exponent
        return Request(
            "GET", (DOWN, self.offer.kind), self._query, block2=Block(number, False, exponent), kind="transfer"
        )

    def take(self, reply: Reply) -> Progress:
        """Keep what a 2.05 answer brings. GIVEN_UP when it is of another file; DONE when all bytes are here.

        Raises FormatError when it does not fit what was asked for, OSError when the disk fails.
        """
        self.blocks_got += 1
        kind, total = self.offer.kind, self.offer.total_bytes
        if reply.code != "2.05":
            raise FormatError(f"the platform answers the request for a block of kind {kind} with {reply.code}")
        if reply.etag != self.offer.digest:
            told = "no ETag" if reply.etag is None else f"the ETag {reply.etag.hex()}"
            self.problem = f"the file of kind {kind} has changed: the block has {told}, not {self.offer.digest.hex()}"
            return Progress.GIVEN_UP
        start, more = 0, False
        if reply.block2 is not None:
            exponent = reply.block2.size_exponent
            start, more = reply.block2.number * block_bytes(exponent), reply.block2.more
            if more and len(reply.payload) != block_bytes(exponent):
                raise FormatError(f"a block of {block_bytes(exponent)} bytes came with {len(reply.payload)}")
            if exponent < self._asked[1]:
                self.longest_exponent = exponent
        end = start + len(reply.payload)
        if more != (end < total) or end > total:
            raise FormatError(f"a block of kind {kind} ends at byte {end} of {total}, and more = {more}")
        here = self.part.here_bytes
        if not start <= here < end:
            raise FormatError(f"a block of kind {kind} begins at byte {start}, asked for was {here}")
        self.part.append(reply.payload[here - start :])
        return Progress.DONE if self.part.here_bytes == total else Progress.GOES_ON

    def refused(self, code: str, diagnostic: str) -> Progress:
        """What a 4.xx or 5.xx answer to the last request means."""
        self.problem = f"{code} {diagnostic}".strip()
        return Progress.GIVEN_UP if code in _GONE else Progress.LATER

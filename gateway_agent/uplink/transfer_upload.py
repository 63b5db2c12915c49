"""One file on its way up, as a row of requests: what to ask next, and what an answer means for it.

Nothing is sent here. The place where the file goes on is what the platform says that it has stored: after a restart it
is asked, and a block that does not follow is answered with it (4.08).
"""

from enum import Enum

from gateway_agent.uplink.coap_message import Block, Reply, Request
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.transfer_format import (
    CBOR_FORMAT,
    DIGEST_KEY,
    SMALLEST_EXPONENT,
    UP,
    Stored,
    block_bytes,
    decode_stored,
)

_FOR_GOOD = ("4.00", "4.02", "4.03", "4.04", "4.05", "4.06", "4.15", "4.22")
"""Codes by which a platform says that it will never take this file."""
_INCOMPLETE, _FAILED_CONDITION, _TOO_LARGE = "4.08", "4.12", "4.13"
_DOES_NOT_TELL = ("4.04", "4.05")
"""A platform that knows plain RFC 7959 only is not able to say what it has, and is sent all of it."""
_ODD_ANSWERS = 3


class Progress(Enum):
    """What an answer means for a transfer."""

    GOES_ON = 0
    DONE = 1
    LATER = 2
    GIVEN_UP = 3


class Upload:
    """A file that the platform is to have. `offset` is how much it has, None while that must be asked.

    `longest_exponent` is the largest SZX that the platform has asked for; `blocks_sent` counts since the start.
    """

    def __init__(self, kind: str, digest: bytes, data: bytes, query: tuple[str, ...], *, is_new: bool) -> None:
        """`is_new`: it was never sent before, so nothing has to be asked. `query` goes with each request."""
        self.kind = kind
        self.digest = digest
        self.data = data
        self.offset: int | None = 0 if is_new else None
        self.longest_exponent: int | None = None
        self.blocks_sent = 0
        self.problem = ""
        self._query = (DIGEST_KEY + digest.hex(), *query)
        self._odd_answers = 0
        self._failed_digests = 0
        self._sent: tuple[int, int] | None = None

    @property
    def left_bytes(self) -> int:
        """Bytes that are still to be sent, as far as is known."""
        return len(self.data) - (self.offset or 0)

    def request(self, exponent: int) -> Request:
        """The next request, with blocks of no more than `exponent` says."""
        path = (UP, self.kind)
        if self.offset is None:
            self._sent = None
            return Request("GET", path, self._query, accept=CBOR_FORMAT, kind="transfer")
        if self.longest_exponent is not None:
            exponent = min(exponent, self.longest_exponent)
        size = block_bytes(exponent)
        number = self.offset // size
        start = number * size
        block = self.data[start : start + size]
        more = start + len(block) < len(self.data)
        self._sent = start, exponent
        self.blocks_sent += 1
        return Request(
            "PUT",
            path,
            self._query,
            payload=block,
            block1=Block(number, more, exponent) if number or more else None,
            kind="transfer",
        )

    def take(self, reply: Reply) -> Progress:
        """What a 2.xx answer to the last request means. Raises FormatError when it cannot be understood."""
        if self._sent is None:
            return self._go_on_from(decode_stored(reply.payload))
        start, exponent = self._sent
        end = min(len(self.data), start + block_bytes(exponent))
        if reply.code == "2.31" and end < len(self.data):
            self.offset = end
            self._odd_answers = 0
            if reply.block1 is not None and reply.block1.size_exponent < exponent:
                self.longest_exponent = max(reply.block1.size_exponent, 0)
            return Progress.GOES_ON
        if reply.code in ("2.01", "2.04"):
            self.offset = len(self.data)
            return Progress.DONE
        return self._odd(f"the platform answers a block of kind {self.kind} with {reply.code}")

    def refused(self, code: str, payload: bytes, diagnostic: str) -> Progress:
        """What a 4.xx or 5.xx answer to the last request means."""
        self.problem = f"{code} {diagnostic}".strip()
        if self._sent is None and code in _DOES_NOT_TELL:
            self.offset = 0
            return Progress.GOES_ON
        if code == _INCOMPLETE:
            return self._behind(payload)
        if code == _FAILED_CONDITION:
            # What lay there was not what we have sent; it is gone, and once we may try with a clean beginning.
            self._failed_digests += 1
            self.offset = 0
            return Progress.GOES_ON if self._failed_digests < 2 else Progress.GIVEN_UP
        if code == _TOO_LARGE:
            return self._smaller()
        return Progress.GIVEN_UP if code in _FOR_GOOD else Progress.LATER

    def _go_on_from(self, stored: Stored) -> Progress:
        if stored.is_whole:
            self.offset = len(self.data)
            return Progress.DONE
        if stored.stored_bytes >= len(self.data):
            return self._odd(f"the platform says that it has {stored.stored_bytes} of {len(self.data)} bytes")
        self.offset = stored.stored_bytes
        return Progress.GOES_ON

    def _behind(self, payload: bytes) -> Progress:
        before = self.offset
        try:
            progress = self._go_on_from(decode_stored(payload))
        except FormatError:
            # A platform that does not tell how far it is: it is asked.
            self.offset = None
            return self._odd(self.problem)
        if progress is Progress.GOES_ON and self.offset == before:
            return self._odd(f"the platform has {before} bytes and does not take what follows them")
        return progress

    def _smaller(self) -> Progress:
        exponent = self._sent[1] if self._sent is not None else SMALLEST_EXPONENT
        if exponent <= SMALLEST_EXPONENT:
            return Progress.GIVEN_UP
        self.longest_exponent = exponent - 1
        return Progress.GOES_ON

    def _odd(self, problem: str) -> Progress:
        """An answer that does not get us on; a few may be old ones, many are not."""
        self.problem = problem
        self._odd_answers += 1
        if self._odd_answers < _ODD_ANSWERS:
            return Progress.GOES_ON
        self._odd_answers = 0
        self.offset = None
        return Progress.LATER

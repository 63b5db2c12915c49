"""How large the blocks are: smaller where they get lost, larger again when they get through.

A link that is away loses small blocks too, so one failure says nothing, and what an outage has made small must not stay
small: each block has headers and an answer of its own. Larger blocks begin where their own numbering allows it, at a
multiple of their size (RFC 7959, 2.2).
"""

from gateway_agent.uplink.transfer_format import DEFAULT_EXPONENT, SMALLEST_EXPONENT, block_bytes

_FAILURES = 2
_SUCCESSES = 8


class BlockSize:
    """The SZX to ask with."""

    def __init__(self) -> None:
        self.exponent = self._longest = DEFAULT_EXPONENT
        self._failures = 0
        self._successes = 0

    def fit(self, payload_bytes: int) -> None:
        """Blocks may have so many bytes now."""
        fitting = (szx for szx in range(DEFAULT_EXPONENT, SMALLEST_EXPONENT, -1) if block_bytes(szx) <= payload_bytes)
        self._longest = next(fitting, SMALLEST_EXPONENT)
        self.exponent = min(self.exponent, self._longest)

    def failed(self) -> None:
        """An exchange had no answer."""
        self._successes = 0
        self._failures += 1
        if self._failures >= _FAILURES:
            self.exponent = max(SMALLEST_EXPONENT, self.exponent - 1)

    def passed(self, next_byte: int) -> None:
        """A block got through, and the next begins at `next_byte` of its file."""
        self._failures = 0
        self._successes += 1
        is_even = next_byte % block_bytes(self.exponent + 1) == 0
        if self.exponent < self._longest and self._successes >= _SUCCESSES and is_even:
            self.exponent += 1
            self._successes = 0

"""When a confirmable message is repeated, and how long an answer is waited for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Retransmission of RFC 7252, 4.2: the first after `ack_timeout_s` (times 1 to 1.5), each wait double the last."""

    ack_timeout_s: float = 2.0
    max_retransmit: int = 3

    @property
    def longest_s(self) -> float:
        """After this an exchange without an answer has failed (MAX_TRANSMIT_WAIT of RFC 7252, 4.8.2)."""
        return self.ack_timeout_s * 1.5 * ((1 << self.max_retransmit + 1) - 1)

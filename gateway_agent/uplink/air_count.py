"""Bytes on the air: every datagram of the uplink both ways, by what it was for, repetitions included."""

from dataclasses import dataclass, field

HEADER_BYTES = 28
"""IPv4 and UDP headers of a datagram; what a bearer bills beside the payload."""


@dataclass
class Traffic:
    """Datagrams and their UDP payload bytes, both ways."""

    sent: int = 0
    sent_bytes: int = 0
    received: int = 0
    received_bytes: int = 0

    @property
    def on_air_bytes(self) -> int:
        """All bytes with IPv4 and UDP headers."""
        return self.sent_bytes + self.received_bytes + HEADER_BYTES * (self.sent + self.received)


@dataclass
class AirCount(Traffic):
    """The total, and the same by kind of message (the names in coap_message.py; those that occurred). `last_s` is when
    the last datagram went or came, by the event loop's clock. `whole` counts the same and more."""

    by_kind: dict[str, Traffic] = field(default_factory=dict)
    last_s: float = 0.0
    whole: "AirCount | None" = None

    def note_sent(self, kind: str, size: int, now_s: float) -> None:
        """Count a datagram of `size` bytes that was handed to the socket."""
        self.last_s = now_s
        for traffic in (self, self.by_kind.setdefault(kind, Traffic())):
            traffic.sent += 1
            traffic.sent_bytes += size
        if self.whole is not None:
            self.whole.note_sent(kind, size, now_s)

    def note_received(self, kind: str, size: int, now_s: float) -> None:
        """Count a datagram of `size` bytes that has arrived, whether it was admitted or not."""
        self.last_s = now_s
        for traffic in (self, self.by_kind.setdefault(kind, Traffic())):
            traffic.received += 1
            traffic.received_bytes += size
        if self.whole is not None:
            self.whole.note_received(kind, size, now_s)

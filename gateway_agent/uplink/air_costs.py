"""What a message costs on the air beside its payload: bytes with IPv4 and UDP headers, as datagrams were measured.

protocols/spec/transport.md shows each of them byte by byte, and its vectors are checked against the code. The OSCORE id
has two bytes here and the sender number two, a token one (RFC 8613, 6.1; RFC 7252, 3; RFC 7967, 2).
"""

UNCONFIRMED_BATCH, CONFIRMED_BATCH = 56, 53
"""Compact batch: non-confirmable with No-Response, and confirmable."""
SENML_MESSAGE = 67
"""SenML: path and query beside it."""
EMPTY_ANSWER = 44
SENML_ANSWER = 70
"""An answer that tells ranges and the time."""
EMPTY_ACK = 32
NOTIFICATION = 58
"""A word of the mailbox that says nothing."""
GREETING = 190
"""The first question with its answer."""
AGREEMENT = 330
"""New keys by EDHOC, with the request that brings message 3 and its answer."""
BLOCK = 110
"""A block of a file with its answer, beside its bytes."""
BLOCK_BYTES = 512

COMPACT_READING, COMPACT_SELF_READING, SENML_READING = 0.34, 0.34, 12.9
"""Bytes of payload for a reading; `make bench ARGS=wire` measures them."""
COMPACT_SELF_CHANNEL = 2.3
"""What a compact batch that builds on nothing takes for the first value of a channel."""
ALARM_PAYLOAD, EVENT_PAYLOAD = 40, 40
"""A compact batch with an alarm, or with an event."""

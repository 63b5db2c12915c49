"""What messages and readings cost on the air, in bytes: for the forecast. docs/budget.md tells how each was measured.

Messages are counted whole, beside their payload: IPv4 and UDP headers (28), CoAP header and a token of one byte (RFC
7252, 3), OSCORE option with an id and a sender number of two bytes each, its tag of 8 (RFC 8613, 6.1 and 8.1), options.
protocols/spec/transport.md shows each byte by byte; tests compare these figures with its vectors.
"""

UNCONFIRMED_BATCH, CONFIRMED_BATCH = 56, 53
"""Compact batch: non-confirmable with No-Response (RFC 7967, 2), and confirmable."""
EMPTY_ANSWER = 44
EMPTY_ACK = 32
"""The acknowledgement of a notification: OSCORE does not protect it (RFC 8613, 4.2)."""
OBSERVE, OBSERVED = 53, 47
"""Asking for the mailbox, and an answer that says that it is empty."""
NOTIFICATION = 49
"""A word of the mailbox that says that it is empty."""
SENML_EXCHANGE = 128
"""SenML: path and query beside it, and an answer that tells the time."""
GREETING = 158
"""The first question with its answer."""
AGREEMENT = 90 + 89 + 29
"""New keys by EDHOC: messages 1 and 2, and what message 3 adds to a request."""
BLOCK = 110
"""A block of a file with its answer, beside its bytes."""
BLOCK_BYTES = 512

COMPACT_READING = 0.309
"""A reading that comes with every poll, of a point that is read each minute."""
COMPACT_CHANGED, COMPACT_CHANGED_OF_POLLS = 1.0, 0.35
"""A reading that is reported on change, where few are; and the most it comes to, for each poll that may give one."""
COMPACT_FIGURE = 0.85
"""A figure of a window: 0.75 at ten minutes, 1.0 at an hour."""
COMPACT_BATCH = 4.6
"""What a batch begins with."""
COMPACT_SELF_CHANNEL, COMPACT_SELF_DOUBLING = 2.4, 0.45
"""A batch that builds on nothing: more for each channel in it, and for each doubling of its readings in the batch."""

SENML_READING, SENML_CHANNEL = 8.95, 6.75
"""Polls in columns by OMA names: a reading, and the name of each channel in each message."""
SENML_CHANGED, SENML_FIGURE, SENML_PLAIN = 17.5, 18.8, 23.7
"""A reading on change, a figure of a window, any reading by its plain name; names included."""
SENML_FULL = 940
"""What messages hold that are full."""
ALARM_PAYLOAD, EVENT_PAYLOAD = 40, 40
"""A compact batch with an alarm, or with an event."""

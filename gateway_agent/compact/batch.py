"""Compact batches: records as a few bytes each, and back. protocols/spec/telemetry.md is the page for the bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway_agent.compact.limits import MAX_RECORDS
from gateway_agent.compact.range_coder import Decoder, Encoder
from gateway_agent.compact.state import ID_BYTES, State
from gateway_agent.compact.table import DIGEST_BYTES, ChannelTable
from gateway_agent.compact.walk import Walk
from gateway_agent.journal import Record
from gateway_agent.uplink.errors import FormatError

VERSION = 1
_CHAINED, _ASKS, _TELLS_TIME, _LATE = 8, 4, 2, 1
_SENT_STEP_MS = 250
_EPOCH_BYTES = 4


class UnknownTable(FormatError):  # noqa: N818 - what is unknown here may be sent
    """The batch builds on nothing and refers to a channel table that is not here."""

    def __init__(self, digest: bytes) -> None:
        super().__init__(f"the channel table {digest.hex()} is not here")
        self.digest = digest


class UnknownState(FormatError):  # noqa: N818 - the sender builds on another one then
    """The batch builds on a state that is not here."""

    def __init__(self, state_id: bytes) -> None:
        super().__init__(f"the state {state_id.hex()} is not here")
        self.id = state_id


@dataclass(frozen=True, slots=True)
class Encoded:
    """`payload` holds the first `count` records; `state` is what the next batch may build on."""

    payload: bytes
    state: State
    count: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a batch says. `first_waiting` is the first sequence that is asked for, `sent_ms` the sender's clock, less
    than a quarter of a second above it, None where it does not say. `qualities` are those that are not good, by
    (sequence, place)."""

    epoch: int
    records: list[Record]
    first_waiting: int | None
    sent_ms: int | None
    is_late: bool
    state: State
    table: ChannelTable
    qualities: Mapping[tuple[int, int], int] = field(default_factory=dict)


def encode_batch(
    records: Sequence[Record],
    table: ChannelTable,
    *,
    state: State | None = None,
    epoch: int,
    first_waiting: int | None = None,
    sent_ms: int | None = None,
    is_late: bool = False,
    limit_bytes: int = 1024,
    qualities: Mapping[tuple[int, int], int] | None = None,
) -> Encoded:
    """As many of the first records as fit `limit_bytes`, at least one; all are of one epoch, sequences ascending.

    Raises FormatError when one of them holds what a batch cannot say (telemetry.md, "Limits"). `state` stays as it is.
    """
    count = min(len(records), MAX_RECORDS)
    while True:
        encoded = _encode(records[:count], table, state, epoch, first_waiting, sent_ms, is_late, limit_bytes, qualities)
        if encoded.count == count and (len(encoded.payload) <= limit_bytes or count == 1):
            return encoded
        # Somewhat fewer than fitted: what stands before and behind the records takes bytes too.
        count = max(1, min(count - 1, encoded.count * 31 // 32))


def _encode(
    records: Sequence[Record],
    table: ChannelTable,
    state: State | None,
    epoch: int,
    first_waiting: int | None,
    sent_ms: int | None,
    is_late: bool,
    limit_bytes: int,
    qualities: Mapping[tuple[int, int], int] | None,
) -> Encoded:
    """The records as a batch; where not all of them can fit, how many may, and no payload."""
    head = VERSION << 4 | (_ASKS if first_waiting is not None else 0) | (_TELLS_TIME if sent_ms is not None else 0)
    head |= _LATE if is_late else 0
    if state is None:
        after = State.new(table, epoch)
        prefix = bytes((head,)) + epoch.to_bytes(_EPOCH_BYTES, "big") + table.digest
    else:
        after = state.copy()
        prefix = bytes((head | _CHAINED,)) + state.id
    coder = Encoder()
    walk = Walk(coder, after)
    walk.count(len(records))
    if first_waiting is not None:
        walk.asked(records[0].sequence - first_waiting)
    room = limit_bytes - len(prefix)
    done = walk.write(records, qualities or {}, lambda: coder.size > room)
    if done < len(records):
        return Encoded(b"", after, done)
    if sent_ms is not None:
        walk.sent(-((after.time_ms - sent_ms) // _SENT_STEP_MS))
    payload = prefix + coder.finish()
    after.id = after.after(payload)
    return Encoded(payload, after, len(records))


def decode_batch(
    payload: bytes,
    find_table: Callable[[bytes], ChannelTable | None],
    find_state: Callable[[bytes], State | None],
) -> Decoded:
    """What a batch says. Raises FormatError, UnknownTable and UnknownState among them."""
    if not payload or payload[0] >> 4 != VERSION:
        raise FormatError(f"not a compact batch of version {VERSION}")
    head = payload[0]
    if head & _CHAINED:
        state_id, body = payload[1 : 1 + ID_BYTES], payload[1 + ID_BYTES :]
        known = find_state(state_id)
        if known is None:
            raise UnknownState(state_id)
        state = known.copy()
    else:
        epoch, digest = payload[1 : 1 + _EPOCH_BYTES], payload[1 + _EPOCH_BYTES : 1 + _EPOCH_BYTES + DIGEST_BYTES]
        body = payload[1 + _EPOCH_BYTES + DIGEST_BYTES :]
        if len(digest) < DIGEST_BYTES:
            raise FormatError("the batch is cut short")
        table = find_table(digest)
        if table is None:
            raise UnknownTable(digest)
        state = State.new(table, int.from_bytes(epoch, "big"))
    coder = Decoder(body)
    walk = Walk(coder, state)
    count = walk.count(0)
    before = walk.asked(0) if head & _ASKS else None
    records = walk.read(count)
    sent_ms = state.time_ms + walk.sent(0) * _SENT_STEP_MS if head & _TELLS_TIME else None
    coder.finish()
    state.id = state.after(payload)
    first = None if before is None else records[0].sequence - before
    if (first is not None and first < 1) or (sent_ms is not None and not 0 <= sent_ms < 1 << 53):
        raise FormatError("the first sequence asked for, or the sender's clock, is none")
    return Decoded(state.epoch, records, first, sent_ms, bool(head & _LATE), state, state.table, walk.qualities)

"""What gateway and platform both know after a batch: the models of every channel, its last values, when groups are due.

An encoder and a decoder that begin with the same state and see the same batch end with the same state; its `id` is a
digest over all batches since the one that built on nothing.
"""

import hashlib
import zlib
from dataclasses import dataclass

import cbor2

from gateway_agent.compact.range_coder import NEW, NUMBER_CONTEXTS, SIGNED_CONTEXTS
from gateway_agent.compact.table import ChannelTable
from gateway_agent.uplink.errors import FormatError

ID_BYTES = 3
EXPECTATIONS = 3
"""Expectations of a channel: what came last, and two that follow it by a half and by a quarter of the difference."""
GROUP_CONTEXTS = 3
"""Contexts of a group: does it come now, are its channels those of last time, does the record go on after it."""
SHARED_NUMBERS = 23
SHARED_BITS = 16
_LARGEST_DUMP = 1 << 25


def initial_models(model: int) -> list[int]:
    """The contexts of a channel of which nothing has come: for `model` 0 all new, else those of a geometric
    distribution whose mean distance is 2^model / 1024."""
    if not model:
        return [NEW] * SIGNED_CONTEXTS
    ratio = (65536 << model) // ((1 << model) + 1024)
    sure = 6
    contexts = [_context(65536 * (65536 - ratio) // (65536 + ratio), sure)] * 3 + [_context(32768, sure)] * 3
    power, powers = ratio, []
    for _ in range(16):
        powers.append(power)
        power = power * power >> 16
    contexts += [_context(power, sure) for power in powers]
    contexts.append(NEW)
    contexts += [_context(65536 * powers[bits - 1] // (65536 + powers[bits - 1]), sure) for bits in range(1, 16)]
    return contexts


def _context(one: int, learned: int) -> int:
    return max(64, min(65472, one)) << 6 | learned


@dataclass(slots=True)
class State:
    """`values` has for each channel its expectations (in 256ths) and how far off each was lately, None before its first
    value; `due_ms` when each group comes next, None before its first time; `masks` which of its channels came last."""

    table: ChannelTable
    epoch: int
    id: bytes
    channels: list[list[int]]
    values: list[list[int] | None]
    due_ms: list[int | None]
    masks: list[int]
    groups: list[int]
    presence: list[int]
    shared: list[int]
    sequence: int = 0
    time_ms: int = 0
    count: int = 0

    @classmethod
    def new(cls, table: ChannelTable, epoch: int) -> "State":
        """The state that a batch begins with that builds on nothing."""
        known = {channel.model: initial_models(channel.model) for channel in table.channels}
        groups = len(table.groups)
        return cls(
            table,
            epoch,
            b"",
            [list(known[channel.model]) for channel in table.channels],
            [None] * len(table.channels),
            [None] * groups,
            [(1 << len(group)) - 1 for group in table.groups],
            [NEW] * (groups * GROUP_CONTEXTS),
            [NEW] * len(table.channels),
            [NEW] * (SHARED_BITS + SHARED_NUMBERS * NUMBER_CONTEXTS),
        )

    def copy(self) -> "State":
        """One that may be changed."""
        return State(
            self.table,
            self.epoch,
            self.id,
            [contexts.copy() for contexts in self.channels],
            [None if value is None else value.copy() for value in self.values],
            self.due_ms.copy(),
            self.masks.copy(),
            self.groups.copy(),
            self.presence.copy(),
            self.shared.copy(),
            self.sequence,
            self.time_ms,
            self.count,
        )

    def after(self, payload: bytes) -> bytes:
        """The id of the state after a batch with this payload, which builds on this one."""
        return hashlib.sha256(self.id + payload).digest()[:ID_BYTES]

    def dump(self) -> bytes:
        """The state as bytes, to be kept."""
        return zlib.compress(
            cbor2.dumps(
                [
                    self.epoch,
                    self.id,
                    self.channels,
                    self.values,
                    self.due_ms,
                    self.masks,
                    self.groups,
                    self.presence,
                    self.shared,
                    self.sequence,
                    self.time_ms,
                    self.count,
                ]
            ),
            1,
        )

    @classmethod
    def load(cls, data: bytes, table: ChannelTable) -> "State":
        """A state that was dumped, with its table. Raises FormatError for what is none, or one of another table."""
        try:
            inflater = zlib.decompressobj()
            content = cbor2.loads(inflater.decompress(data, _LARGEST_DUMP))
            state = cls(table, *content)
            is_sound = inflater.eof and not inflater.unused_data and _fits(state)
        except (zlib.error, cbor2.CBORDecodeError, TypeError) as error:
            raise FormatError(f"not a state of compact batches: {error}") from error
        if not is_sound:
            raise FormatError("not a state of compact batches with this channel table")
        return state


def _fits(state: State) -> bool:
    """Whether a state that was read is one of its table, so that nothing can go wrong where it is used."""
    table = state.table
    groups, channels = len(table.groups), len(table.channels)
    return (
        all(type(number) is int for number in (state.epoch, state.sequence, state.time_ms, state.count))
        and isinstance(state.id, bytes)
        and len(state.id) == ID_BYTES
        and _are_lists(state.channels, channels)
        and all(_are_contexts(contexts, SIGNED_CONTEXTS) for contexts in state.channels)
        and _are_lists(state.values, channels, or_none=True)
        and all(value is None or _are_integers(value, 2 * EXPECTATIONS) for value in state.values)
        and isinstance(state.due_ms, list)
        and _are_integers([0 if due is None else due for due in state.due_ms], groups)
        and _are_integers(state.masks, groups)
        and all(0 < mask < 1 << len(group) for mask, group in zip(state.masks, table.groups, strict=True))
        and _are_contexts(state.groups, groups * GROUP_CONTEXTS)
        and _are_contexts(state.presence, channels)
        and _are_contexts(state.shared, SHARED_BITS + SHARED_NUMBERS * NUMBER_CONTEXTS)
    )


def _are_lists(items: object, count: int, *, or_none: bool = False) -> bool:
    if not isinstance(items, list) or len(items) != count:
        return False
    return all(isinstance(item, list) or (or_none and item is None) for item in items)


def _are_integers(items: object, count: int) -> bool:
    return isinstance(items, list) and len(items) == count and all(type(item) is int for item in items)


def _are_contexts(items: object, count: int) -> bool:
    return isinstance(items, list) and _are_integers(items, count) and all(64 <= item < 65536 << 6 for item in items)


def expectation(value: list[int]) -> int:
    """What is expected next, in 256ths: the expectation that was off least lately."""
    _, _, _, off_0, off_1, off_2 = value
    if off_0 <= off_1:
        return value[0] if off_0 <= off_2 else value[2]
    return value[1] if off_1 <= off_2 else value[2]


def learn(value: list[int], number: int) -> None:
    """The expectations after a number came."""
    exact = number << 8
    fast, middle, slow, off_0, off_1, off_2 = value
    distance = exact - fast
    value[3] = off_0 + ((abs(distance) - off_0) >> 5)
    value[0] = exact
    distance = exact - middle
    value[4] = off_1 + ((abs(distance) - off_1) >> 5)
    value[1] = middle + (distance >> 1)
    distance = exact - slow
    value[5] = off_2 + ((abs(distance) - off_2) >> 5)
    value[2] = slow + (distance >> 2)

"""The channel table: what both sides know before compact batches can be short. telemetry.md has its CDDL."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import cbor2

from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.strict_cbor import Limits, decode

KINDS = ("sample", "mean", "min", "max")
MAX_CHANNELS = 4096
MAX_GROUPS = 1024
MAX_MODEL = 31
MAX_NAME = 128
DIGEST_BYTES = 4
LIMITS = Limits(size_bytes=1 << 19, depth=4, items=1 << 17, decimal_fractions=False)
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Channel:
    """What one number of a batch means. `kind` is one of KINDS; `period_ms` is 0 where there is none; channels with the
    same `group` come together; `model` tells how far its values are mostly from what is expected, 0 for unknown."""

    point: str
    kind: str
    unit: str
    exponent: int
    period_ms: int
    group: int
    model: int = 0


@dataclass(frozen=True)
class ChannelTable:
    """Channels in the order of their numbers. Raises FormatError when they cannot be a table."""

    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        if len(self.channels) > MAX_CHANNELS:
            raise FormatError(f"a table has at most {MAX_CHANNELS} channels")
        seen = set()
        for number, channel in enumerate(self.channels):
            _check(channel, number)
            key = (channel.point, channel.kind, channel.exponent)
            if key in seen:
                raise FormatError(f"channel {number}, {channel.point}, comes twice")
            seen.add(key)

    @cached_property
    def numbers(self) -> dict[tuple[str, str, int], int]:
        """The number of a channel by point, kind and exponent."""
        return {(channel.point, channel.kind, channel.exponent): n for n, channel in enumerate(self.channels)}

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The channels of each group, ascending; groups are numbered by the order of their first channels."""
        found: dict[int, list[int]] = {}
        for number, channel in enumerate(self.channels):
            found.setdefault(channel.group, []).append(number)
        return tuple(tuple(numbers) for numbers in found.values())

    @cached_property
    def group_of(self) -> tuple[int, ...]:
        """For each channel the number of its group."""
        by_channel = {number: index for index, group in enumerate(self.groups) for number in group}
        return tuple(by_channel[number] for number in range(len(self.channels)))

    @cached_property
    def periods_ms(self) -> tuple[int, ...]:
        """The period of each group: that of its first channel."""
        return tuple(self.channels[group[0]].period_ms for group in self.groups)

    @cached_property
    def late_ms(self) -> tuple[int, ...]:
        """How long after its time each group is expected: a window is told when it is over."""
        firsts = [self.channels[group[0]] for group in self.groups]
        return tuple(0 if channel.kind == "sample" else channel.period_ms for channel in firsts)

    @cached_property
    def encoded(self) -> bytes:
        """The bytes that are sent."""
        rows = []
        for channel in self.channels:
            kind = KINDS.index(channel.kind)
            rows.append(
                [channel.point, kind, channel.unit, channel.exponent, channel.period_ms, channel.group, channel.model]
            )
        return cbor2.dumps([_VERSION, rows])

    def encode(self) -> bytes:
        """The table as CBOR."""
        return self.encoded

    @cached_property
    def digest(self) -> bytes:
        """The first bytes of the SHA-256 of the encoded table, by which batches name it."""
        return hashlib.sha256(self.encoded).digest()[:DIGEST_BYTES]

    @classmethod
    def decode(cls, data: bytes) -> "ChannelTable":
        """Read an encoded table. Raises FormatError with the row that is wrong."""
        content = decode(data, LIMITS)
        if not isinstance(content, list) or len(content) != 2 or content[0] != _VERSION:
            raise FormatError(f"a channel table is [{_VERSION}, rows]")
        rows = content[1]
        if not isinstance(rows, list):
            raise FormatError("the rows of a channel table are an array")
        table = cls(tuple(_read_row(row, number) for number, row in enumerate(rows)))
        if table.encoded != data:
            raise FormatError("the channel table is not written in the shortest form")
        return table


def _read_row(row: object, number: int) -> Channel:
    if not isinstance(row, list) or len(row) != 7:
        raise FormatError(f"row {number} of the channel table is an array of 7")
    point, kind, unit, exponent, period_ms, group, model = row
    if type(kind) is not int or not 0 <= kind < len(KINDS):
        raise FormatError(f"row {number} of the channel table: kind is an integer from 0 to {len(KINDS) - 1}")
    return Channel(point, KINDS[kind], unit, exponent, period_ms, group, model)


def _check(channel: Channel, number: int) -> None:
    where = f"row {number} of the channel table"
    for name, text, least in (("point", channel.point, 1), ("unit", channel.unit, 0)):
        if not isinstance(text, str) or not least <= len(text) <= MAX_NAME:
            raise FormatError(f"{where}: {name} is text of {least} to {MAX_NAME} characters")
    if channel.kind not in KINDS:
        raise FormatError(f"{where}: kind is one of {', '.join(KINDS)}")
    bounds = (
        ("exponent", channel.exponent, -18, 18),
        ("period", channel.period_ms, 0, 1 << 40),
        ("group", channel.group, 0, MAX_GROUPS - 1),
        ("model", channel.model, 0, MAX_MODEL),
    )
    for name, value, low, high in bounds:
        if type(value) is not int or not low <= value <= high:
            raise FormatError(f"{where}: {name} is an integer from {low} to {high}")

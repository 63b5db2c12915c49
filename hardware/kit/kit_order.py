"""One order of a kit: what a technician needs to know to find the place and to see that the right thing was done."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class KitDevice:
    """A device on an order's node: its name on the pole, its model, its profile's name, its unit id if it has one."""

    name: str
    model: str
    profile: str
    unit: int | None
    points: int


@dataclass(frozen=True, slots=True)
class KitOrder:
    """One terminal of the work order, with what its pole.toml says of the node.

    `line` is that of the work order, `gateway` the pole's name, `unit` and `bus_line` are how the node answers on the
    pole bus, `table` is the digest of its node table, eight hexadecimal digits. `has_node_key` and `has_broadcast_key`
    tell what the kit has for it.
    """

    line: int
    terminal: str
    type: str
    pole: str
    gateway: str
    node: str
    board: str
    mount: str
    settings: Mapping[str, str]
    note: str
    unit: int
    bus: str
    bus_line: str
    table: str
    has_node_key: bool
    has_broadcast_key: bool
    devices: tuple[KitDevice, ...] = field(default=())

    @property
    def is_guarded(self) -> bool:
        """Whether the node takes commands only with the tags of its key."""
        return self.has_node_key

    def as_plain(self) -> dict[str, Any]:
        """The order for JSON."""
        return asdict(self)

    @classmethod
    def of_plain(cls, told: Mapping[str, Any]) -> "KitOrder":
        """The order out of what `as_plain` gave. TypeError or KeyError when it is not that."""
        devices = tuple(KitDevice(**one) for one in told["devices"])
        return cls(**{**told, "devices": devices})


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one order, 32 bytes each; they never show in its repr."""

    node: bytes | None = field(repr=False)
    broadcast: bytes | None = field(repr=False)

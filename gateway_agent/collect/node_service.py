"""A node's identity, health and clock: is it the node that we configured, and does it know the time."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gateway_agent.collect.node_events import u32
from protocols import node_map

CLOCK_TOLERANCE_MS = 20
TIME_REGISTERS = 3
"""Registers of the block `time` without its tag."""


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """What a node tells of itself. `clock_ms` is its unix time, None when it was never set."""

    uptime_s: int
    reset_cause: int
    heap_free_bytes: int
    clock_ms: int | None
    polls_good: int
    polls_failed: int
    slow_devices: int
    server_frames: int
    server_crc_errors: int

    def as_dict(self) -> dict[str, int | None]:
        """All figures by name."""
        return asdict(self)


def read_health(registers: Sequence[int]) -> NodeHealth:
    """The health out of the registers of its block."""
    first = node_map.HEALTH
    unix_ms = u32(registers, node_map.HEALTH_UNIX_S - first) * 1000 + registers[node_map.HEALTH_UNIX_MS - first]
    return NodeHealth(
        uptime_s=u32(registers, node_map.HEALTH_UPTIME_S - first),
        reset_cause=registers[node_map.HEALTH_RESET_CAUSE - first],
        heap_free_bytes=u32(registers, node_map.HEALTH_HEAP_FREE_BYTES - first),
        clock_ms=unix_ms if registers[node_map.HEALTH_TIME_STATE - first] == 1 else None,
        polls_good=u32(registers, node_map.HEALTH_POLLS_GOOD - first),
        polls_failed=u32(registers, node_map.HEALTH_POLLS_FAILED - first),
        slow_devices=registers[node_map.HEALTH_SLOW_DEVICES - first],
        server_frames=u32(registers, node_map.HEALTH_SERVER_FRAMES - first),
        server_crc_errors=u32(registers, node_map.HEALTH_SERVER_CRC_ERRORS - first),
    )


def refusal_of(registers: Sequence[int], node: str, digest: int) -> str | None:
    """Why the node with this identity block cannot be used, with the mend; None when it can."""
    magic = registers[node_map.IDENTITY_MAGIC]
    version = registers[node_map.IDENTITY_MAP_VERSION]
    told = u32(registers, node_map.IDENTITY_CONFIG_DIGEST)
    if magic != node_map.IDENTITY_MAGIC_VALUE:
        return (
            f"{node} is no Gatepost node: its first register holds 0x{magic:04x}, not "
            f"0x{node_map.IDENTITY_MAGIC_VALUE:04x}; check its unit id and what else answers under it"
        )
    if version != node_map.IDENTITY_MAP_VERSION_VALUE:
        return (
            f"{node} has version {version} of the register map, this gateway reads version "
            f"{node_map.IDENTITY_MAP_VERSION_VALUE}; bring firmware and gateway to the same release"
        )
    if told != digest:
        return (
            f"{node} runs another configuration (table {told:08x}) than this pole.toml makes (table {digest:08x}); "
            f"give the node the table of this pole.toml with `gatepost node-settings pole.toml {node}`, or run the "
            "gateway with the node's pole.toml"
        )
    return None


class NodeClock:
    """Decides when a node's clock is to be set.

    At once when it was never set; when it is off by more than `CLOCK_TOLERANCE_MS` only after a second look says the
    same, for a single late byte must not move the node's clock.
    """

    def __init__(self) -> None:
        self._last_off_ms = 0

    def wants_setting(self, clock_ms: int | None, answered_ms: int) -> bool:
        """Whether to set the clock that showed `clock_ms` when our time was `answered_ms`."""
        if clock_ms is None:
            return True
        off_ms = clock_ms - answered_ms
        last_off_ms, self._last_off_ms = self._last_off_ms, off_ms
        if min(off_ms, last_off_ms) > CLOCK_TOLERANCE_MS or max(off_ms, last_off_ms) < -CLOCK_TOLERANCE_MS:
            self._last_off_ms = 0
            return True
        return False


def time_registers(unix_ms: int) -> list[int]:
    """The registers of the block `time` for a unix time."""
    seconds, millis = divmod(unix_ms, 1000)
    return [seconds >> 16 & 0xFFFF, seconds & 0xFFFF, millis]

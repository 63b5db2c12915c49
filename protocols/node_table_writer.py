"""Writing a node table, entry by entry; `node_table` reads it. The layout is told in spec/node-table.md.

Runs at the gateway when a node is provisioned. Parts, sentinels, codes and lookups that are the same are stored once.
"""

import binascii

from protocols import node_table_layout as layout

_TYPES = {
    "u16": layout.U16,
    "s16": layout.S16,
    "u32": layout.U32,
    "s32": layout.S32,
    "f32": layout.F32,
    "u48": layout.U48,
    "u64": layout.U64,
    "bits": layout.BITS,
    "bool": layout.BOOL,
    "pin": layout.PIN,
}

_PARITIES = {"N": layout.PARITY_NONE, "E": layout.PARITY_EVEN, "O": layout.PARITY_ODD}
_PULLS = {"up": layout.PULL_UP, "down": layout.PULL_DOWN, "none": 0}


class NodeTableWriter:
    """Collects entries in order: a device, then its requests, each followed by its points; a lamp; then `table()`.

    Every number is checked against the width of its field: ValueError names the field that it does not fit.
    """

    def __init__(
        self,
        baud: int = 0,
        parity: str = "N",
        stop_bits: int = 1,
        node_unit: int = 1,
        pole_baud: int = 19200,
        pole_parity: str = "N",
        pole_stop_bits: int = 1,
    ) -> None:
        self._line = _field("baud", baud, 4) + bytes([_PARITIES[parity], stop_bits])
        self._pole = _field("node_unit", node_unit, 1) + bytes([_PARITIES[pole_parity]])
        self._pole += _field("pole_baud", pole_baud, 4) + bytes([pole_stop_bits])
        self._devices: list[bytearray] = []
        self._requests: list[bytearray] = []
        self._points: list[bytes] = []
        self._parts: list[bytes] = []
        self._lookups: list[bytes] = []
        self._codes: list[bytes] = []
        self._sentinels: list[bytes] = []
        self._lamp = b""
        self._lamp_pins = bytes(3)
        self._frames: list[bytes] = []
        self._manhole = b""

    def add_device(
        self,
        period_ms: int,
        unit: int = 0,
        reply_timeout_ms: int = 0,
        gap_ms: int = 0,
        retries: int = 0,
        warm_up_s: int = 0,
        zero_tries: int = 0,
        zero_wait_ms: int = 0,
    ) -> int:
        """Begin a device and return its index; requests and points that follow belong to it."""
        entry = bytes([unit, retries, zero_tries, 0])
        entry += _field("period_ms", period_ms, 4) + _field("reply_timeout_ms", reply_timeout_ms, 2)
        entry += _field("gap_ms", gap_ms, 2) + _field("warm_up_s", warm_up_s, 2)
        entry += _field("zero_wait_ms", zero_wait_ms, 2)
        self._devices.append(bytearray(entry + bytes([len(self._requests), 0, len(self._points), 0])))
        return len(self._devices) - 1

    def add_request(self, unit: int, function: int, address: int, count: int) -> int:
        """Begin a request of the last device and return its index; register points that follow belong to it."""
        device = len(self._devices) - 1
        entry = bytes([device, unit, function, count]) + _field("address", address, 2)
        self._requests.append(bytearray(entry + bytes([len(self._points), 0])))
        self._devices[device][17] += 1
        return len(self._requests) - 1

    def lookup(self, register: int, low: int, width: int, codes: dict[int, int], otherwise: int) -> int:
        """The index of a lookup: the bits to look at, what each code means, and what an unlisted one means.

        `register` counts from the start of the request; meanings are qualities or powers of ten.
        """
        listed = [_field("code", code, 2) + _signed_byte(codes[code]) for code in sorted(codes)]
        first = _find_run(self._codes, listed)
        entry = bytes([register, low << 4 | width - 1]) + _signed_byte(otherwise)
        entry += bytes([len(listed)]) + _field("codes", first, 2)
        return _find_run(self._lookups, [entry])

    def add_point(
        self,
        kind: str,
        exponent: int,
        low: int,
        high: int,
        register: int = 0,
        offset: int = 0,
        little: bool = False,
        inverted: bool = False,
        zero_means_retry: bool = False,
        parts: "tuple[tuple[int, int, int], ...]" = (),
        sentinels: "tuple[int, ...]" = (),
        status: int = layout.NONE,
        decimals: int = layout.NONE,
        unit_code: int = layout.NONE,
        signed: bool = False,
        no_echo: "tuple[int, ...]" = (),
        stuck_min: int = 0,
    ) -> int:
        """Add a register point to the last request and return its slot.

        `register` is where the value begins, counted from the start of the request; `low` and `high` bound the scaled
        value and are cut to 32 bits with sign; `offset` is added to the count. `parts` are (register offset, lowest
        bit, width), the most significant first, `signed` says whether they make a number with sign; `sentinels` and
        `no_echo` are raw values; `status`, `decimals` and `unit_code` are indices from `lookup`; `stuck_min` is how
        many minutes the value may stay the same, 0 for ever.
        """
        flags = (layout.LITTLE if little else 0) | (layout.INVERTED if inverted else 0)
        flags |= (layout.ZERO_MEANS_RETRY if zero_means_retry else 0) | (layout.SIGNED if signed else 0)
        part_entries = [bytes([place, bit << 4 | width - 1]) for place, bit, width in parts]
        sentinel_entries = [_field("sentinel", value, layout.SENTINEL_BYTES) for value in sentinels + no_echo]
        entry = bytes([_TYPES[kind], flags, register]) + _signed_byte(exponent) + _s32(low) + _s32(high)
        entry += bytes([_find_run(self._parts, part_entries), len(part_entries)])
        entry += bytes([_find_run(self._sentinels, sentinel_entries), len(sentinel_entries)])
        entry += bytes([status, decimals, unit_code, len(no_echo)]) + _field("stuck_min", stuck_min, 2)
        entry += bytes([len(self._devices) - 1, len(self._requests) - 1]) + _s32(offset)
        self._requests[-1][7] += 1
        return self._append_point(entry)

    def add_field(self, number: int, written: int, exponent: int, low: int, high: int, stuck_min: int = 0) -> int:
        """Add a field of a sentence to the last request, `number` counted from 1 behind the sentence's name; `written`
        is layout.TEXT_NUMBER, TEXT_POSITION or TEXT_TIME."""  # fmt: skip
        entry = bytes([layout.FIELD, 0, number]) + _signed_byte(exponent) + _s32(low) + _s32(high)
        entry += bytes([written, 0, 0, 0, layout.NONE, layout.NONE, layout.NONE, 0])
        entry += _field("stuck_min", stuck_min, 2) + bytes([len(self._devices) - 1, len(self._requests) - 1]) + _s32(0)
        self._requests[-1][7] += 1
        return self._append_point(entry)

    def add_frame(self, entry: bytes) -> int:
        """Add a frame of a serial sensor, as `frame_entry` writes it, and a request for it; returns the request."""
        if len(self._frames) >= layout.NONE:
            raise ValueError("more than 254 frames")
        self._frames.append(entry)
        registers = (entry[layout.FRAME_LEAST] - entry[layout.FRAME_ORIGIN]) // 2
        return self.add_request(0, 0, len(self._frames) - 1, max(registers, 1))

    def add_pin(self, number: int, active_high: bool, pull: str, debounce_ms: int, alarm: bool) -> int:
        """Add a digital input to the last device and return its slot; `pull` is up, down or none."""
        flags = (layout.ACTIVE_HIGH if active_high else 0) | (layout.ALARM if alarm else 0) | _PULLS[pull]
        return self._append_local(layout.PIN, flags, number, debounce_ms)

    def add_pulses(self, number: int, active_high: bool, pull: str, debounce_ms: int) -> int:
        """Add a counter of pulses at GPIO `number` to the last device; edges nearer than `debounce_ms` are one."""
        flags = (layout.ACTIVE_HIGH if active_high else 0) | _PULLS[pull]
        return self._append_local(layout.PULSE, flags, number, debounce_ms, high=0x7FFFFFFF)

    def add_analog(
        self, number: int, shunt_tenths: int, exponent: int, at_4_ma: int, at_20_ma: int, low: int, high: int
    ) -> int:
        """Add a 4-20 mA input at the ADC pin `number`; shunt in tenths of an ohm, all other numbers are scaled."""
        span = _s32(at_20_ma - at_4_ma)
        return self._append_local(layout.ANALOG, 0, number, shunt_tenths, 0, exponent, low, high, span, at_4_ma)

    def add_tilt(self, quantity: int, address: int, sda: int, scl: int) -> int:
        """Add an angle of the LIS3DH at the I2C `address`, in tenths of a degree; `quantity` is layout.TILT_..."""
        return self._append_local(layout.TILT, 0, address, 0, quantity, -1, 0, 1800, bytes([sda, scl, 0, 0]))

    def set_manhole(
        self,
        cover: int,
        open_at: int,
        closed_at: int,
        hold_s: int,
        over_at: int,
        filter_ms: int,
        fault_s: int,
        rules: "tuple[tuple[int, int, bool, int, int, int], ...]",
    ) -> None:
        """Let the node watch a manhole: slot of the cover or layout.NONE, angles in tenths of a degree, and rules of
        (slot, number of the alarm, whether below, raise at, clear at, hold in seconds)."""  # fmt: skip
        block = bytes([cover, len(rules)])
        for name, value in (("open_at", open_at), ("closed_at", closed_at), ("hold_s", hold_s), ("over_at", over_at)):
            block += _field(name, value, 2)
        block += _field("filter_ms", filter_ms, 2) + _field("fault_s", fault_s, 2) + bytes(2)
        for slot, alarm, below, raise_at, clear_at, rule_hold_s in rules:
            block += bytes([slot, alarm, layout.RULE_BELOW if below else 0, 0]) + _s32(raise_at) + _s32(clear_at)
            block += _field("hold_s", rule_hold_s, 2) + bytes(2)
        self._manhole = block

    def set_lamp(
        self,
        device: int,
        write_unit: int,
        write_function: int,
        write_address: int,
        read_slot: int,
        read_unit: int,
        read_function: int,
        read_address: int,
        settle_ms: int,
        curve: "tuple[int, ...]",
    ) -> None:
        """Say how the node's lamp is driven; `curve` holds the driver's value, 0 to 255, for each per cent 0 to 100."""
        if len(curve) != 101:
            raise ValueError("a lamp's curve has 101 values")
        lamp = bytes([device, write_unit, write_function, read_slot]) + _field("write_address", write_address, 2)
        lamp += _field("read_address", read_address, 2) + bytes([read_unit, read_function])
        self._lamp = lamp + _field("settle_ms", settle_ms, 2) + bytes(curve) + b"\x00"

    def set_lamp_pins(
        self, dimmer: int = 0, relay: int = 0, dimmer_inverted: bool = False, relay_active_low: bool = False
    ) -> None:
        """Say on which GPIOs the lamp hangs, 0 for none: the 0-10 V stage, and the relay that darkens it."""
        flags = (layout.DIMMER_INVERTED if dimmer_inverted else 0) | (
            layout.RELAY_ACTIVE_LOW if relay_active_low else 0
        )
        self._lamp_pins = bytes([dimmer, relay, flags])

    def table(self) -> bytes:
        """The whole table with length and check value."""
        if len(self._points) > layout.MAX_SLOTS:
            raise ValueError(f"{len(self._points)} points, but a node has {layout.MAX_SLOTS} slots")
        counts = (len(self._devices), len(self._requests), len(self._points))
        body = bytes([layout.VERSION]) + b"".join(_field("count", count, 1) for count in counts) + self._line
        sections = (self._devices, self._requests, self._points, self._parts)
        sections += (self._lookups, self._codes, self._sentinels)  # type: ignore[assignment]
        at = layout.HEADER_BYTES
        content = b""
        for section in sections:
            body += _field("section", at + len(content), 2)
            content += b"".join(bytes(entry) for entry in section)
        body += _field("lamp", at + len(content) if self._lamp else 0, 2) + self._pole
        at += len(content) + len(self._lamp)
        frames = b"".join(self._frames)
        body += _field("frames", len(self._frames), 1) + _field("frames", at, 2)
        body += _field("manhole", at + len(frames) if self._manhole else 0, 2)
        body += self._lamp_pins
        body += bytes(layout.HEADER_BYTES - layout.CHECKED_FROM - len(body))
        body += content + self._lamp + frames + self._manhole
        head = layout.MAGIC + _field("length", len(body) + layout.CHECKED_FROM, 4)
        return head + _field("digest", binascii.crc32(body), 4) + body

    def _append_local(
        self,
        kind: int,
        flags: int,
        pin: int,
        time_or_shunt: int,
        quantity: int = 0,
        exponent: int = 0,
        low: int = 0,
        high: int = 1,
        more: bytes = bytes(4),
        offset: int = 0,
    ) -> int:
        """A point that the node makes itself: without a request."""
        entry = bytes([kind, flags, quantity]) + _signed_byte(exponent) + _s32(low) + _s32(high) + more
        entry += bytes([layout.NONE, layout.NONE, layout.NONE, pin]) + _field("debounce or shunt", time_or_shunt, 2)
        return self._append_point(entry + bytes([len(self._devices) - 1, layout.NONE]) + _s32(offset))

    def _append_point(self, entry: bytes) -> int:
        self._devices[-1][19] += 1
        self._points.append(entry)
        return len(self._points) - 1


def frame_entry(
    kind: int,
    sync: bytes,
    least: int,
    check: "tuple[int, int, int, int]",
    most: int = 0,
    length: "tuple[int, int, int]" = (layout.NONE, 0, 0),
    tail: bytes = b"",
    request: bytes = b"",
    setup: bytes = b"",
    origin: int = 0,
    median: bool = False,
) -> bytes:
    """The entry of one frame; `kind` is layout.STREAMING, ANSWERING or SENTENCE.

    `check` is (kind, first byte, end, place), `length` (place, width, what it lacks); places below 0 count from the
    end. For a sentence `sync` is its name, `request` what its valid field may hold, `setup` one byte, that field.
    """
    if not 0 < len(sync) <= 4 or len(tail) > 2 or max(len(request), len(setup)) > layout.FRAME_COMMAND_BYTES:
        raise ValueError("sync has 1 to 4 bytes, tail at most 2, a command at most 20")
    entry = bytes([kind, len(sync)]) + sync.ljust(4, b"\0") + bytes([origin, least, most or least])
    entry += bytes(length[:2]) + _signed_byte(length[2])
    entry += bytes(check[:2]) + _signed_byte(check[2]) + _signed_byte(check[3])
    entry += bytes([len(tail)]) + tail.ljust(2, b"\0")
    for command in (request, setup):
        entry += bytes([len(command)]) + command.ljust(layout.FRAME_COMMAND_BYTES, b"\0")
    entry += bytes([median])
    return entry.ljust(layout.FRAME_BYTES, b"\0")


def _find_run(entries: list[bytes], wanted: list[bytes]) -> int:
    """The index at which `wanted` stands in `entries`, appended when it does not stand there yet."""
    for index in range(len(entries) - len(wanted) + 1):
        if entries[index : index + len(wanted)] == wanted:
            return index
    entries.extend(wanted)
    return len(entries) - len(wanted)


def _field(name: str, value: int, width: int) -> bytes:
    if not 0 <= value < 1 << 8 * width:
        raise ValueError(f"{name} {value} does not fit into {width} bytes")
    return value.to_bytes(width, "big")


def _signed_byte(value: int) -> bytes:
    if not -128 <= value < 128:
        raise ValueError(f"{value} does not fit into a byte with sign")
    return bytes([value & 0xFF])


def _s32(value: int) -> bytes:
    cut = max(-0x80000000, min(0x7FFFFFFF, value))
    return (cut & 0xFFFFFFFF).to_bytes(4, "big")

"""The parts of a node table that are not Modbus: frames of a serial sensor, the node's own points, the manhole."""

from collections.abc import Mapping
from decimal import Decimal

from gateway_agent.config.devices import Device
from gateway_agent.config.manhole import ManholeConfig
from gateway_agent.profiles import Point, Request, ResolvedProfile
from gateway_agent.profiles.frame_sections import FIELD_BYTES, ChecksumSection, FrameSection
from gateway_agent.profiles.resolve_frame import frame_origin
from protocols import node_table_layout as layout
from protocols.node_table_writer import NodeTableWriter, frame_entry

_CHECKS = {"sum16": layout.SUM16, "sum8": layout.SUM8, "negated-sum8": layout.NEGATED_SUM8}
_WRITTEN = {"number": layout.TEXT_NUMBER, "position": layout.TEXT_POSITION, "time": layout.TEXT_TIME}
_LEAST_SENTENCE = 10
_MOST_SENTENCE = 100
_MOST_S = 0xFFFF


def add_frame(writer: NodeTableWriter, resolved: ResolvedProfile, request: Request) -> None:
    """Add the frame that a request of a serial sensor stands for."""
    frame = resolved.profile.frame
    assert frame is not None
    if frame.mode == "sentences":
        assert request.points[0].field is not None
        writer.add_frame(_sentence(frame, request.points[0].field.sentence))
    else:
        writer.add_frame(_binary(resolved, frame))


def _sentence(frame: FrameSection, name: str) -> bytes:
    sentence = frame.sentences[name]
    return frame_entry(
        layout.SENTENCE,
        name.encode("ascii"),
        _LEAST_SENTENCE,
        (layout.XOR_HEX, 0, 0, 0),
        most=_MOST_SENTENCE,
        request=sentence.valid.encode("ascii"),
        setup=bytes([sentence.valid_field or 0]),
    )


def _binary(resolved: ResolvedProfile, frame: FrameSection) -> bytes:
    assert frame.checksum is not None
    length = (layout.NONE, 0, 0)
    if frame.length is not None:
        length = (frame.length.at, FIELD_BYTES[frame.length.type], frame.length.adds)
    return frame_entry(
        layout.ANSWERING if frame.mode == "answering" else layout.STREAMING,
        bytes(frame.sync),
        frame.least,
        _checksum(resolved, frame.checksum),
        most=frame.most,
        length=length,
        tail=bytes(frame.tail),
        request=bytes(frame.request),
        setup=bytes(frame.setup),
        origin=frame_origin(resolved.profile),
        median=frame.median,
    )


def _checksum(resolved: ResolvedProfile, checksum: ChecksumSection) -> tuple[int, int, int, int]:
    first = checksum.first if isinstance(checksum.first, int) else resolved.options[checksum.first]
    assert isinstance(first, int)
    end = checksum.at if checksum.end is None else checksum.end
    return _CHECKS[checksum.kind], first, end, checksum.at


def add_field(writer: NodeTableWriter, point: Point) -> int:
    """Add a field of a sentence and return its slot."""
    field = point.field
    assert field is not None
    return writer.add_field(
        field.number, _WRITTEN[field.written], point.exponent, point.low, point.high, point.stuck_min
    )


def add_own_point(writer: NodeTableWriter, point: Point) -> int:
    """Add a point that the node measures itself and return its slot."""
    if point.current is not None:
        current = point.current
        shunt_tenths = 10 * current.shunt_ohm
        ends = (current.at_4_ma, current.at_20_ma)
        return writer.add_analog(current.number, shunt_tenths, point.exponent, *ends, point.low, point.high)
    if point.pulses is not None:
        pulses = point.pulses
        return writer.add_pulses(pulses.number, pulses.rising, pulses.pull, pulses.debounce_ms)
    if point.tilt is not None:
        tilt = point.tilt
        quantity = layout.TILT_FROM_BACKGROUND if tilt.from_background else layout.TILT_FROM_UPRIGHT
        return writer.add_tilt(quantity, tilt.address, tilt.sda, tilt.scl)
    assert point.pin is not None
    pin = point.pin
    return writer.add_pin(pin.number, pin.active_high, pin.pull, pin.debounce_ms, point.alarm)


def line_of_sensor(devices: "list[Device]") -> tuple[int, str, int] | None:
    """Baud, parity and stop bits of the node's serial sensor, None where it has none."""
    for device in devices:
        frame = device.profile.profile.frame
        if frame is not None:
            given = device.config.serial
            if given is not None:
                return given.baud, given.parity, given.stop_bits
            return frame.line.baud, frame.line.parity, frame.line.stop_bits
    return None


def set_manhole(writer: NodeTableWriter, manhole: ManholeConfig, slots: Mapping[str, tuple[int, Point]]) -> None:
    """Let the node watch a manhole; `slots` gives slot and point by the point's full name."""
    rules = []
    for rule in manhole.rules():
        slot, point = slots[rule.point]
        at, clear = (round(Decimal(str(limit)).scaleb(-point.exponent)) for limit in (rule.limit.at, rule.limit.clear))
        rules.append((slot, rule.bit, rule.below, at, clear, rule.limit.hold_s))
    writer.set_manhole(
        layout.NONE if manhole.cover is None else slots[manhole.cover][0],
        open_at=round(10 * manhole.open_deg),
        closed_at=round(10 * manhole.closed_deg),
        hold_s=manhole.hold_s,
        over_at=round(10 * manhole.over_deg),
        filter_ms=round(1000 * manhole.filter_s),
        fault_s=min(manhole.fault_s, _MOST_S),
        rules=tuple(rules),
    )

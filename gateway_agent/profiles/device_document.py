"""The register tables of docs/devices.md, one section for each profile."""

from collections.abc import Mapping

from gateway_agent.profiles.frame_sections import FrameSection
from gateway_agent.profiles.model import OptionSection, PointSection, Profile, ReportSection, SerialSection
from gateway_agent.profiles.point import BitPart, Point, RegisterSource
from gateway_agent.profiles.resolve import ResolvedProfile, resolve
from gateway_agent.profiles.resolve_frame import FRAME_FUNCTION
from gateway_agent.profiles.writes import ActionSection, ConfigurationSection


def device_sections(profiles: Mapping[str, Profile], heads: Mapping[str, str]) -> str:
    """Sections in the order of the names; `heads` are the comments that tell where each map comes from."""
    return "\n".join(_section(name, profile, heads[name]) for name, profile in profiles.items())


def _section(name: str, profile: Profile, head: str) -> str:
    resolved = resolve(profile)
    lines = [f"### {name}", "", f"{profile.device.model}, {profile.device.kind}. {head}", ""]
    if profile.device.serial is not None:
        lines += _line_facts(profile, profile.device.serial, resolved)
    if profile.frame is not None:
        lines += _frame_facts(profile.frame)
    if profile.options:
        lines += ["| option | values | default | what it chooses |", "|---|---|---|---|"]
        lines += [_option_row(option_name, option) for option_name, option in profile.options.items()]
        lines.append("")
    lines += ["| point | unit | source | type | scale | range | reported | |", "|---|---|---|---|---|---|---|---|"]
    lines += [_point_row(profile, resolved, key) for key in profile.points]
    lines.append("")
    if profile.configuration or profile.actions:
        lines += ["| guarded | register | by | values | |", "|---|---|---|---|---|"]
        lines += [_configuration_row(key, section) for key, section in profile.configuration.items()]
        lines += [_action_row(key, section) for key, section in profile.actions.items()]
        lines.append("")
    return "\n".join(lines)


def _line_facts(profile: Profile, serial: SerialSection, resolved: ResolvedProfile) -> list[str]:
    others = [str(value) for value in (*serial.baud_choices, *serial.parity_choices) if value]
    others += [f"{count} stop bits" for count in serial.stop_bits_choices]
    timing = profile.device.timing
    assert timing is not None
    offsets = sorted({point.register.unit_offset for point in resolved.points if point.register is not None})
    units = ", ".join(str(serial.unit_id + offset) for offset in offsets)
    requests = [
        f"FC {request.function:02d} from {request.address}, {request.count} registers"
        + (f" (unit {serial.unit_id + request.unit_offset})" if len(offsets) > 1 else "")
        for request in resolved.requests()
    ]
    line = f"- Line: {serial.baud} 8{serial.parity}{serial.stop_bits}"
    return [
        line + (f"; can be set to {', '.join(others)}" if others else ""),
        f"- Unit id: {units}; answers within {timing.reply_timeout_ms} ms, {timing.gap_ms} ms between requests",
        f"- Requests: {'; '.join(requests)}",
        "",
    ]


def _frame_facts(frame: FrameSection) -> list[str]:
    line = frame.line
    also = f"; can be set to {', '.join(map(str, line.baud_choices))}" if line.baud_choices else ""
    if frame.mode == "sentences":
        what = f"Sentences: {', '.join(frame.sentences)}"
    else:
        what = f"Frames: begin with {bytes(frame.sync).hex(' ').upper()}, {frame.least} bytes"
        what += f" to {frame.most}" if frame.most != frame.least else ""
        what += f", {frame.checksum.kind}" if frame.checksum is not None else ""
    if frame.mode == "answering":
        what += f"; asked by {bytes(frame.request).hex(' ').upper()}, answers within {frame.reply_timeout_ms} ms"
    else:
        what += f"; comes by itself, at least every {frame.every_ms} ms"
    what += "; a sample is the middle one of the last three" if frame.median else ""
    warm = f"; {frame.warm_up_s} s until its figures count" if frame.warm_up_s else ""
    return [
        f"- Line: {line.baud} 8{line.parity}{line.stop_bits}{also}; on a UART of its own",
        f"- {what}{warm}",
        "",
    ]


def _option_row(name: str, option: OptionSection) -> str:
    values = ", ".join(map(str, option.choices)) if option.range is None else f"{option.range[0]} to {option.range[1]}"
    return f"| `{name}` | {values} | {option.default} | {option.title} |"


def _point_row(profile: Profile, resolved: ResolvedProfile, key: str) -> str:
    section = profile.points[key]
    if section.when:
        resolved = resolve(profile, section.when)
    name = section.name or key
    point = resolved.point(name)
    when = " and ".join(f"`{option}` = {value}" for option, value in section.when.items())
    scale = f"by `{section.scale}`" if isinstance(section.scale, str) else f"10^{section.scale}"
    if section.offset:
        scale += f", from {_plain(section.offset)}"
    limits = "" if section.range is None else f"{_plain(section.range[0])} to {_plain(section.range[1])}"
    source, kind = _source(profile, section, point)
    cells = [f"`{name}`", point.unit, source, kind, scale if limits else "", limits, _report(point)]
    notes = ". ".join(note for note in (point.title, f"Only with {when}" if when else "", *_notes(point)) if note)
    return f"| {' | '.join(cells)} | {notes} |"


def _source(profile: Profile, section: PointSection, point: Point) -> tuple[str, str]:
    register = section.register_at
    if point.register is None or register is None:
        return _other_source(section, point)
    place = f"FC {register.function:02d} {_addresses(point.register)}"
    shift = register.shift
    if shift is not None:
        move = profile.options[shift].shift
        assert move is not None
        origin = f" - {move.origin}" if move.origin else ""
        step = f" * {move.step}" if move.step != 1 else ""
        place += f" + (`{shift}`{origin}){step}" if origin else f" + `{shift}`{step}"
    if point.register.unit_offset:
        place += f", unit + {point.register.unit_offset}"
    return place, register.type + (", low word first" if point.register.little else "")


def _other_source(section: PointSection, point: Point) -> tuple[str, str]:
    """Where a point comes from that stands in no register, and as what."""
    if section.field is not None:
        field = section.field
        if field.sentence is not None:
            return f"{field.sentence}, field {field.number}", field.written
        return f"byte {field.at}", f"{field.type}, low byte first" if field.order == "little" else str(field.type)
    if point.current is not None:
        return "ADC, shunt to ground", "4-20 mA"
    if point.pulses is not None:
        return f"GPIO, {'rising' if point.pulses.rising else 'falling'} edges", "count"
    if point.tilt is not None:
        return "I2C, LIS3DH", "angle"
    assert point.pin is not None
    return f"GPIO, active {'high' if point.pin.active_high else 'low'}", "pin"


def _addresses(source: RegisterSource) -> str:
    if source.parts:
        return " and ".join(_bits(part) for part in source.parts)
    return str(source.address) if source.count == 1 else f"{source.address}-{source.address + source.count - 1}"


def _bits(part: BitPart) -> str:
    highest = part.low + part.width - 1
    if part.width == 16:
        return str(part.address)
    return f"{part.address}.{highest}" if part.width == 1 else f"{part.address}.{highest}-{part.low}"


def _notes(point: Point) -> list[str]:
    notes = [f"Stuck after {point.stuck_min} min without a change"] if point.stuck_min else []
    source = point.register
    if source is None:
        return [*notes, "An alarm by itself"] if point.alarm else notes
    if source.function == FRAME_FUNCTION:
        return [*notes, *_frame_notes(point, source)]
    if source.status is not None:
        notes.append(f"Status in {_bits(source.status.part)}")
    if source.unit_code is not None:
        notes.append(f"Unit code in {_bits(source.unit_code.part)}")
    if source.decimals is not None:
        notes.append(f"Decimals in {_bits(source.decimals.part)}")
    if source.invalid:
        notes.append(f"No value: {', '.join(f'{value:#x}' for value in source.invalid)}")
    if source.inverted:
        notes.append("Inverted")
    if source.zero_means_retry:
        notes.append("0 is asked for again")
    return notes


def _frame_notes(point: Point, source: RegisterSource) -> list[str]:
    """The same for a value in a frame; its lookups stand in the profile, by bytes."""
    notes = []
    if source.invalid:
        notes.append(f"No value: {', '.join(f'{value:#x}' for value in source.invalid)}")
    if source.no_echo:
        notes.append(f"No echo: {', '.join(f'{value:#x}' for value in source.no_echo)}")
    if point.counts_down:
        notes.append("Counted down from an option")
    return notes


def _report(point: Point) -> str:
    report: ReportSection = point.report
    if report.window_s is not None:
        return f"{report.window_s} s windows"
    return f"every {report.every_s} s" + (f", change {_plain(report.change)}" if report.change is not None else "")


def _plain(number: float) -> str:
    """A number as people write it: no exponent, no point where there is nothing behind it."""
    return str(int(number)) if number == int(number) else str(number)


def _configuration_row(key: str, section: ConfigurationSection) -> str:
    if section.codes is not None:
        values = ", ".join(f"{meaning} = {code}" for meaning, code in section.codes.items())
    else:
        assert section.range is not None
        values = f"{section.range[0]} to {section.range[1]}"
    register = section.register_at
    return f"| `{key}` | {register.address} {register.type} | FC {section.write:02d} | {values} | {section.title} |"


def _action_row(key: str, section: ActionSection) -> str:
    place = "" if section.address is None else str(section.address)
    values = str(section.value) if section.value is not None else section.payload and bytes(section.payload).hex(" ")
    return f"| `{key}` | {place} | FC {section.function:02d} | {values or ''} | {section.title} |"

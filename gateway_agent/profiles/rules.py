"""What one key of a profile means for another: the checks behind the shape of `model`.

Each check gives findings by key path; `check_profile` gives them all. Points have their own module, `point_rules`.
"""

from collections.abc import Iterator

from gateway_agent.profiles.block_rules import check_blocks
from gateway_agent.profiles.frame_rules import check_frame
from gateway_agent.profiles.model import PointSection, Profile
from gateway_agent.profiles.point_rules import check_points
from gateway_agent.profiles.sources import REGISTER_COUNTS
from gateway_agent.profiles.writes import ActionSection, ConfigurationSection
from gateway_agent.toml_source import Finding

_VENDOR_FUNCTIONS = (*range(65, 73), *range(100, 111))
"""User-defined function codes: MODBUS Application Protocol V1.1b3, section 5.1."""


def check_profile(profile: Profile) -> Iterator[Finding]:
    """Everything wrong with a profile of the right shape."""
    option_findings = [finding for name in profile.options for finding in _check_option(profile, name)]
    yield from option_findings
    yield from _check_unused_options(profile)
    yield from _check_device(profile)
    if not option_findings:
        yield from check_points(profile)
        yield from check_frame(profile)
        yield from _check_lamp(profile)
    for name, configuration in profile.configuration.items():
        yield from _check_configuration(("configuration", name), configuration)
    for name, action in profile.actions.items():
        yield from _check_action(("actions", name), action)
    yield from check_blocks(profile.blocks)


def _check_device(profile: Profile) -> Iterator[Finding]:
    loc = ("device",)
    device = profile.device
    on_a_bus = bool(profile.blocks) or any(point.register_at is not None for point in profile.points.values())
    if not profile.points and not profile.blocks:
        yield Finding(loc, "the profile has no points", "add a table [points.<name>] for each quantity")
    for key, section in (("serial", device.serial), ("timing", device.timing)):
        if on_a_bus and section is None:
            yield Finding(loc, f"device has registers but no {key}", f"add {key} = {{ ... }}")
        elif not on_a_bus and section is not None:
            yield Finding((*loc, key), f"device has no registers, so {key} means nothing", f"take {key} out")
    if device.requests.max_gap >= device.requests.max_registers:
        what = "max_gap is not smaller than max_registers"
        yield Finding((*loc, "requests", "max_gap"), what, "a gap must fit into a request")


def _check_option(profile: Profile, name: str) -> Iterator[Finding]:
    option = profile.options[name]
    loc = ("options", name)
    if bool(option.choices) == (option.range is not None):
        yield Finding(loc, f"option {name} needs either choices or a range", "give one of the two")
        return
    if option.range is not None and option.range[0] > option.range[1]:
        yield Finding((*loc, "range"), f"the range of option {name} is reversed", "write the lower bound first")
    elif not option.allows(option.default):
        what = f"the default of option {name}, {option.default!r}, is not among its values"
        yield Finding((*loc, "default"), what, "choose a default that the option allows")
    if option.shift is not None and not all(isinstance(value, int) for value in option.bounds_or_choices):
        what = f"option {name} moves addresses, but has values that are no numbers"
        yield Finding((*loc, "shift"), what, "use whole numbers")


def _check_unused_options(profile: Profile) -> Iterator[Finding]:
    for name in profile.options:
        if not _is_used(profile, name):
            mend = "name it in a scale, shift, pin number or when, or remove it"
            yield Finding(("options", name), f"no point uses option {name}", mend)


def _is_used(profile: Profile, name: str) -> bool:
    if any(name in _named_by(point) for point in profile.points.values()):
        return True
    if profile.frame is not None and profile.frame.checksum is not None and profile.frame.checksum.first == name:
        return True
    return profile.lamp is not None and profile.lamp.write.shift == name


def _named_by(point: PointSection) -> list[object]:
    """Everything in a point that may be the name of an option."""
    named: list[object] = [point.scale, point.down_from, *point.when]
    if point.register_at is not None:
        named.append(point.register_at.shift)
    if point.pin is not None:
        named.append(point.pin.number)
    if point.current is not None:
        named += [point.current.pin, point.current.shunt_ohm, point.current.at_4_ma, point.current.at_20_ma]
    if point.pulses is not None:
        named.append(point.pulses.number)
    if point.tilt is not None:
        named += [point.tilt.sda, point.tilt.scl, point.tilt.address]
    return named


def _check_lamp(profile: Profile) -> Iterator[Finding]:
    lamp = profile.lamp
    if lamp is None:
        return
    point = profile.points.get(lamp.read_back)
    if point is None or point.register_at is None:
        what = f"lamp.read_back names {lamp.read_back}, which is no register point"
        yield Finding(("lamp", "read_back"), what, "name the point that holds the driver's present value")
    elif point.register_at.type != "u16" or point.register_at.bits or point.when or point.scale or point.offset:
        what = f"the read-back point {lamp.read_back} is not one plain register that always exists"
        yield Finding(("lamp", "read_back"), what, "name a u16 point without bits, scale, offset and when")
    elif point.range is not None and not point.range[0] <= lamp.off_value <= lamp.full_value <= point.range[1]:
        what = f"off_value {lamp.off_value} to full_value {lamp.full_value} leaves the range of {lamp.read_back}"
        yield Finding(("lamp",), what, "widen the point's range or mend the values")
    if lamp.off_value >= lamp.full_value:
        yield Finding(("lamp", "off_value"), "off_value is not below full_value", "give the driver's off value")
    if lamp.curve == "dali-log" and lamp.full_value != 254:
        what = f"the DALI curve ends at 254, but full_value is {lamp.full_value}"
        yield Finding(("lamp", "full_value"), what, "write full_value = 254")
    shift = lamp.write.shift
    if shift is not None and (shift not in profile.options or profile.options[shift].shift is None):
        yield Finding(("lamp", "write", "shift"), f"{shift} is no option with a shift", "name an option that has one")


def _check_configuration(loc: tuple[str, ...], configuration: ConfigurationSection) -> Iterator[Finding]:
    register = configuration.register_at
    if register.type == "bits" or register.bits is not None or register.address is None:
        yield Finding((*loc, "register"), "a setting takes whole registers", "give address and type, no bits and parts")
        return
    if configuration.write == 6 and REGISTER_COUNTS[register.type] != 1:
        what = f"function 6 writes one register, but {register.type} takes {REGISTER_COUNTS[register.type]}"
        yield Finding((*loc, "write"), what, "write = 16")
    if (configuration.codes is None) == (configuration.range is None):
        yield Finding(loc, "a setting needs either codes or a range", "give one of the two")
    if configuration.range is not None and configuration.range[0] > configuration.range[1]:
        yield Finding((*loc, "range"), "the range is reversed", "write the lower bound first")


def _check_action(loc: tuple[str, ...], action: ActionSection) -> Iterator[Finding]:
    if action.function in (5, 6, 16):
        if action.address is None or action.value is None or action.payload:
            yield Finding(loc, f"function {action.function} takes address and value", "give both, and no payload")
        elif action.function == 5 and action.value not in (0, 0xFF00):
            yield Finding((*loc, "value"), "a coil is written with 0 or 0xFF00", "write one of the two")
    elif action.function not in _VENDOR_FUNCTIONS:
        what = f"function {action.function} is neither a write nor a vendor's own"
        yield Finding((*loc, "function"), what, "use 5, 6, 16, 65 to 72 or 100 to 110")
    elif action.address is not None or action.value is not None:
        yield Finding(loc, "a vendor's function takes payload bytes", "put address and value into payload")

"""A bad profile is refused with file, line, what is wrong and the mend."""

from pathlib import Path

import pytest

from gateway_agent.profiles import UnknownProfileError, load_profile, resolve
from gateway_agent.profiles.load import profile_of
from gateway_agent.toml_source import ConfigError, parse_toml

GOOD = """# Source: a test
[device]
model = "Example T1"
kind = "thermometer"
serial = { baud = 9600, parity = "N", stop_bits = 1, unit_id = 1 }
timing = { reply_timeout_ms = 200, gap_ms = 20, retries = 2 }
requests = { max_registers = 16, max_gap = 2 }
[options.variant]
title = "which one"
default = "a"
choices = ["a", "b"]
[options.place]
title = "where it is"
default = 0
range = [0, 9]
shift = { origin = 0, step = 5 }
[status.sensor]
address = 5
codes = { 0 = "good" }
[points.temperature]
register = { function = 3, address = 0, type = "s16", shift = "place" }
scale = -1
unit = "Cel"
range = [-40, 80]
report = { every_s = 900, change = 0.5 }
[points.special]
register = { function = 3, address = 1, type = "u16" }
unit = "raw"
range = [0, 100]
when = { variant = "b" }
status = "sensor"
report = { window_s = 600 }
[points.level]
register = { function = 3, address = 2, type = "u16" }
unit = "raw"
range = [0, 254]
report = { every_s = 900 }
[lamp]
write = { function = 6, address = 9 }
read_back = "level"
curve = "linear"
full_value = 200
[configuration.baud]
register = { function = 3, address = 100, type = "u16" }
write = 6
sets = "baud"
codes = { 9600 = 1 }
guard = "commissioning"
[actions.reset]
function = 0x42
guard = "operator"
[blocks.one]
address = 0
access = "read"
fields = [{ name = "first", type = "u32" }]
"""

TEMPERATURE = 'register = { function = 3, address = 0, type = "s16", shift = "place" }'
SPECIAL = 'register = { function = 3, address = 1, type = "u16" }'


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        profile_of(parse_toml(text, Path("hardware/devices/t1.toml")))
    return caught.value


def test_the_example_itself_is_right() -> None:
    profile = profile_of(parse_toml(GOOD, Path("t1.toml")))
    assert list(profile.points) == ["temperature", "special", "level"]


# Each case: what stands in the right profile, what is put in its place, the text on the line that must be named,
# and parts of the message: what is wrong, the mend.
CASES = [
    ("# Source: a test", "# Read somewhere", "# Read", "does not say where the register map comes from", "# Source:"),
    ("scale = -1", "scael = -1", "scael", "points.temperature has no key named scael", "did you mean scale?"),
    ("[points.special]", "[point.special]", "[point.special]", "has no key named point", "did you mean points?"),
    ("baud = 9600, p", "baud = 9601, p", "serial =", "9601, which is not one of", "choose 1200, 2400"),
    ('parity = "N"', 'parity = "n"', "serial =", "which is not one of", 'did you mean "N"?'),
    ("unit_id = 1", "unit_id = 0", "serial =", "device.serial.unit_id is 0", "at least 1"),
    ("gap_ms = 20, ", "", "timing =", "device.timing has no key gap_ms", "add gap_ms = 20"),
    ('serial = { baud = 9600, parity = "N", stop_bits = 1, unit_id = 1 }', "", "[device]", "no serial", "add serial"),
    ("max_gap = 2", "max_gap = 16", "requests =", "max_gap is not smaller", "a gap must fit"),
    ('default = "a"\n', "", "[options.variant]", "options.variant has no key default", "add default ="),
    ('default = "a"', 'default = "c"', 'default = "c"', "'c', is not among its values", "that the option allows"),
    ('choices = ["a", "b"]\n', "", "[options.variant]", "needs either choices or a range", "one of the two"),
    ("range = [0, 9]", "range = [9, 0]", "range = [9, 0]", "range of option place is reversed", "lower bound first"),
    ('variant = "b"', 'variant = "c"', "when =", "never has the value 'c'", "a value that the option allows"),
    ('variant = "b"', 'varient = "b"', "when =", "names varient, which is no option", "did you mean variant?"),
    ('when = { variant = "b" }\n', "", "[options.variant]", "no point uses option variant", "or remove it"),
    ("[points.special]", "[points.Special]", "[points.Special]", "'Special' cannot be a point's name", "small letter"),
    ("[points.special]", '[points."pm2.5"]', '[points."pm', "cannot be a point's name", "small letter"),
    ('unit = "Cel"', 'unit = "cel"', 'unit = "cel"', 'unit "cel" is not known', 'did you mean "Cel"?'),
    ('unit = "Cel"', 'unit = "furlong"', 'unit = "furl', "is not known", "the units it knows: A, Cel"),
    ("scale = -1", "scale = -1.5", "scale = -1.5", "must be a whole number or text", "scale ="),
    ("scale = -1", "scale = -12", "scale = -12", "no option with whole numbers", "a power of ten"),
    ("scale = -1", 'scale = "variant"', 'scale = "variant"', "no option with whole numbers", "a power of ten"),
    ("range = [-40, 80]", "range = [80, -40]", "range = [80", "is reversed", "lower bound first"),
    ("range = [-40, 80]", "range = [1, 1.05]", "range = [1,", "narrower than one count", "widen it"),
    ("range = [-40, 80]\n", "", "[points.temperature]", "has no range", "add range = [lowest, highest] in Cel"),
    ("range = [-40, 80]", 'range = ["low", 80]', 'range = ["low"', 'is "low", but must be a number', "for example"),
    ("change = 0.5", "change = 0.05", "report = { every_s = 900, c", "finer than the point's resolution", "at least"),
    ("change = 0.5", "change = -1", "report = { every_s = 900, c", "report.change is -1", "greater than 0"),
    ("every_s = 900, change", "change", "report = { change", "needs either every_s or window_s", "write {"),
    ("every_s = 900, change", "window_s = 9, change", "report = { window_s = 9,", "no meaning beside", "take one"),
    (TEMPERATURE, "", "[points.temperature]", "needs one of register, field, pin", "give one of them"),
    (TEMPERATURE, "pin = { number = 4 }", "scale = -1", "has no scale", "take scale out"),
    (TEMPERATURE, TEMPERATURE + "\nalarm = true", "alarm = true", "only the point of a pin", "[[alarms]]"),
    (TEMPERATURE, TEMPERATURE + "\ninverted = true", "inverted", "only a bool can be inverted", "take inverted"),
    (TEMPERATURE, TEMPERATURE + "\nzero_means_retry = true", "zero_means", "how often to try again", "set zero_tries"),
    (TEMPERATURE, TEMPERATURE + "\ninvalid = [0x18000]", "invalid =", "0x18000 does not fit into a s16", "raw"),
    (TEMPERATURE, TEMPERATURE + "\noffset = 0.25", "offset =", "finer than one count", "multiple of the resolution"),
    ("address = 0, type", "address = 65536, type", "register = { function = 3, address = 65536", "65536", "65535"),
    ("address = 0, type", "address = -1, type", "register = { function = 3, address = -1", "is -1", "at least 0"),
    ("address = 0, type", "type", "register = { function = 3, type", "a s16 needs an address", "add address"),
    ("function = 3, address = 0,", "function = 2, address = 0,", "register = { function = 2", "not one of 3", "choose"),
    ('type = "s16", shift', 'type = "s61", shift', 'type = "s61"', "not one of", 'did you mean "s16"?'),
    ('type = "s16", shift', 'type = "f32", bits = [3, 0], shift', "bits = [3", "a f32 has no bits", "take bits out"),
    ('type = "s16", shift', 'type = "u16", bits = [0, 3], shift', "bits = [0", "are reversed", "highest bit first"),
    ('type = "s16", shift', 'type = "u16", bits = [16, 3], shift', "bits = [16", "bits[1] is 16", "at most 15"),
    ('type = "s16", shift', 'type = "bool", shift', 'unit = "Cel"', "do not go together", 'unit = "bool"'),
    ('type = "s16", shift', 'type = "bits", shift', 'type = "bits"', "put together from parts", "give parts"),
    ('"s16", shift', '"s16", word_order = "little", shift', "word_order", "has no word order", "take word_order out"),
    ('shift = "place"', 'shift = "variant"', 'shift = "variant"', "no option with a shift", "name an option"),
    ("origin = 0, step", "origin = 2, step", "register = { function = 3, address = 0", "from -10", "0 to 65535"),
    (SPECIAL, SPECIAL.replace('"u16"', '"u32"'), "address = 2", "reads a part of points.special as another", "check"),
    ("[points.special]", '[points.special]\nname = "level"', "[points.level]", "both named level", "own name"),
    ('status = "sensor"', 'status = "senser"', 'status = "senser"', "no status named senser", "did you mean sensor?"),
    ('0 = "good"', '0 = "godo"', "codes = { 0", "is not one of", 'did you mean "good"?'),
    ('0 = "good"', 'zero = "good"', "codes = { zero", "codes.zero: a key there must be", "for example"),
    ("address = 5\n", "address = 60\n", SPECIAL, "unit code span 60 registers", "one request takes 16"),
    (SPECIAL, SPECIAL + "\ndecimals = { address = 1, codes = {} }", "decimals", "0 elements", "at least 1"),
    (SPECIAL, SPECIAL.replace("u16", "f32") + "\nscale = -7", "scale = -7", "resolution that is kept", "scale = -2"),
    (
        SPECIAL,
        SPECIAL.replace("u16", "f32") + "\ndecimals = { address = 3, codes = { 0 = 0 } }",
        "register = { function = 3, address = 1",
        "a f32 cannot depend on a decimals",
        "integer type",
    ),
    (
        'read_back = "level"',
        'read_back = "dim"',
        "read_back",
        "names dim, which is no register point",
        "name the point",
    ),
    ('read_back = "level"', 'read_back = "temperature"', "read_back", "not one plain register", "a u16 point"),
    ("full_value = 200", "full_value = 255", "[lamp]", "leaves the range of level", "widen the point's range"),
    ("full_value = 200", "full_value = 200\noff_value = 200", "off_value", "not below full_value", "off value"),
    ('curve = "linear"', 'curve = "dali-log"', "full_value", "the DALI curve ends at 254", "full_value = 254"),
    ('guard = "commissioning"\n[act', 'guard = "none"\n[act', 'guard = "none"', "is not one of", '"commissioning"'),
    ('guard = "commissioning"\n[act', "[act", "[configuration.baud]", "has no key guard", 'guard = "commissioning"'),
    ("codes = { 9600 = 1 }\n", "", "[configuration.baud]", "needs either codes or a range", "one of the two"),
    (
        'address = 100, type = "u16"',
        'address = 100, type = "u32"',
        "write = 6\ns",
        "function 6 writes one",
        "write = 16",
    ),
    ("function = 0x42", "function = 0x22", "function = 0x22", "neither a write nor a vendor's own", "use 5, 6, 16"),
    ("function = 0x42", "function = 6", "[actions.reset]", "takes address and value", "give both"),
    ("function = 0x42", "function = 5\naddress = 1\nvalue = 1", "value = 1", "written with 0 or 0xFF00", "one of"),
    (
        "[blocks.one]",
        '[blocks.two]\naddress = 1\naccess = "read"\nfields = [{ name = "x", type = "u16" }]\n[blocks.one]',
        "address = 1\nacc",
        "block two begins at 0x0001, inside block one",
        "begin at 0x0002",
    ),
    ('"first", type', '"first", fixed = 0x100000000, type', "fields =", "does not fit into u32", "wider type"),
    (
        "fields = [",
        'fields = [{ name = "first", type = "u16" }, ',
        "fields =",
        "two fields are named first",
        "own name",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "place", "what", "mend"), CASES)
def test_a_bad_profile_names_line_fault_and_mend(right: str, wrong: str, place: str, what: str, mend: str) -> None:
    assert GOOD.count(right) >= 1
    text = GOOD.replace(right, wrong, 1)
    error = refused(text)
    line = line_of(text, place)
    assert [
        problem for problem in error.problems if problem.line == line and what in problem.what and mend in problem.mend
    ], f"wanted line {line}\n{error}"
    assert str(error).startswith("hardware/devices/t1.toml:")


def test_a_profile_without_anything_is_told_what_it_lacks() -> None:
    error = refused('# Source: x\n[device]\nmodel = "A"\nkind = "b"\n')
    assert "no points" in str(error)


def test_serial_settings_mean_nothing_for_pins() -> None:
    text = """# Source: x
[device]
model = "A"
kind = "b"
serial = { baud = 9600, parity = "N", stop_bits = 1, unit_id = 1 }
[points.open]
pin = { number = 4 }
unit = "bool"
report = { every_s = 60 }
"""
    assert "hardware/devices/t1.toml:5: device has no registers, so serial means nothing" in str(refused(text))


def test_several_problems_are_told_at_once() -> None:
    text = GOOD.replace('unit = "Cel"', 'unit = "cel"').replace("range = [-40, 80]", "range = [80, -40]")
    assert [problem.line for problem in refused(text).problems] == [23, 24]


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(UnknownProfileError, match=r"no device profile eastron-sdm12; did you mean eastron-sdm120\?"):
        load_profile("eastron-sdm12")
    with pytest.raises(UnknownProfileError, match="the profiles there are: "):
        load_profile("../secret")


def test_a_profile_can_be_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "t1.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_profile(path) == load_profile(str(path)) == profile_of(parse_toml(GOOD, path))


def test_the_smallest_profile_needs_no_more_than_the_style_guide_shows() -> None:
    text = """# Source: ESPHome pzemac component and Wiren Board config-pzem-016, read 2026-11.
[device]
model = "Peacefair PZEM-016"
kind = "electrical meter"
serial = { baud = 9600, parity = "N", stop_bits = 1, unit_id = 1 }
timing = { reply_timeout_ms = 200, gap_ms = 20, retries = 2 }

[points.voltage]
register = { function = 4, address = 0, type = "u16" }
scale = -1                       # tenths of a volt
unit = "V"
range = [80, 260]
report = { every_s = 60, change = 2.0 }   # volts, as in `range`; only the register table is in counts
"""
    voltage = resolve(profile_of(parse_toml(text, Path("t1.toml")))).point("voltage")
    assert (voltage.low, voltage.high, voltage.exponent, voltage.title) == (800, 2600, -1, "voltage")

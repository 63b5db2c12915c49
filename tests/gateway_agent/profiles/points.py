"""Points and profiles made for tests."""

from pathlib import Path

from gateway_agent.profiles import Point, Profile, resolve
from gateway_agent.profiles.load import profile_of
from gateway_agent.toml_source import parse_toml

HEAD = """# Source: a test
[device]
model = "Example"
kind = "example"
serial = { baud = 9600, parity = "N", stop_bits = 1, unit_id = 1, baud_choices = [19200] }
timing = { reply_timeout_ms = 200, gap_ms = 20, retries = 2, zero_tries = 3, zero_wait_ms = 100 }
"""


def profile(text: str) -> Profile:
    """A profile with the usual head."""
    return profile_of(parse_toml(HEAD + text, Path("example.toml")))


def point(register: str, more: str = "", unit: str = "raw", low_high: str = "[-1e9, 4e9]") -> Point:
    """The one point `x` of a profile with this register and these other keys."""
    limits = "" if unit == "bool" else f"range = {low_high}\n"
    text = f"[points.x]\nregister = {{ {register} }}\nunit = {unit!r}\n{limits}report = {{ every_s = 60 }}\n{more}"
    return resolve(profile(text)).point("x")

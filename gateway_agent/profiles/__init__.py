"""Device profiles: the schema of `hardware/devices/*.toml`, reading, options, requests and decoding."""

from gateway_agent.profiles.load import UnknownProfileError, load_profile, profile_names
from gateway_agent.profiles.model import Profile, ReportSection
from gateway_agent.profiles.point import LampDriver, Lookup, PinSource, Point, RegisterSource
from gateway_agent.profiles.requests import Request, plan_requests
from gateway_agent.profiles.resolve import OptionError, ResolvedProfile, check_options, resolve

__all__ = [
    "LampDriver",
    "Lookup",
    "OptionError",
    "PinSource",
    "Point",
    "Profile",
    "RegisterSource",
    "ReportSection",
    "Request",
    "ResolvedProfile",
    "UnknownProfileError",
    "check_options",
    "load_profile",
    "plan_requests",
    "profile_names",
    "resolve",
]

"""Errors of the uplink."""

from gateway_agent.errors import GatepostError


class UplinkError(GatepostError):
    """The uplink cannot be used as it is configured."""


class FormatError(UplinkError):
    """Bytes from the other side that are not what they should be; the text says what and where."""

"""Errors of the uplink."""

from gateway_agent.errors import GatepostError


class UplinkError(GatepostError):
    """The uplink cannot be used as it is configured."""


class FormatError(UplinkError):
    """Bytes from the other side that are not what they should be; the text says what and where."""


class ExchangeFailed(UplinkError):  # noqa: N818 - an ordinary state of a radio link
    """No answer: the platform is away, the link is down, or the name is unknown. Try the same bytes again."""


class Refused(UplinkError):  # noqa: N818 - named for what the platform did
    """The platform answered and did not take the message. `code` is the CoAP code as text, such as "4.00"."""

    def __init__(self, code: str, diagnostic: str, payload: bytes = b"") -> None:
        super().__init__(f"the platform refused with {code}{': ' if diagnostic else ''}{diagnostic}")
        self.code = code
        self.diagnostic = diagnostic
        self.payload = payload

"""The url of a platform."""

import ipaddress
from urllib.parse import urlsplit

from gateway_agent.uplink.errors import UplinkError

DEFAULT_PORT = 5683


def split_url(url: str) -> tuple[str, int]:
    """(host, port) of the platform's url. Raises UplinkError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UplinkError(f"uplink url {url}: {error}; write it like coap://platform.example:5683") from error
    has_more = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme != "coap" or not host or port == 0 or has_more:
        raise UplinkError(f"uplink url {url}: write it like coap://platform.example:5683, with nothing behind it")
    return host, port or DEFAULT_PORT


def is_this_machine(host: str) -> bool:
    """Whether the host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

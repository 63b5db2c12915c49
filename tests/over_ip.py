"""One bearer over the IP network, without a plan, whose messages are repeated after a fixed time."""

from gateway_agent.bearers.bearer import Bearer, BearerSettings
from gateway_agent.bearers.choice import Bearers
from gateway_agent.bearers.round_trip import Bounds
from gateway_agent.clock import Clock, SystemClock
from gateway_agent.uplink.way import IpWay


def over_ip(
    ack_timeout_s: float = 2.0,
    max_retransmit: int = 3,
    *,
    command_delay_s: float = 3600.0,
    clock: Clock | None = None,
) -> Bearers:
    """See above."""
    bounds = Bounds(ack_timeout_s, ack_timeout_s, ack_timeout_s)
    settings = BearerSettings("ip", bounds, command_delay_s, max_retransmit=max_retransmit)
    return Bearers([Bearer(settings, IpWay(), clock or SystemClock())])

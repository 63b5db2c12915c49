"""The way through a modem: a UDP socket inside it, for whoever speaks CoAP on the gateway."""

from collections.abc import Iterable

from gateway_agent.bearers.bearer import Bearer
from gateway_agent.modem.errors import ModemError
from gateway_agent.modem.modem import Modem
from gateway_agent.uplink.way import Link, Lost, NoWay, Received

BESIDE_PAYLOAD_BYTES = 136
"""What a datagram has at most beside the payload of a message: header, token, options and OSCORE (56), the Echo that a
platform may ask for (44), EDHOC's third message in front of the first request under new keys (36)."""


class ModemWay:
    """Links through one modem."""

    def __init__(self, modem: Modem) -> None:
        self.modem = modem

    async def open(self, host: str, port: int, on_datagram: Received, on_lost: Lost) -> Link:
        """See Way. NoWay says in words what the modem lacks."""
        try:
            return await self.modem.open(host, port, on_datagram, on_lost)
        except ModemError as problem:
            raise NoWay(str(problem)) from problem

    def heard(self, is_answered: bool) -> None:
        """Tell the modem whether an exchange was answered: one that sends and hears nothing must be started anew."""
        if is_answered:
            self.modem.note_answered()
        else:
            self.modem.note_unanswered()


def modem_of(bearer: Bearer) -> Modem | None:
    """The modem that a bearer goes through, None for one over the IP network."""
    return bearer.way.modem if isinstance(bearer.way, ModemWay) else None


def modems_of(bearers: Iterable[Bearer]) -> dict[str, Modem]:
    """The modems by the names of their bearers."""
    found = {bearer.name: modem_of(bearer) for bearer in bearers}
    return {name: modem for name, modem in found.items() if modem is not None}

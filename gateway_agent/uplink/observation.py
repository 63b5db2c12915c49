"""A relation to a resource of the platform, whose changes come by themselves (RFC 7641)."""

from collections.abc import Callable
from typing import Any

from gateway_agent.uplink.client_socket import Exchange
from gateway_agent.uplink.coap_message import Reply
from gateway_agent.uplink.coap_options import to_reply
from gateway_agent.uplink.security import SecurityContext


class Observation:
    """A relation, made by `CoapClient.observe`. `is_alive` until `cancel`, an end by the platform, or a new socket."""

    def __init__(self, on_notification: Callable[[Reply], None]) -> None:
        self._on_notification = on_notification
        self._exchange: Exchange | None = None
        self._has_begun = False
        self._last_number = -1

    @property
    def is_alive(self) -> bool:
        """Whether notifications may still come."""
        return self._exchange is not None and not self._exchange.is_over

    def cancel(self) -> None:
        """Take no more notifications; the next one is answered with a reset, and the platform forgets the relation."""
        if self._exchange is not None:
            self._exchange.stop()

    def is_under(self, context: SecurityContext) -> bool:
        """Whether the relation was made with these keys."""
        return self._exchange is not None and self._exchange.is_under(context)

    def hold(self, exchange: Exchange) -> None:
        """The exchange that the notifications belong to."""
        self._exchange = exchange

    def take(self, message: Any) -> None:
        """Pass on the first answer and each notification that is newer than the one before it (RFC 7641, 3.4).

        The first answer has no number of its own under OSCORE (RFC 8613, 4.1.3.5.2); later ones without are old.
        """
        number = -1 if message.opt.observe is None else int(message.opt.observe)
        if self._has_begun and number <= self._last_number:
            return
        self._has_begun = True
        self._last_number = number
        self._on_notification(to_reply(message))

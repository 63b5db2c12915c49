"""What the CoAP client needs of whoever keeps the gateway's keys.

The client asks for a context before each exchange, protects with it, and tells afterwards whether the platform was
heard. It holds its turn while it asks, so `context` must not call the client; what it needs of the radio to agree new
keys it is given. key_ring.py is the keeper of the agent.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, Protocol

Clear = Literal["clear"]
CLEAR: Final[Clear] = "clear"
"""Instead of a Security: no protection at all, for a laboratory on one machine."""

AskEdhoc = Callable[[bytes], Awaitable[bytes]]
"""Sends an EDHOC message to the platform's /.well-known/edhoc (RFC 9528, A.2) and returns the payload of its answer.
Raises ExchangeFailed or Refused."""


class SecurityContext(Protocol):
    """An OSCORE context as aiocoap knows it (RFC 8613), whose numbers are reserved by `prepare`.

    A context that has just been agreed may add its EDHOC message 3 to the first request (RFC 9668).
    """

    async def prepare(self, count: int = 1) -> None:
        """Let `count` messages be protected and any number unprotected. Raises SecurityStateLost."""
        ...

    def protect(self, message: Any, request_id: Any = None) -> tuple[Any, Any]:
        """The protected message and what belongs to its answer. Raises SecurityStateLost."""
        ...

    def unprotect(self, protected_message: Any, request_id: Any = None) -> tuple[Any, Any]:
        """The plain message and what belongs to its answer. Raises SecurityStateLost and aiocoap's errors."""
        ...


class Security(Protocol):
    """The keys of one gateway, used by one client."""

    async def context(self, ask_edhoc: AskEdhoc) -> SecurityContext:
        """The context to use for the next message, prepared. New keys are agreed by `ask_edhoc` where that is due.

        Raises SecurityStateLost, ExchangeFailed or Refused.
        """
        ...

    def spoke(self) -> None:
        """The platform has answered under the context that was given last."""
        ...

    def unanswered(self) -> None:
        """An exchange under the context that was given last ended without an answer."""
        ...

    async def lost(self, reason: str) -> None:
        """The context that was given last can never be used again: its state was lost."""
        ...

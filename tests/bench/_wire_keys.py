"""OSCORE keys that both sides have from the start: the gateway is named by two bytes, the platform by none.

What each side must not forget lives in a store that it is given: the gateway's in its journal.
"""

from gateway_agent.journal.kept_context import Store
from gateway_agent.uplink.oscore_context import JournalSecurityContext, OscoreKeys
from gateway_agent.uplink.security import AskEdhoc
from hardware.rig.platform_server import Known

_SECRET, _SALT = bytes(range(16)), b"bench"
GATEWAY_ID, PLATFORM_ID = b"\x01\x02", b""
_GATEWAY = OscoreKeys(_SECRET, GATEWAY_ID, PLATFORM_ID, master_salt=_SALT)
_PLATFORM = OscoreKeys(_SECRET, PLATFORM_ID, GATEWAY_ID, master_salt=_SALT)


class GatewayKeys:
    """The gateway's side: what a CoapClient takes as its security."""

    def __init__(self, context: JournalSecurityContext) -> None:
        self._context = context

    @classmethod
    async def begin(cls, store: Store) -> "GatewayKeys":
        """Begin with numbers that are reserved in `store`."""
        return cls(await JournalSecurityContext.begin(store, "gateway", _GATEWAY))

    @classmethod
    async def open(cls, store: Store) -> "GatewayKeys":
        """Go on with what `begin` began in the same store."""
        return cls(await JournalSecurityContext.open(store, "gateway", _GATEWAY))

    async def context(self, ask_edhoc: AskEdhoc) -> JournalSecurityContext:
        """See security.Security."""
        await self._context.prepare()
        return self._context

    def spoke(self) -> None:
        """See security.Security; keys that never change need not know."""

    def unanswered(self) -> None:
        """See security.Security; keys that never change need not know."""

    async def lost(self, reason: str) -> None:
        """See security.Security."""
        raise RuntimeError(f"the benchmark's keys are lost: {reason}")


class PlatformKeys:
    """The platform's side: what a PlatformServer takes as its keys."""

    def __init__(self, gateway: str, context: JournalSecurityContext) -> None:
        self._known = Known(gateway, context)

    @classmethod
    async def begin(cls, gateway: str, store: Store) -> "PlatformKeys":
        """Begin with the keys of the one gateway."""
        return cls(gateway, await JournalSecurityContext.begin(store, "platform", _PLATFORM))

    @classmethod
    async def open(cls, gateway: str, store: Store) -> "PlatformKeys":
        """Go on with what `begin` began in the same store."""
        return cls(gateway, await JournalSecurityContext.open(store, "platform", _PLATFORM))

    async def find(self, kid: bytes, kid_context: bytes | None) -> Known | None:
        """See platform_server.Keys."""
        if kid != GATEWAY_ID:
            return None
        await self._known.context.prepare()
        return self._known

    def spoke(self, known: Known) -> None:
        """See platform_server.Keys."""

    @property
    def takes_edhoc(self) -> bool:
        """See platform_server.Keys."""
        return False

    async def take_edhoc(self, message_1: bytes) -> bytes | None:
        """See platform_server.Keys."""
        return None

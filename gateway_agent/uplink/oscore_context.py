"""An OSCORE security context of aiocoap (RFC 8613) whose numbers and replay window live in the journal.

Set up: `begin` with keys that were just agreed, `open` with those of an earlier start. Both raise SecurityStateLost
when they must not be used: agree new keys then, and where the disk is the reason, begin them in a MemoryStore.
`await prepare()` before each exchange, as client and as server: aiocoap takes numbers where it cannot wait for a disk.
aiocoap's `FilesystemSecurityContext` over a folder in /tmp is a peer to try it with.

Where it hurts (aiocoap 0.4.17): its own file store does not sync the folder after its rename, so a power cut brings
back numbers that were used; `make faults ARGS="journal oscore-control"` shows it. After an unclean end the first
request of the peer is answered with 4.01 and an Echo option (B.1.2), and the peer repeats it; aiocoap's client does.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any, Self

from aiocoap import oscore  # type: ignore[import-untyped]

from gateway_agent.journal.kept_context import KeptContext, Store
from gateway_agent.journal.security import Window
from gateway_agent.uplink.errors import UplinkError

WINDOW_NUMBERS = 32
"""Size of the replay window, RFC 8613, 3.2.2."""
ID_BYTES = 7
"""Length of the longest sender or recipient id with a nonce of 13 bytes, RFC 8613, 3.3."""


@dataclass(frozen=True, slots=True)
class OscoreKeys:
    """What a context is derived from, with the default algorithms AES-CCM-16-64-128 and HKDF SHA-256: RFC 8613, 3.2.

    Raises UplinkError for ids that cannot be.
    """

    master_secret: bytes = field(repr=False)
    sender_id: bytes
    recipient_id: bytes
    master_salt: bytes = field(default=b"", repr=False)
    id_context: bytes | None = None

    def __post_init__(self) -> None:
        """Check the ids."""
        if max(len(self.sender_id), len(self.recipient_id)) > ID_BYTES:
            raise UplinkError(f"OSCORE ids have at most {ID_BYTES} bytes; agree shorter ones")
        if self.sender_id == self.recipient_id:
            raise UplinkError("both sides have the same OSCORE id, so they would share one key; agree different ones")


class JournalSecurityContext(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):  # type: ignore[misc]
    """Protects and unprotects as aiocoap expects. Made by `begin` or `open`; once lost or closed it stays so."""

    def __init__(self, kept: KeptContext, keys: OscoreKeys) -> None:
        self.alg_aead = oscore.algorithms[oscore.DEFAULT_ALGORITHM]
        self.hashfun = oscore.hashfunctions[oscore.DEFAULT_HASHFUNCTION]
        self.sender_id = keys.sender_id
        self.recipient_id = keys.recipient_id
        self.id_context = keys.id_context
        self.echo_recovery = secrets.token_bytes(8)
        self.recipient_replay_window = oscore.ReplayWindow(WINDOW_NUMBERS, lambda: None)
        self.derive_keys(keys.master_salt, keys.master_secret)
        self._kept = kept

    @classmethod
    async def begin(cls, store: Store, context_id: str, keys: OscoreKeys) -> Self:
        """With keys that were just agreed and never used. Raises SecurityStateLost, also for an id that was ever
        used."""
        return cls(await KeptContext.begin(store, context_id), keys)

    @classmethod
    async def open(cls, store: Store, context_id: str, keys: OscoreKeys) -> Self:
        """With the keys with which `context_id` was begun. Raises SecurityStateLost: they must not be used."""
        return cls(await KeptContext.open(store, context_id), keys)

    async def prepare(self, count: int = 1) -> None:
        """Let `count` messages be protected and any number unprotected. Raises SecurityStateLost."""
        await self._kept.reserve(count)
        window = self._kept.take_window()
        if window is not None:
            self.recipient_replay_window.initialize_from_persisted({"index": window.index, "bitfield": window.bitfield})

    @property
    def next_number(self) -> int:
        """The sender number that is used next."""
        return self._kept.next_number

    async def close(self) -> None:
        """End the use cleanly; nothing is protected or unprotected any more. Raises SecurityStateLost when that cannot
        be written: the next start then goes on as after a power cut."""
        window = self.recipient_replay_window
        seen = window.persist() if window.is_initialized() else None
        await self._kept.close(None if seen is None else Window(seen["index"], seen["bitfield"]))

    def protect(self, message: Any, request_id: Any = None, *, kid_context: bool | bytes = True) -> Any:
        """As aiocoap: the protected message and what belongs to its answer. Raises SecurityStateLost."""
        self._kept.check_in_use()
        return super().protect(message, request_id, kid_context=kid_context)

    def unprotect(self, protected_message: Any, request_id: Any = None) -> Any:
        """As aiocoap: the plain message and what belongs to its answer. Raises SecurityStateLost, and aiocoap's
        ReplayError, ReplayErrorWithEcho (its `to_message` is the answer) and ProtectionInvalid."""
        self._kept.check_in_use()
        return super().unprotect(protected_message, request_id)

    def new_sequence_number(self) -> int:
        """A number that is reserved in the journal. Raises SecurityStateLost where there is none."""
        return self._kept.take_number()

    def post_seqnoincrease(self) -> None:
        """Nothing is left to store for aiocoap here: `prepare` stored it before the number could be taken."""

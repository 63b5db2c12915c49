"""The gateway's OSCORE keys: which context is used now, and when new ones are agreed.

First the context that was provisioned, once; later those that EDHOC gives. New keys are written down before they are
used, and the former stay the ones to go back to until the platform has answered under the new. When the numbers of a
context are lost or doubtful it is never used again, and new keys are agreed; without a disk they live in memory.

New keys are agreed when there are none, when they are old or much used, and when nobody has answered for a while: a
platform that lost its keys says nothing, and only the answer to EDHOC's first message tells it from a dead link.
"""

import asyncio
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import cbor2

from gateway_agent.clock import Clock
from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.journal.kept_context import Store
from gateway_agent.journal.memory_store import MemoryStore
from gateway_agent.uplink.client import ExchangeFailed, Refused
from gateway_agent.uplink.edhoc import Agreed, EdhocFailed, Initiator
from gateway_agent.uplink.identity import Identity
from gateway_agent.uplink.oscore_context import JournalSecurityContext, OscoreKeys
from gateway_agent.uplink.security import AskEdhoc
from gateway_agent.whole_file import write_whole

log = logging.getLogger("gatepost.uplink")

RENEW_AFTER_S = 30 * 86_400.0
RENEW_AFTER_NUMBERS = 1 << 20
UNANSWERED = 3
"""Exchanges in a row without an answer after which new keys are tried."""
_PAUSE_FIRST_S, _PAUSE_LONGEST_S = 60.0, 6 * 3600.0
_VERSION = 1


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """Keys as they are written down: under which id the journal knows their numbers, and when they were agreed (unix
    seconds)."""

    context_id: str
    keys: OscoreKeys
    since_s: int


class AgreedContext(JournalSecurityContext):
    """A context that EDHOC has just given: its requests carry message 3 until the platform has answered (RFC 9668)."""

    message_3: bytes | None = None

    def protect(self, message: Any, request_id: Any = None, *, kid_context: bool | bytes = True) -> Any:
        """As JournalSecurityContext."""
        outer, own_id = super().protect(message, request_id, kid_context=kid_context)
        if self.message_3 is not None and request_id is None:
            outer.opt.edhoc = True
            outer.payload = self.message_3 + outer.payload
        return outer, own_id


class KeyRing:
    """The keys of one gateway; a `Security` for its CoapClient. `agreements` counts new keys since the start."""

    def __init__(
        self,
        identity: Identity,
        store: Store,
        file: Path,
        used_mark: Path,
        clock: Clock,
        renew_after_s: float = RENEW_AFTER_S,
    ) -> None:
        """`file` is where keys are written down, beside the journal that is the `store`. `used_mark` is a file beside
        the identity that tells that its provisioned context has been used: that happens once."""
        self.agreements = 0
        self.trouble: str | None = None
        self._identity = identity
        self._store = store
        self._file = file
        self._used_mark = used_mark
        self._clock = clock
        self._renew_after_s = renew_after_s
        self._kept: KeptKeys | None = None
        self._context: AgreedContext | None = None
        self._fresh: KeptKeys | None = None
        self._is_opened = False
        self._settling: asyncio.Task[None] | None = None
        self._unanswered = 0
        self._try_again_ms = 0
        self._pause_s = _PAUSE_FIRST_S

    async def context(self, ask_edhoc: AskEdhoc) -> AgreedContext:
        """The context to use for the next message. Raises SecurityStateLost, ExchangeFailed or Refused."""
        if not self._is_opened:
            self._is_opened = True
            await self._open()
        await self._settled()
        if self._context is None:
            await self._agree(ask_edhoc)
        elif self._is_renewal_due():
            try:
                await self._agree(ask_edhoc)
            except (ExchangeFailed, Refused) as error:
                # The former keys may still be good.
                log.info("new keys could not be agreed: %s", error)
                self._try_again_ms = self._clock.monotonic_ms() + round(1000 * self._pause_s)
                self._pause_s = min(2 * self._pause_s, _PAUSE_LONGEST_S)
        context = self._context
        if context is None:
            raise SecurityStateLost("there are no keys")
        await context.prepare()
        return context

    def spoke(self) -> None:
        """The platform has answered under the context that was given last."""
        self._unanswered = 0
        if self._context is not None:
            self._context.message_3 = None
        if self._fresh is not None and self._settling is None:
            self._settling = asyncio.create_task(self._settle(), name="keys are written down")

    def unanswered(self) -> None:
        """An exchange under the context that was given last ended without an answer."""
        self._unanswered += 1

    async def lost(self, reason: str) -> None:
        """The context that was given last can never be used again."""
        log.warning("%s", reason)
        self._context = self._fresh = None

    async def close(self) -> None:
        """End the use of the keys cleanly."""
        await self._settled()
        if self._context is not None:
            try:
                await self._context.close()
            except SecurityStateLost as error:
                log.info("%s", error)

    def _is_renewal_due(self) -> bool:
        is_waiting = self._fresh is not None and self._unanswered < UNANSWERED
        if is_waiting or self._clock.monotonic_ms() < self._try_again_ms:
            return False
        if self._unanswered >= UNANSWERED:
            return True
        kept = self._kept
        if kept is None or self._context is None:
            return False
        is_old = self._clock.is_trusted and self._clock.unix_ms() / 1000 - kept.since_s > self._renew_after_s
        return is_old or self._context.next_number > RENEW_AFTER_NUMBERS

    async def _open(self) -> None:
        """Go on with the keys of an earlier start, or begin with those that were provisioned."""
        kept = await asyncio.to_thread(self._read)
        try:
            if kept is not None:
                self._context = await AgreedContext.open(self._store, kept.context_id, kept.keys)
            else:
                kept = await self._begin_provisioned()
            self._kept = kept
        except SecurityStateLost as error:
            log.warning("%s", error)

    async def _begin_provisioned(self) -> KeptKeys | None:
        """The provisioned context, which nobody has used; None when it was used, or that cannot be written down."""
        kept = KeptKeys(f"{self._identity.gateway} provisioned", self._identity.context.gateway_keys, self._now_s())
        try:
            await asyncio.to_thread(_mark, self._used_mark, self._identity.context.kid)
            await asyncio.to_thread(self._write, kept)
        except FileExistsError:
            log.warning("the keys that were provisioned have been used, and what was known of their use is gone")
            return None
        except OSError as error:
            self._note_trouble(error)
            return None
        self._context = await AgreedContext.begin(self._store, kept.context_id, kept.keys)
        return kept

    async def _agree(self, ask_edhoc: AskEdhoc) -> None:
        """New keys by EDHOC. Raises ExchangeFailed, Refused."""
        identity = self._identity
        initiator = Initiator(identity.gateway, identity.static_key, identity.platform.name, identity.platform.key.key)
        try:
            agreed = initiator.finish(await ask_edhoc(initiator.message_1()))
        except EdhocFailed as error:
            raise ExchangeFailed(str(error)) from error
        await self._take(agreed)
        self.agreements += 1
        self._unanswered, self._try_again_ms, self._pause_s = 0, 0, _PAUSE_FIRST_S
        log.info("new keys have been agreed with the platform")

    async def _take(self, agreed: Agreed) -> None:
        fresh = KeptKeys(f"{self._identity.gateway} {token_hex(8)}", agreed.keys, self._now_s())
        try:
            context = await AgreedContext.begin(self._store, fresh.context_id, agreed.keys)
            self._fresh = fresh
        except SecurityStateLost as error:
            # Without a disk the keys live and die with this process.
            log.warning("%s", error)
            context = await AgreedContext.begin(MemoryStore(), fresh.context_id, agreed.keys)
            self._fresh = None
        context.message_3 = agreed.message_3
        self._context = context

    async def _settle(self) -> None:
        """The platform has answered under the new keys: they are the ones to go on with after a restart."""
        fresh, self._fresh = self._fresh, None
        if fresh is None:
            return
        try:
            await asyncio.to_thread(self._write, fresh)
            self._kept = fresh
        except OSError as error:
            self._note_trouble(error)

    async def _settled(self) -> None:
        settling, self._settling = self._settling, None
        if settling is not None:
            await settling

    def _read(self) -> KeptKeys | None:
        try:
            content = cbor2.loads(self._file.read_bytes())
            version, name, secret, salt, sender, recipient, since_s = content
        except FileNotFoundError:
            return None
        except (OSError, cbor2.CBORDecodeError, ValueError, TypeError) as error:
            log.warning("%s cannot be read (%s); new keys are agreed", self._file, error)
            return None
        if version != _VERSION:
            return None
        return KeptKeys(name, OscoreKeys(secret, sender, recipient, salt), since_s)

    def _write(self, kept: KeptKeys) -> None:
        keys = kept.keys
        content = [_VERSION, kept.context_id, keys.master_secret, keys.master_salt]
        content += [keys.sender_id, keys.recipient_id, kept.since_s]
        write_whole(self._file, cbor2.dumps(content), mode=0o600)
        self.trouble = None

    def _note_trouble(self, error: OSError) -> None:
        self.trouble = f"{self._file}: keys cannot be written down ({error.strerror}); they end with this run"
        log.error("%s", self.trouble)

    def _now_s(self) -> int:
        return self._clock.unix_ms() // 1000


def _mark(path: Path, kid: str) -> None:
    """Write down that a provisioned context is used from now on. Raises FileExistsError where it was, and OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, f"The provisioned context {kid} has been used; it must never begin again.\n".encode())
        os.fsync(file)
    finally:
        os.close(file)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

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
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import cbor2

from gateway_agent.clock import Clock
from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.journal.kept_context import Store
from gateway_agent.journal.memory_store import MemoryStore
from gateway_agent.journal.schema import sync_folder
from gateway_agent.uplink.edhoc import Agreed, EdhocFailed, Initiator
from gateway_agent.uplink.errors import ExchangeFailed, Refused, UplinkError
from gateway_agent.uplink.identity import Identity
from gateway_agent.uplink.oscore_context import JournalSecurityContext, OscoreKeys
from gateway_agent.uplink.security import AskEdhoc
from gateway_agent.whole_file import write_whole

log = logging.getLogger("gatepost.uplink")

RENEW_AFTER_S = 30 * 86_400.0
RENEW_AFTER_NUMBERS = 1 << 20
UNANSWERED = 3
"""Exchanges in a row without an answer after which new keys are tried."""
PAUSE_FIRST_S, PAUSE_LONGEST_S = 60.0, 1800.0
"""From one try to renew keys to the next, each twice as long as the last until the platform is heard. The longest is
also how long a platform that comes back without its keys may wait for an alarm."""
_VERSION = 2


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """Keys as they are written down: under which id the journal knows their numbers, and since when they are known to
    be in use (unix seconds; None until the time is right)."""

    context_id: str
    keys: OscoreKeys
    since_s: int | None


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
        self._context: AgreedContext | None = None
        self._used: KeptKeys | None = None
        self._is_fresh = False
        self._is_written = False
        self._is_opened = False
        self._settling: asyncio.Task[bool] | None = None
        self._unanswered = 0
        self._try_again_ms = 0
        self._pause_s = PAUSE_FIRST_S

    async def context(self, ask_edhoc: AskEdhoc) -> AgreedContext:
        """The context to use for the next message. Raises SecurityStateLost, ExchangeFailed or Refused."""
        if not self._is_opened:
            self._is_opened = True
            await self._open()
        await self._settled()
        await self._date()
        if self._context is None:
            await self._agree(ask_edhoc)
        elif self._is_renewal_due():
            self._try_again_ms = self._clock.monotonic_ms() + round(1000 * self._pause_s)
            self._pause_s = min(2 * self._pause_s, PAUSE_LONGEST_S)
            try:
                await self._agree(ask_edhoc)
            except (ExchangeFailed, Refused) as error:
                # The former keys may still be good. A link that is down is ordinary, a platform that is another is not.
                level = logging.WARNING if isinstance(error.__cause__, EdhocFailed) else logging.INFO
                log.log(level, "new keys could not be agreed: %s", error)
        context = self._context
        if context is None:
            raise SecurityStateLost("there are no keys")
        await context.prepare()
        return context

    def spoke(self) -> None:
        """The platform has answered under the context that was given last."""
        self._unanswered, self._try_again_ms, self._pause_s = 0, 0, PAUSE_FIRST_S
        if self._context is not None:
            self._context.message_3 = None
        if self._is_fresh and self._used is not None and self._settling is None:
            self._is_fresh = False
            log.info("the platform has answered under the new keys")
            self._settling = asyncio.create_task(self._keep(self._used), name="keys are written down")

    def unanswered(self) -> None:
        """An exchange under the context that was given last ended without an answer."""
        self._unanswered += 1

    async def lost(self, reason: str) -> None:
        """The context that was given last can never be used again."""
        log.warning("%s", reason)
        self._context = self._used = None
        self._is_fresh = False

    async def close(self) -> None:
        """End the use of the keys cleanly."""
        await self._settled()
        if self._context is not None:
            try:
                await self._context.close()
            except SecurityStateLost as error:
                log.info("%s", error)

    def _is_renewal_due(self) -> bool:
        used, context = self._used, self._context
        if used is None or context is None or self._clock.monotonic_ms() < self._try_again_ms:
            return False
        if self._unanswered >= UNANSWERED:
            return True
        if context.message_3 is not None:
            return False
        is_old = used.since_s is not None and self._now_s() - used.since_s > self._renew_after_s
        return (is_old and self._clock.is_trusted) or context.next_number > RENEW_AFTER_NUMBERS

    async def _open(self) -> None:
        """Go on with the keys of an earlier start, or begin with those that were provisioned."""
        kept = await asyncio.to_thread(self._read)
        try:
            if kept is not None:
                self._context = await AgreedContext.open(self._store, kept.context_id, kept.keys)
                self._is_written = True
            else:
                kept = await self._begin_provisioned()
            self._used = kept
        except SecurityStateLost as error:
            log.warning("%s", error)

    async def _begin_provisioned(self) -> KeptKeys | None:
        """The provisioned context, which nobody has used; None when it was used, or that cannot be written down."""
        identity = self._identity
        # The name tells the provisioned keys of two identities of one gateway apart.
        context_id = f"{identity.gateway} provisioned {identity.key.kid}"
        kept = KeptKeys(context_id, identity.context.gateway_keys, self._since_s())
        try:
            await asyncio.to_thread(_mark, self._used_mark, identity.context.kid)
        except FileExistsError:
            log.warning("%s: the keys that were provisioned have been used; new ones are agreed", self._used_mark)
            return None
        except OSError as error:
            reason = "so the keys that were provisioned cannot be used, and new ones are agreed"
            log.warning("%s cannot be written (%s), %s", self._used_mark, error.strerror, reason)
            return None
        if not await self._keep(kept):
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
            name = identity.platform.name
            raise ExchangeFailed(f"{error}: who answers is not {name}, whose key is in the identity file") from error
        await self._take(agreed)
        self.agreements += 1
        self._unanswered = 0
        log.info("new keys are there; the platform has yet to answer under them")

    async def _take(self, agreed: Agreed) -> None:
        fresh = KeptKeys(f"{self._identity.gateway} {token_hex(8)}", agreed.keys, self._since_s())
        try:
            context = await AgreedContext.begin(self._store, fresh.context_id, agreed.keys)
            self._is_fresh = True
        except SecurityStateLost as error:
            # Without a disk the keys live and die with this process.
            log.warning("%s", error)
            context = await AgreedContext.begin(MemoryStore(), fresh.context_id, agreed.keys)
            self._is_fresh = False
        context.message_3 = agreed.message_3
        self._context, self._used = context, fresh
        self._is_written = False

    async def _date(self) -> None:
        """Give keys that were agreed before the time was known their age from now on."""
        used, since_s = self._used, self._since_s()
        if used is None or used.since_s is not None or since_s is None:
            return
        self._used = replace(used, since_s=since_s)
        if self._is_written:
            await self._keep(self._used)

    async def _keep(self, keys: KeptKeys) -> bool:
        """Write down the keys to go on with after a restart; whether that could be done. Where it could not be, a
        restart goes on with former ones, or agrees new ones."""
        try:
            await asyncio.to_thread(self._write, keys)
        except OSError as error:
            self.trouble = f"{self._file}: keys cannot be written down ({error.strerror}); they end with this run"
            log.error("%s", self.trouble)
            return False
        self.trouble = None
        self._is_written = True
        return True

    async def _settled(self) -> None:
        settling, self._settling = self._settling, None
        if settling is not None:
            await settling

    def _read(self) -> KeptKeys | None:
        """The keys that were written down; None where there are none of this identity."""
        try:
            content = cbor2.loads(self._file.read_bytes())
            identity, kept = _parse(content)
        except FileNotFoundError:
            return None
        except (OSError, cbor2.CBORDecodeError, UplinkError, ValueError, RecursionError) as error:
            log.warning("%s cannot be read (%s); new keys are agreed", self._file, error)
            return None
        if identity != bytes.fromhex(self._identity.key.kid):
            log.warning("%s holds keys of another identity; they are not used", self._file)
            return None
        return kept

    def _write(self, kept: KeptKeys) -> None:
        keys = kept.keys
        content = [_VERSION, bytes.fromhex(self._identity.key.kid), kept.context_id, keys.master_secret]
        content += [keys.master_salt, keys.sender_id, keys.recipient_id, kept.since_s]
        write_whole(self._file, cbor2.dumps(content), mode=0o600)

    def _since_s(self) -> int | None:
        return self._now_s() if self._clock.is_trusted else None

    def _now_s(self) -> int:
        return self._clock.unix_ms() // 1000


def _parse(content: object) -> tuple[bytes, KeptKeys]:
    """(key id of the identity, its keys) of what `_write` wrote. Raises ValueError and UplinkError."""
    match content:
        case [version, bytes(identity), str(name), bytes(secret), bytes(salt), bytes(own), bytes(theirs), since_s]:
            if version == _VERSION and (since_s is None or isinstance(since_s, int)):
                return identity, KeptKeys(name, OscoreKeys(secret, own, theirs, salt), since_s)
    raise ValueError("it is not a file of keys of this version")


def _mark(path: Path, kid: str) -> None:
    """Write down that a provisioned context is used from now on. Raises FileExistsError where it was, and OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, f"The provisioned context {kid} has been used; it must never begin again.\n".encode())
        os.fsync(file)
    finally:
        os.close(file)
    sync_folder(path)

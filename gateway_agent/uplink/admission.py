"""The filter before aiocoap: what is let in from the air. What is not gets no answer, and is counted by its reason.

aiocoap keeps up to 50 kB for one hostile datagram of 214 bytes and remembers each accepted request for minutes, so
size, form, number of options, protection, rate and number of sources are looked at before it sees a datagram. A source
is an address with its port, because many gateways may share the address of a carrier's gateway. Time is what `now_s`
tells. At most one line a minute goes to the log, however much is refused.
"""

import logging
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from gateway_agent.uplink.datagram import FETCH, POST, BadDatagram, Datagram, read_datagram, read_kid, split_edhoc

log = logging.getLogger("gatepost.uplink")

_LOG_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes and options of a datagram; datagrams a second and at once of one source; sources that are remembered.

    `burst` lets a gateway that was away for a day send a batch a minute of the past at once.
    `edhoc_bytes`, `edhoc_per_s` and `edhoc_burst` are for EDHOC's first message, of all sources together: it is all
    that gets an answer in the clear.
    """

    datagram_bytes: int = 1280
    options: int = 24
    per_s: float = 50.0
    burst: int = 2000
    sources: int = 4096
    edhoc_bytes: int = 192
    edhoc_per_s: float = 1.0
    edhoc_burst: int = 20


class _Bucket:
    """Lets `burst` through at once and `per_s` in the long run."""

    __slots__ = ("at_s", "level")

    def __init__(self, burst: float) -> None:
        self.level = burst
        self.at_s = 0.0

    def take(self, per_s: float, burst: float, now_s: float) -> bool:
        self.level = min(burst, self.level + (now_s - self.at_s) * per_s)
        self.at_s = now_s
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Admission:
    """One socket's filter. `refused` counts by reason since the start, others may count there by `refuse`."""

    def __init__(
        self, check: Callable[[Datagram], str | None], now_s: Callable[[], float], limits: Limits | None = None
    ) -> None:
        """`check` tells for what reason a well-formed datagram is not let in, None to let it in."""
        self.refused: Counter[str] = Counter()
        self.limits = limits or Limits()
        self._check = check
        self._now_s = now_s
        self._sources: dict[Hashable, _Bucket] = {}
        self._edhoc = _Bucket(self.limits.edhoc_burst)
        self._logged_s: float | None = None
        self._unlogged: Counter[str] = Counter()

    def admit(self, data: bytes, source: Hashable) -> Datagram | None:
        """The datagram, or None for one that was refused."""
        datagram = None
        reason = "long" if len(data) > self.limits.datagram_bytes else self._rate(source)
        if reason is None:
            try:
                datagram = read_datagram(data, self.limits.options)
            except BadDatagram as error:
                reason = error.reason
            else:
                reason = self._check(datagram) or self._check_edhoc(datagram, len(data))
        if reason is not None:
            self.refuse(reason)
            return None
        return datagram

    def refuse(self, reason: str) -> None:
        """Count a datagram that gets no answer."""
        self.refused[reason] += 1
        self._unlogged[reason] += 1
        now_s = self._now_s()
        if self._logged_s is None or now_s - self._logged_s >= _LOG_EVERY_S:
            self._logged_s = now_s
            reasons = ", ".join(f"{name} {count}" for name, count in self._unlogged.most_common())
            log.warning("datagrams were refused without an answer: %s", reasons)
            self._unlogged.clear()

    def _check_edhoc(self, datagram: Datagram, size: int) -> str | None:
        limits = self.limits
        if not datagram.is_edhoc or datagram.oscore is not None:
            return None
        if size > limits.edhoc_bytes:
            return "edhoc-long"
        return None if self._edhoc.take(limits.edhoc_per_s, limits.edhoc_burst, self._now_s()) else "edhoc-rate"

    def _rate(self, source: Hashable) -> str | None:
        limits, now_s = self.limits, self._now_s()
        bucket = self._sources.pop(source, None)
        if bucket is None:
            if len(self._sources) >= limits.sources and not self._forget_oldest(now_s):
                return "sources"
            bucket = _Bucket(limits.burst)
        # The one that spoke last stands last, so that the first is the oldest.
        self._sources[source] = bucket
        return None if bucket.take(limits.per_s, limits.burst, now_s) else "rate"

    def _forget_oldest(self, now_s: float) -> bool:
        """Forget the source that was silent longest, unless its rate must be remembered still."""
        source, bucket = next(iter(self._sources.items()))
        if bucket.level + (now_s - bucket.at_s) * self.limits.per_s < self.limits.burst:
            return False
        del self._sources[source]
        return True


def for_platform(*, is_clear: bool, takes_edhoc: bool) -> Callable[[Datagram], str | None]:
    """What a platform lets in: requests protected by OSCORE, EDHOC's first message, and bare answers to its own."""

    def check(datagram: Datagram) -> str | None:
        if datagram.is_bare_answer:
            return None
        if not datagram.is_request or datagram.type > 1:
            return "no-request"
        if is_clear:
            return None
        if datagram.oscore is None:
            return None if takes_edhoc and datagram.is_edhoc and datagram.type == 0 else "clear"
        if datagram.code not in (POST, FETCH):
            return "oscore-code"
        if not datagram.payload:
            return "oscore-option"
        if datagram.has_edhoc_message and not takes_edhoc:
            return "edhoc-message"
        try:
            read_kid(datagram.oscore)
            if datagram.has_edhoc_message:
                split_edhoc(datagram.payload)
        except BadDatagram as error:
            return error.reason
        return None

    return check


def for_gateway(*, is_clear: bool, is_edhoc_token: Callable[[bytes], bool]) -> Callable[[Datagram], str | None]:
    """What a gateway lets in: answers protected by OSCORE, bare answers, and those to its own EDHOC messages."""

    def check(datagram: Datagram) -> str | None:
        if datagram.is_bare_answer:
            return None
        if not datagram.is_response or datagram.type > 2:
            return "no-answer"
        if is_clear or datagram.oscore is not None or is_edhoc_token(datagram.token):
            return None
        return "clear"

    return check

"""What the platform stand-in does with a request that was let in, and what it answers; no network in here.

It decodes SenML-CBOR and compact batches, stores each journal record once by (gateway, epoch, sequence), commits, and
only then answers: with what is stored, with its clock where the gateway's is off, and with the commands that have no
result yet. A message that is not understood gets 4.00 and a short reason, and nothing of it is stored; a compact batch
that refers to what is not here gets 4.09. protocols/spec/uplink.md is the page for both sides.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import apsw

from gateway_agent.clock import Clock
from gateway_agent.compact import ChannelTable, State
from gateway_agent.uplink import answer
from gateway_agent.uplink.coap_message import COMPACT, Arrived, Reply
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.objects import ObjectName, by_path, object_names
from gateway_agent.uplink.senml_cbor import MAX_PACK_BYTES
from gateway_agent.uplink.transfer_format import CHANNELS, DOWN, UP
from hardware.rig.platform_batches import ReadBatch, Unread, read_batch
from hardware.rig.platform_messages import SentAlarm, SentReading, SentRecord, SentResult, read_message
from hardware.rig.platform_store import PlatformStore
from protocols import senml

log = logging.getLogger("gatepost.platform")

SENML_PATH, MAILBOX_PATH = ("senml",), ("m",)
CLOCKS_AGREE_MS = 1000
"""A gateway whose clock is off by more is told the time."""
_MAX_EPOCH = (1 << 32) - 1
_MAX_SILENCE_S = 86_400
_TABLES_KEPT = 64
"""Channel tables that are kept read."""
_MAX_SEQUENCE = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that was stored: from whom, when (unix milliseconds), and which of its records were new."""

    gateway: str
    epoch: int
    time_ms: int
    records: tuple[SentRecord, ...]

    @property
    def alarms(self) -> tuple[SentAlarm, ...]:
        """Alarms that were new."""
        return tuple(item for record in self.records for item in record.items if isinstance(item, SentAlarm))

    @property
    def results(self) -> tuple[SentResult, ...]:
        """Results of commands that were new."""
        return tuple(item for record in self.records for item in record.items if isinstance(item, SentResult))

    @property
    def readings(self) -> int:
        """How many readings were new."""
        return sum(isinstance(item, SentReading) for record in self.records for item in record.items)


@dataclass
class PlatformCounters:
    """Since the start: requests, those refused, compact batches that refer to what is not here, records stored and
    records that had been stored before."""

    requests: int = 0
    refused: int = 0
    unread: int = 0
    records: int = 0
    repeated_records: int = 0
    readings: int = 0
    refusals: list[str] = field(default_factory=list)


class Desk:
    """Answers requests. `offers` are the content formats that are taken.

    `listeners` are called with each Arrival, before it is answered. `refuse` may be set to a function that gets the
    payload and returns a reason to refuse it with 4.00, for tests.
    """

    def __init__(self, store: PlatformStore, clock: Clock) -> None:
        self.counters = PlatformCounters()
        self.listeners: list[Callable[[Arrival], None]] = []
        self.refuse: Callable[[bytes], str | None] = lambda payload: None
        self.offers: tuple[int, ...] = (COMPACT, senml.CONTENT_FORMAT)
        self._store = store
        self._clock = clock
        self._changed = asyncio.Event()
        self._tables: dict[bytes, ChannelTable] = {}
        self._names: dict[bytes, Mapping[str, ObjectName]] = {}

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return as soon as `is_so()` is true; it is asked now and after each stored message."""
        while not is_so():
            self._changed.clear()
            await self._changed.wait()

    async def handle(self, arrived: Arrived) -> Reply:
        """Answer one request that was let in."""
        self.counters.requests += 1
        try:
            return self._route(arrived)
        except FormatError as error:
            self.counters.refused += 1
            self.counters.refusals = [*self.counters.refusals[-9:], str(error)]
            return Reply("4.00", str(error)[:80].encode())
        except apsw.Error as error:
            log.error("the platform's database cannot be used: %s", error)
            return Reply("5.03")

    def _route(self, arrived: Arrived) -> Reply:
        path, method = arrived.request.path, arrived.request.method
        if path == () and method == "POST":
            return self._take_compact(arrived)
        if path == SENML_PATH and method == "POST":
            return self._take_senml(arrived)
        if path == SENML_PATH and method == "GET":
            return self._tell(arrived)
        if len(path) == 2 and path[0] == UP:
            return self._checked_upload(arrived)
        if len(path) == 2 and path[0] == DOWN:
            return self._store.files.handle_download(self.gateway_of(arrived), arrived.request)
        if path == MAILBOX_PATH and method == "GET":
            self.silence_of(arrived)
            return self.mailbox(self.gateway_of(arrived))
        if path in ((), SENML_PATH, MAILBOX_PATH):
            return Reply("4.05")
        return Reply("4.04")

    def _checked_upload(self, arrived: Arrived) -> Reply:
        gateway, kind = self.gateway_of(arrived), arrived.request.path[1]
        reply = self._store.files.handle_upload(gateway, arrived.request)
        if kind == CHANNELS and reply.code == "2.04":
            try:
                self._table_of(gateway)
            except FormatError:
                # Batches with a table that cannot be read could never be read either.
                self._store.files.drop(gateway, kind)
                raise
        return reply

    def gateway_of(self, arrived: Arrived) -> str:
        """Whom a request is from. Raises FormatError."""
        return _gateway_of(arrived, _values(arrived.request.query))

    def silence_of(self, arrived: Arrived) -> int:
        """For how many seconds whoever observes the mailbox may be left without a word. Raises FormatError."""
        text = _values(arrived.request.query).get("i", "60")
        return _decimal(text, _MAX_SILENCE_S, "query i must be seconds of silence, up to a day")

    def mailbox(self, gateway: str) -> Reply:
        """What a gateway is told that asks for its mailbox."""
        return self._answer("2.05", gateway, answer.Answer())

    def _tell(self, arrived: Arrived) -> Reply:
        """What a gateway hears that asks what is here of its epoch."""
        question = _read_query(arrived)
        now_ms = self._clock.unix_ms()
        gateway = question.gateway
        here: tuple[tuple[int, int], ...] = ()
        if question.first is not None:
            here = tuple(self._store.ranges(gateway, question.epoch, question.first))[: answer.MAX_RANGES]
        is_wanted = question.table is not None and self._find_table(gateway, question.table) is None
        return self._answer(
            "2.05",
            gateway,
            answer.Answer(
                here,
                now_ms,
                highest=self._store.highest(gateway, question.epoch),
                offers=self.offers,
                wanted_tables=(question.table,) if is_wanted and question.table else (),
            ),
        )

    def _take_senml(self, arrived: Arrived) -> Reply:
        if arrived.request.block1 is not None or len(arrived.request.payload) > MAX_PACK_BYTES:
            return Reply("4.13", b"one datagram at most")
        if arrived.request.content_format != senml.CONTENT_FORMAT:
            return Reply("4.15", b"send content format 112")
        now_ms = self._clock.unix_ms()
        self._check(arrived.request.payload)
        question = _read_query(arrived)
        records = read_message(arrived.request.payload, question.gateway, now_ms, self._names_of(question.gateway))
        self._keep(question.gateway, question.epoch, records, now_ms, question.is_late)
        # All of the message is stored, so that its numbers need not be told.
        return self._answer("2.04", question.gateway, answer.Answer(None, now_ms))

    def _take_compact(self, arrived: Arrived) -> Reply:
        if COMPACT not in self.offers or arrived.request.content_format != COMPACT:
            return Reply("4.15", b"send content format 112 to /senml")
        if arrived.request.block1 is not None or len(arrived.request.payload) > MAX_PACK_BYTES:
            return Reply("4.13", b"one datagram at most")
        now_ms = self._clock.unix_ms()
        self._check(arrived.request.payload)
        gateway = _gateway_of(arrived, _values(arrived.request.query))
        try:
            batch = read_batch(
                arrived.request.payload,
                lambda digest: self._find_table(gateway, digest),
                lambda state_id: self._find_state(gateway, state_id),
            )
        except Unread as error:
            self.counters.unread += 1
            wanted = () if error.table is None else (error.table,)
            return self._answer("4.09", gateway, answer.Answer(wanted_tables=wanted))
        state = (batch.state.id, batch.table.digest, batch.state.dump())
        self._keep(gateway, batch.epoch, batch.records, now_ms, batch.is_late, state)
        return self._answer("2.04", gateway, self._what_is_here(gateway, batch, now_ms))

    def _what_is_here(self, gateway: str, batch: ReadBatch, now_ms: int) -> answer.Answer:
        """What a compact batch is answered: only what it did not know or expect."""
        first, last = batch.records[0].sequence, batch.records[-1].sequence
        first = first if batch.asked_from is None else min(first, batch.asked_from)
        here = tuple(self._store.ranges(gateway, batch.epoch, first, last))
        is_right = batch.sent_ms is not None and abs(now_ms - batch.sent_ms) <= CLOCKS_AGREE_MS
        return answer.Answer(
            None if here == ((first, last),) else here[: answer.MAX_RANGES], None if is_right else now_ms
        )

    def _check(self, payload: bytes) -> None:
        reason = self.refuse(payload)
        if reason is not None:
            raise FormatError(reason)

    def _keep(
        self,
        gateway: str,
        epoch: int,
        records: list[SentRecord],
        now_ms: int,
        is_late: bool,
        state: tuple[bytes, bytes, bytes] | None = None,
    ) -> None:
        new = self._store.store(gateway, epoch, records, now_ms, is_late, state)
        arrival = Arrival(gateway, epoch, now_ms, tuple(new))
        self.counters.records += len(new)
        self.counters.repeated_records += len(records) - len(new)
        self.counters.readings += arrival.readings
        for listener in self.listeners:
            listener(arrival)
        self._changed.set()

    def _table_of(self, gateway: str) -> ChannelTable | None:
        """The last channel table that a gateway has sent."""
        return self._read_table(self._store.files.whole(gateway, CHANNELS))

    def _find_table(self, gateway: str, digest: bytes) -> ChannelTable | None:
        """The channel table that a batch names; one that cannot be read any more is forgotten, to be sent anew."""
        try:
            return self._read_table(self._store.files.whole_with(gateway, CHANNELS, digest))
        except FormatError as error:
            log.warning("the channel table %s of %s is asked for again: %s", digest.hex(), gateway, error)
            self._store.files.drop_with(gateway, CHANNELS, digest)
            return None

    def _read_table(self, data: bytes | None) -> ChannelTable | None:
        if data is None:
            return None
        if data not in self._tables:
            self._tables = {data: ChannelTable.decode(data)} | dict(list(self._tables.items())[:_TABLES_KEPT])
        return self._tables[data]

    def _names_of(self, gateway: str) -> Mapping[str, ObjectName]:
        """The OMA names of a gateway, by path, as far as its channel table is here."""
        table = self._table_of(gateway)
        if table is None:
            return {}
        if table.encoded not in self._names:
            points = dict.fromkeys((channel.point, channel.unit) for channel in table.channels)
            kept = dict(list(self._names.items())[:_TABLES_KEPT])
            self._names = {table.encoded: by_path(object_names(points))} | kept
        return self._names[table.encoded]

    def _find_state(self, gateway: str, state_id: bytes) -> State | None:
        """The state that a batch builds on. One that cannot be read, kept by another version or damaged, is as good as
        none: the gateway builds on another one."""
        found = self._store.state(gateway, state_id)
        table = None if found is None else self._find_table(gateway, found[0])
        if found is None or table is None:
            return None
        try:
            return State.load(found[1], table)
        except FormatError as error:
            log.warning("the state %s of %s is not used: %s", state_id.hex(), gateway, error)
            return None

    def _answer(self, code: str, gateway: str, said: answer.Answer) -> Reply:
        mailbox = self._store.pending_commands(gateway, self._clock.unix_ms())[: answer.MAX_COMMANDS]
        files = self._store.files.offers(gateway)
        while True:
            payload = answer.encode_answer(replace(said, commands=tuple(mailbox), files=files))
            if len(payload) <= answer.MAX_ANSWER_BYTES or not mailbox:
                return Reply(code, payload, answer.CONTENT_FORMAT if payload else None)
            mailbox.pop()


@dataclass(frozen=True, slots=True)
class _Question:
    """What a query says: of whom and which epoch, whether what comes is of the past; from which sequence on the gateway
    wants to know what is here, and the digest of its channel table."""

    gateway: str
    epoch: int
    is_late: bool
    first: int | None
    table: bytes | None


def _read_query(arrived: Arrived) -> _Question:
    """Read `e=<epoch>` and perhaps `g=<gateway>`, `b=1`, `f=<sequence>`, `t=<digest>`. Raises FormatError."""
    values = _values(arrived.request.query)
    gateway = _gateway_of(arrived, values)
    epoch = _decimal(values.get("e", ""), _MAX_EPOCH, "query e must be the journal's epoch, 32 bits")
    first = None
    if "f" in values:
        first = _decimal(values["f"], _MAX_SEQUENCE, "query f must be a sequence")
    try:
        table = bytes.fromhex(values["t"]) if values.get("t") else None
    except ValueError:
        raise FormatError("query t must be a digest in hexadecimal") from None
    return _Question(gateway, epoch, values.get("b") == "1", first, table)


def _values(query: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in query:
        key, _, value = part.partition("=")
        if key in values:
            raise FormatError(f"query {key} comes twice")
        values[key] = value
    return values


def _gateway_of(arrived: Arrived, values: dict[str, str]) -> str:
    """Whom the key names, or in the clear the query."""
    if arrived.gateway:
        return arrived.gateway
    gateway = values.get("g", "")
    if not senml.is_name(gateway) or "/" in gateway or ":" in gateway:
        raise FormatError("query g must name the gateway")
    return gateway


def _decimal(text: str, most: int, problem: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) <= most):
        raise FormatError(problem)
    return int(text)

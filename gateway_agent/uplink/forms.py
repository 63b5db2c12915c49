"""The bytes of a message: a compact batch where the platform takes them and they are shorter, else SenML-CBOR."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from gateway_agent.compact import ChannelTable, State, encode_batch
from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY
from gateway_agent.uplink import coap_message as kinds
from gateway_agent.uplink.batches import Batch, Load, build_batch
from gateway_agent.uplink.chain import Chain
from gateway_agent.uplink.coap_message import COMPACT, SENML_CBOR, Request
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.objects import ObjectName

log = logging.getLogger("gatepost.uplink")

SENML_PATH = ("senml",)
AUTO, SENML_ONLY, SELF_CONTAINED = "auto", "senml", "compact-self"
"""How messages are written: chained compact batches where the platform takes them, SenML always, or compact batches
that refer to nothing before them."""

_KINDS = {ALARM: kinds.ALARM, EVENT: kinds.EVENT, RESULT: kinds.RESULT}
_SENML_LEAST = 8
"""Bytes that no reading takes less of in SenML: below, the two forms need not be compared."""


@dataclass(frozen=True, slots=True)
class Message:
    """A batch with what it takes to send it. `state` is what the platform has after a compact batch, `reference` what
    that batch builds on (None: nothing). `first_asked` is the lowest sequence that its answer tells of."""

    batch: Batch
    request: Request
    first_asked: int
    state: State | None = None
    reference: State | None = None

    @property
    def is_compact(self) -> bool:
        """Whether it is a compact batch."""
        return self.state is not None


class Forms:
    """Makes messages of loads. `takes_compact` and `has_table` are what is known of the platform; `who` is the query
    that names the gateway, empty where its key does."""

    def __init__(
        self,
        gateway: str,
        units: Mapping[str, str],
        names: Mapping[str, ObjectName],
        table: ChannelTable,
        form: str,
        *,
        clear: bool,
    ) -> None:
        """`names` are the OMA names of points in SenML. `form` is AUTO, SENML_ONLY or SELF_CONTAINED; `clear`: no key
        tells the platform which gateway it is.
        """
        self.takes_compact = False
        self.has_table = False
        self._is_compact_refused = False
        self.table = table
        self._gateway = gateway
        self._units = units
        self._names = names
        self._form = form
        self.who = (f"g={gateway}",) if clear else ()
        # What is late has a chain of its own: its old times and values would tell nothing of those that follow.
        self._chains = (Chain(), Chain())

    @property
    def wants_compact(self) -> bool:
        """Whether compact batches could be sent, once the platform knows the channels."""
        return self.takes_compact and self._form != SENML_ONLY and bool(self.table.channels)

    @property
    def is_compact(self) -> bool:
        """Whether compact batches are sent now."""
        return self.wants_compact and self.has_table

    def offered(self, formats: tuple[int, ...]) -> None:
        """What the platform says that it takes; what it has refused all the same is not believed again."""
        self.takes_compact = COMPACT in formats and not self._is_compact_refused

    def compact_refused(self) -> None:
        """The platform does not take compact batches (4.15): it gets SenML until the next start."""
        self.takes_compact = False
        self._is_compact_refused = True

    def make(self, load: Load, asks: tuple[int, int] | None, payload_bytes: int, *, is_lossy: bool) -> Message:
        """As many of the first records as fit one message; the same call gives the same bytes while nothing was heard.

        `asks` is the first sequence that the answer shall tell of, and the gateway's clock (unix milliseconds); None
        when no answer is waited for. `payload_bytes` is what one datagram takes.
        """
        if not self.is_compact:
            return self._senml(load, payload_bytes)
        epoch = load.records[0].epoch
        records = [record for record in load.records if record.epoch == epoch]
        reference = self._chain(load.is_late).reference(epoch, is_lossy=is_lossy)
        try:
            encoded = encode_batch(
                records,
                self.table,
                state=reference if self._form == AUTO else None,
                epoch=epoch,
                first_waiting=None if asks is None else asks[0],
                sent_ms=None if asks is None else asks[1],
                is_late=load.is_late,
                limit_bytes=payload_bytes,
            )
        except FormatError as error:
            # A text or number beyond the bounds of a batch; SenML has wider ones.
            log.warning("journal records from %d on go as SenML: %s", records[0].sequence, error)
            return self._senml(load, payload_bytes)
        taken = records[: encoded.count]
        readings = sum(record.readings for record in taken)
        if len(encoded.payload) > _SENML_LEAST * readings:
            senml = self._senml(load, payload_bytes)
            if len(senml.batch.payload) / len(senml.batch.sequences) < len(encoded.payload) / len(taken):
                return senml
        batch = Batch(
            load.record_class,
            tuple(record.sequence for record in taken),
            readings,
            encoded.payload,
            epoch,
            load.is_late,
        )
        request = Request("POST", (), self.who, encoded.payload, COMPACT, kind=_kind(load))
        return Message(batch, request, batch.sequences[0] if asks is None else asks[0], encoded.state, reference)

    def question(self, epoch: int, first: int) -> Request:
        """What does the platform have of an epoch: what of that from sequence `first` on, and our channel table?"""
        query = (*self.who, f"e={epoch}", f"f={first}")
        if self._form != SENML_ONLY:
            query += (f"t={self.table.digest.hex()}",)
        return Request("GET", SENML_PATH, query, kind=kinds.GREETING)

    def sent(self, message: Message) -> None:
        """The message has gone, and nobody waits for its answer."""
        if message.state is not None:
            self._chain(message.batch.is_late).sent(message.batch.epoch, message.state)

    def acknowledged(self, message: Message) -> None:
        """The platform has taken the message."""
        if message.state is not None:
            self._chain(message.batch.is_late).acknowledged(message.batch.epoch, message.state)

    def lacks(self, message: Message) -> None:
        """The platform does not have what the message referred to."""
        self._chain(message.batch.is_late).lacks(message.reference)

    def in_doubt(self) -> None:
        """Nobody knows whether what was sent last has arrived."""
        for chain in self._chains:
            chain.in_doubt()

    def _chain(self, is_late: bool) -> Chain:
        return self._chains[is_late]

    def _senml(self, load: Load, payload_bytes: int) -> Message:
        batch = build_batch(load.records, self._gateway, self._units, payload_bytes, load.is_late, self._names)
        late = ("b=1",) if load.is_late else ()
        query = (*self.who, f"e={batch.epoch}", *late)
        request = Request("POST", SENML_PATH, query, batch.payload, SENML_CBOR, kind=_kind(load))
        return Message(batch, request, batch.sequences[0])


def _kind(load: Load) -> str:
    """Under which kind of message it is counted."""
    if load.is_late and load.record_class == TELEMETRY:
        return kinds.BACKFILL
    return _KINDS.get(load.record_class, kinds.TELEMETRY)

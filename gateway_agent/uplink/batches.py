"""What goes next, and as which bytes: one message per alarm, else as many records as one datagram takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, Journal, Record
from gateway_agent.uplink.messages import MessageWriter
from gateway_agent.uplink.senml_cbor import array_head, encode_record

PAYLOAD_BYTES = 1024
"""Default bound of one message: below what any link of the wired and Cat 1 kind cuts (RFC 7252, 4.6)."""

_RECORDS_ASKED = 64


@dataclass(frozen=True, slots=True)
class Batch:
    """One message: its bytes, and the journal sequences that it carries. Sent again it is the same bytes."""

    record_class: int
    sequences: tuple[int, ...]
    readings: int
    payload: bytes


class Batcher:
    """Takes records from the journal in the order alarms (alone), results and events, telemetry.

    `units` gives the SenML unit of each point. `one_by_one` makes every message hold a single record, so that the one
    which the platform refuses can be told from the others; sequences in `held` are passed over.
    """

    def __init__(self, journal: Journal, gateway: str, units: Mapping[str, str], payload_bytes: int) -> None:
        self.one_by_one = False
        self.held: set[int] = set()
        self._journal = journal
        self._gateway = gateway
        self._units = units
        self._payload_bytes = payload_bytes

    async def next_batch(self, up_to_telemetry: bool) -> Batch | None:
        """The next message, None when nothing waits; telemetry only when `up_to_telemetry`.

        Raises JournalUnavailable.
        """
        for record_class in (ALARM, RESULT, EVENT, TELEMETRY) if up_to_telemetry else (ALARM, RESULT, EVENT):
            if self._journal.waiting(record_class):
                limit = 1 if record_class == ALARM or self.one_by_one else _RECORDS_ASKED
                records = await self._journal.read(record_class, limit + len(self.held))
                usable = [record for record in records if record.sequence not in self.held][:limit]
                if usable:
                    return build_batch(usable, self._gateway, self._units, self._payload_bytes)
        return None


def build_batch(
    records: Sequence[Record], gateway: str, units: Mapping[str, str], payload_bytes: int = PAYLOAD_BYTES
) -> Batch:
    """One message of the first of `records`, and of as many after it as fit `payload_bytes`.

    All are of one class. The first always goes, even where it alone is longer: a record is never cut.
    """
    writer = MessageWriter(gateway, units)
    encoded: list[bytes] = []
    sequences: list[int] = []
    size = readings = 0
    for record in records:
        parts = [encode_record(fields) for fields in writer.fields(record)]
        grown = size + sum(map(len, parts))
        if encoded and len(array_head(len(encoded) + len(parts))) + grown > payload_bytes:
            break
        encoded += parts
        sequences.append(record.sequence)
        size = grown
        readings += record.readings
    payload = array_head(len(encoded)) + b"".join(encoded)
    return Batch(records[0].record_class, tuple(sequences), readings, payload)

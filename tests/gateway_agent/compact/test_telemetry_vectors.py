"""The vectors of compact batches, the page that explains them, both readers and the writer agree."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from gateway_agent.compact import ChannelTable, State, decode_batch, encode_batch
from gateway_agent.compact.limits import MAX_STEPS
from gateway_agent.uplink.errors import FormatError
from tests.gateway_agent.compact import second_decoder
from tests.gateway_agent.compact.random_batches import plain

PROTOCOLS = Path(__file__).parents[3] / "protocols"
VECTORS = json.loads((PROTOCOLS / "vectors" / "telemetry.json").read_text(encoding="utf-8"))
TABLES = {bytes.fromhex(one["digest"]): bytes.fromhex(one["hex"]) for one in VECTORS["tables"]}


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_tables_are_written_and_named_as_the_vectors_say() -> None:
    for told in VECTORS["tables"]:
        content = bytes.fromhex(told["hex"])
        table = ChannelTable.decode(content)
        assert table.encode() == content
        assert cbor2.loads(content) == [1, told["channels"]]
        assert table.digest == hashlib.sha256(content).digest()[:4] == bytes.fromhex(told["digest"])


@pytest.mark.parametrize("chain", VECTORS["chains"], ids=lambda chain: chain["name"])
def test_a_chain_of_batches_is_read_and_written_as_the_vectors_say(chain: dict[str, Any]) -> None:
    table = ChannelTable.decode(TABLES[bytes.fromhex(chain["table"])])
    state: State | None = None
    second = {table.digest: second_decoder.Table(cbor2.loads(table.encode())[1])}
    states: dict[bytes, second_decoder.Memory] = {}
    for told in chain["batches"]:
        payload = bytes.fromhex(told["hex"])
        before = state
        kept = {} if before is None else {before.id: before}
        batch = decode_batch(payload, {table.digest: table}.get, kept.get)
        assert as_json([plain(record, batch.qualities) for record in batch.records]) == told["records"]
        assert (batch.is_late, batch.first_waiting, batch.sent_ms) == (
            told["is_late"],
            told["asks_from"],
            told["sent_ms"],
        )
        assert batch.epoch == VECTORS["epoch"]
        assert batch.state.id == bytes.fromhex(told["state"])

        again = second_decoder.read(payload, second, states)
        states[again["state"].id] = again["state"]
        assert as_json(again["records"]) == told["records"]
        assert again["state"].id == batch.state.id

        written = encode_batch(
            batch.records,
            table,
            state=before,
            epoch=batch.epoch,
            first_waiting=batch.first_waiting,
            sent_ms=batch.sent_ms,
            is_late=batch.is_late,
            qualities=batch.qualities,
        )
        assert written.payload == payload
        state = batch.state


@pytest.mark.parametrize("told", VECTORS["refused"], ids=lambda told: told["about"])
def test_what_is_wrong_is_refused_by_both_readers(told: dict[str, str]) -> None:
    payload = bytes.fromhex(told["hex"])
    tables = {digest: ChannelTable.decode(content) for digest, content in TABLES.items()}
    second = {digest: second_decoder.Table(cbor2.loads(content)[1]) for digest, content in TABLES.items()}
    with pytest.raises(FormatError):
        decode_batch(payload, tables.get, lambda _: None)
    with pytest.raises(second_decoder.Refused):
        second_decoder.read(payload, second, {})


def test_the_page_quotes_the_first_chain_and_the_limit() -> None:
    page = (PROTOCOLS / "spec" / "telemetry.md").read_text(encoding="utf-8")
    for told in VECTORS["chains"][0]["batches"]:
        assert f"`{told['hex']}`" in page
    assert f"{MAX_STEPS} **steps**" in page

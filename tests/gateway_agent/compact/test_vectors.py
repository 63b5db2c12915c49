"""The golden vectors: the page quotes them, the decoder reads them, and the encoder writes the same bytes."""

import json
from pathlib import Path

import pytest

from gateway_agent.compact import Channel, ChannelTable, State, decode_batch, encode_batch
from gateway_agent.compact.plain import plain_batch
from gateway_agent.compact.table import KINDS

ROOT = Path(__file__).parents[3]
VECTORS = json.loads((ROOT / "protocols" / "vectors" / "telemetry.json").read_text())
PAGE = " ".join((ROOT / "protocols" / "spec" / "telemetry.md").read_text().split())
TABLE = ChannelTable.decode(bytes.fromhex(VECTORS["table"]["hex"]))


def states_until(number: int) -> list[State]:
    """The states after the first so many batches."""
    states: list[State] = []
    for batch in VECTORS["batches"][:number]:
        known = {state.id: state for state in states}
        states.append(decode_batch(bytes.fromhex(batch["hex"]), {TABLE.digest: TABLE}.get, known.get).state)
    return states


def spaced(text: str) -> str:
    return " ".join(text[at : at + 2] for at in range(0, len(text), 2))


def test_the_table_is_that_of_its_rows() -> None:
    rows = tuple(Channel(*row) for row in VECTORS["table"]["rows"])
    assert ChannelTable(rows) == TABLE
    assert TABLE.digest.hex() == VECTORS["table"]["digest"]
    assert {row.kind for row in rows} <= set(KINDS)
    assert spaced(VECTORS["table"]["hex"]) in PAGE


@pytest.mark.parametrize("number", range(len(VECTORS["batches"])))
def test_each_batch_says_what_stands_beside_it_and_is_written_so(number: int) -> None:
    batch = VECTORS["batches"][number]
    states = states_until(number)
    payload = bytes.fromhex(batch["hex"])
    decoded = decode_batch(payload, {TABLE.digest: TABLE}.get, {state.id: state for state in states}.get)
    said = {key: value for key, value in batch.items() if key not in ("name", "builds_on", "hex")}
    assert json.loads(json.dumps(plain_batch(decoded))) == said
    again = encode_batch(
        decoded.records,
        TABLE,
        state=None if batch["builds_on"] is None else states[batch["builds_on"] - 1],
        epoch=decoded.epoch,
        first_waiting=decoded.first_waiting,
        sent_ms=decoded.sent_ms,
        is_late=decoded.is_late,
        qualities=decoded.qualities,
    )
    assert again.payload == payload


@pytest.mark.parametrize("batch", VECTORS["batches"], ids=lambda batch: batch["name"])
def test_the_page_quotes_each_batch(batch: dict[str, str]) -> None:
    assert spaced(batch["hex"]) in PAGE
    assert batch["name"] in PAGE

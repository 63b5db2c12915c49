"""The datagrams that protocols/spec/transport.md shows, made and read by aiocoap's own OSCORE."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiocoap import Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code  # type: ignore[import-untyped]
from aiocoap.numbers.optionnumbers import OptionNumber  # type: ignore[import-untyped]
from aiocoap.numbers.types import Type  # type: ignore[import-untyped]

from gateway_agent.uplink.air_count import HEADER_BYTES
from gateway_agent.uplink.datagram import OSCORE, read_datagram, read_kid
from gateway_agent.uplink.oscore_context import OscoreKeys
from tests.gateway_agent.uplink.oscore_peer import Platform as MemoryContext

ROOT = Path(__file__).parents[3]
VECTORS = json.loads((ROOT / "protocols/vectors/transport.json").read_text())
SPEC = (ROOT / "protocols/spec/transport.md").read_text()
MESSAGES = VECTORS["messages"]


def context(side: str, sender_number: int = 0) -> Any:
    keys = VECTORS["keys"]
    ids = [bytes.fromhex(keys["gateway_id"]), bytes.fromhex(keys["platform_id"])]
    sender, recipient = ids if side == "gateway" else reversed(ids)
    secret, salt = bytes.fromhex(keys["master_secret"]), bytes.fromhex(keys["master_salt"])
    return MemoryContext(OscoreKeys(secret, sender, recipient, master_salt=salt), (sender_number, 0, 0))


def other(side: str) -> str:
    return "platform" if side == "gateway" else "gateway"


def request_of(vector: dict[str, Any]) -> dict[str, Any]:
    return next(found for found in MESSAGES if found["name"] == vector["answers"])


def made(vector: dict[str, Any]) -> bytes:
    plain = Message(code=Code(vector["code"]), payload=bytes.fromhex(vector["payload"]))
    for number, value in vector["options"]:
        plain.opt.add_option(OptionNumber(number).create_option(decode=bytes.fromhex(value)))
    number = vector["sender_number"]
    sender = context(vector["from"], number or 0)
    identifiers = None
    if vector["answers"] is not None:
        asked = Message.decode(bytes.fromhex(request_of(vector)["hex"]))
        identifiers = context(vector["from"]).unprotect(asked)[1]
        identifiers.can_reuse_nonce = number is None
    outer, _ = sender.protect(plain, identifiers)
    if vector["outer_observe"] is not None:
        outer.opt.observe = vector["outer_observe"]
    outer.mtype, outer.mid, outer.token = Type[vector["type"]], vector["message_id"], bytes.fromhex(vector["token"])
    data: bytes = outer.encode()
    return data


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda vector: vector["name"])
def test_a_message_is_made_as_the_page_shows_it(vector: dict[str, Any]) -> None:
    assert made(vector).hex(" ") == vector["hex"]


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda vector: vector["name"])
def test_a_message_is_read_as_the_page_shows_it(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    receiver = context(other(vector["from"]))
    identifiers = None
    if vector["answers"] is None:
        head = read_datagram(data, 24)
        assert read_kid(head.oscore or b"") == (bytes.fromhex(VECTORS["keys"]["gateway_id"]), None)
    else:
        asked = request_of(vector)
        sender = context(asked["from"], asked["sender_number"])
        plain = Message(code=Code(asked["code"]))
        plain.opt.observe = 0 if 6 in dict(asked["options"]) else None
        identifiers = sender.protect(plain)[1]
    plain, _ = receiver.unprotect(Message.decode(data), identifiers)
    options = [
        (int(option.number), option.encode().hex(" ")) for option in plain.opt.option_list() if option.number != 6
    ]
    assert (int(plain.code), bytes(plain.payload).hex(" ")) == (vector["code"], vector["payload"])
    assert options == [tuple(option) for option in vector["options"] if option[0] != 6]


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda vector: vector["name"])
def test_the_page_shows_each_message_with_its_size(vector: dict[str, Any]) -> None:
    shown = "".join(line.strip().split("  ")[0] for line in _block(vector["name"]) if line.startswith("    "))
    assert bytes.fromhex(shown).hex(" ") == vector["hex"]
    size = len(bytes.fromhex(vector["hex"]))
    assert f"{size} bytes, {size + HEADER_BYTES} on the air" in " ".join(_block(vector["name"]))


def _block(name: str) -> list[str]:
    """The lines of the page from the one that names a message to the next."""
    after = SPEC.split(f"**{name}.**")[1]
    return after.split("\n**")[0].split("\n#")[0].splitlines()


def test_the_option_of_oscore_stands_in_every_message() -> None:
    for vector in MESSAGES:
        assert OSCORE in [number for number, _ in read_datagram(bytes.fromhex(vector["hex"]), 24).options]

"""docs/platform.md is played: the stand-in answers each datagram of its two conversations as the page says."""

import asyncio
import json
import re
from pathlib import Path
from typing import NamedTuple

import cbor2
import pytest
from aiocoap import Message  # type: ignore[import-untyped]
from aiocoap.numbers.types import Type  # type: ignore[import-untyped]

from gateway_agent.records import Command
from gateway_agent.uplink.coap_message import Arrived
from gateway_agent.uplink.coap_options import from_reply, to_request
from hardware.rig.platform_desk import Desk
from hardware.rig.platform_store import PlatformStore

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/platform.md").read_text()
GATEWAY = "gp-demo-1"
CLOCK = 2
"""Key of the platform's clock in an answer."""
DIM = Command("dim-7", "lamp", "street_lamp", {"level_pct": 40, "fade_s": 2}, 1_781_741_400_000)
AGREEING_MS = 1_795_867_350_000
"""The clock that the third compact batch tells."""


class Step(NamedTuple):
    """A request, and the datagram that answers it; empty for none."""

    title: str
    request: bytes
    answer: bytes


class PageClock:
    """Tells what the page says that the platform's clock was."""

    is_trusted = True

    def __init__(self) -> None:
        self.ms = AGREEING_MS

    def unix_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms

    def boot_id(self) -> str:
        return "page"


def steps(heading: str) -> list[Step]:
    """The exchanges below a heading of the page."""
    part = PAGE.split(f"\n### {heading}\n")[1].split("\n### ")[0]
    found = []
    for title, block in re.findall(r"^\*\*(.+?)\.\*\*[\s\S]*?\n\n((?:    .*\n?)+)", part, re.MULTILINE):
        sides = {mark: "".join(re.findall(rf"^    {mark} (.*)$", block, re.MULTILINE)) for mark in "><"}
        answer = "" if sides["<"] == "nothing" else sides["<"]
        found.append(Step(title, bytes.fromhex(sides[">"]), bytes.fromhex(answer)))
    return found


def clock_in(answer: bytes) -> int | None:
    """The platform's clock that an answer tells."""
    payload = bytes(Message.decode(answer).payload) if answer else b""
    fields = cbor2.loads(payload) if payload[:1] and payload[0] >> 5 == 5 else {}
    return fields.get(CLOCK)


def answered(desk: Desk, clock: PageClock, step: Step) -> bytes:
    """What the stand-in puts on the air for a request; empty for nothing (No-Response 2)."""
    clock.ms = clock_in(step.answer) or AGREEING_MS
    message = Message.decode(step.request)
    is_confirmable = message.mtype is Type.CON
    reply = asyncio.run(desk.handle(Arrived(to_request(message), "", is_confirmable)))
    if message.opt.no_response == 2 and reply.is_success:
        return b""
    plain = from_reply(reply)
    plain.token = message.token
    if is_confirmable:
        plain.mtype, plain.mid = Type.ACK, message.mid
    else:
        plain.mtype, plain.mid = Type.NON, Message.decode(step.answer).mid
    return bytes(plain.encode())


def check(desk: Desk, clock: PageClock, step: Step) -> None:
    assert answered(desk, clock, step).hex(" ") == step.answer.hex(" "), step.title


def new_desk(folder: Path, clock: PageClock, name: str) -> tuple[Desk, PlatformStore]:
    store = PlatformStore(folder / name)
    return Desk(store, clock), store


def test_the_conversation_in_senml_goes_as_the_page_says(tmp_path: Path) -> None:
    clock = PageClock()
    desk, store = new_desk(tmp_path, clock, "senml.sqlite")
    played = steps("SenML")
    assert len(played) == 7
    for step in played:
        if "command waits" in step.title:
            store.add_command(GATEWAY, DIM, 0)
        check(desk, clock, step)
    assert [store.count(table) for table in ("alarms", "readings", "commands")] == [1, 5, 1]
    assert store.commands()[0]["state"] == "confirmed"


def test_the_conversation_in_compact_batches_goes_as_the_page_says(tmp_path: Path) -> None:
    clock = PageClock()
    desk, store = new_desk(tmp_path, clock, "compact.sqlite")
    played = steps("Compact batches")
    assert len(played) == 8
    for step in played:
        if step.title.startswith("A platform that lost"):
            assert store.count("readings") == 19
            desk, store = new_desk(tmp_path, clock, "lost.sqlite")
        check(desk, clock, step)
    assert store.count("readings") == 0


@pytest.mark.parametrize("heading", ["SenML", "Compact batches"])
def test_what_the_page_tells_of_an_answer_is_what_its_bytes_say(heading: str) -> None:
    part = PAGE.split(f"\n### {heading}\n")[1].split("\n### ")[0]
    told = re.findall(r"^    ([245]\.\d\d(?:, [^<>]*?)?)\n(?:\n|$)", part, re.MULTILINE)
    answers = [step.answer for step in steps(heading) if step.answer]
    assert len(told) == len(answers)
    for words, answer in zip(told, answers, strict=True):
        message = Message.decode(answer)
        code, _, content = " ".join(words.split()).partition(", ")
        assert code == f"{message.code >> 5}.{message.code & 31:02d}"
        payload = bytes(message.payload)
        if message.opt.content_format is None:
            assert (json.loads(content) if content else "") == payload.decode()
        else:
            assert content == diagnostic(cbor2.loads(payload))


def diagnostic(value: object) -> str:
    """CBOR's diagnostic notation (RFC 8949, 8) of what answers are made of."""
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if isinstance(value, list):
        return f"[{', '.join(map(diagnostic, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{diagnostic(key)}: {diagnostic(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)

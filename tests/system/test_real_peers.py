"""Programs of others, where they are installed: libcoap's client at the platform, tshark on the packets of a run."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import aiocoap
import apsw
import cbor2
import pytest

from gateway_agent.clock import SystemClock
from gateway_agent.uplink.answer import decode_answer
from hardware.rig.platform import Platform
from hardware.rig.relay import RadioFaults
from tests.bench._wire_pole import START_MS, synthetic_day
from tests.faults._inline import run_inline
from tests.faults._uplink_world import UplinkWorld
from tests.system.captured import write_capture

_CLIENTS = ("coap-client", "coap-client-notls", "coap-client-openssl", "coap-client-gnutls")
VECTORS = Path(__file__).parents[2] / "protocols/vectors/uplink.json"
COAP_CLIENT = next((client for client in _CLIENTS if shutil.which(client)), None)
TSHARK = shutil.which("tshark")
PACK = [
    {-2: "gp-peer/", -3: 1781740800, 0: "air/pm2_5", 1: "ug/m3", 2: 35, "q": 1},
    {0: "air/temperature", 1: "Cel", 2: cbor2.CBORTag(4, [-1, -47])},
]

OMA_PACK = [
    {-2: "3418/0/", -3: 1781740800, 0: "1", 2: cbor2.CBORTag(4, [-1, 2304]), "q": 1},
    {-2: "3408/0/3", 4: True},
]
"""What a gateway sends of the same kind by OMA names."""

needs_client = pytest.mark.skipif(COAP_CLIENT is None, reason="coap-client is not installed (Debian: libcoap3-bin)")
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")


async def client(*words: str) -> bytes:
    """What libcoap's client prints."""
    process = await asyncio.create_subprocess_exec(
        str(COAP_CLIENT), "-B", "10", *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 30)
    return printed.removesuffix(b"\n")


@needs_client
def test_libcoaps_client_posts_plain_senml_and_reads_what_is_there(tmp_path: Path) -> None:
    pack = tmp_path / "pack.cbor"
    pack.write_bytes(cbor2.dumps(PACK))

    async def main() -> None:
        platform = await Platform.start(tmp_path / "platform.sqlite", SystemClock())
        try:
            url = f"{platform.url}/senml?g=gp-peer&e=7"
            posted = decode_answer(await client("-m", "post", "-t", "112", "-f", str(pack), url))
            assert posted.acknowledged is None  # all of it
            assert platform.count("readings") == 2
            asked = decode_answer(await client("-m", "get", url))
            assert asked.highest == 1
            again = decode_answer(await client("-m", "post", "-t", "112", "-f", str(pack), url))
            assert again.acknowledged is None
            assert platform.count("readings") == 2
        finally:
            await platform.stop()

    asyncio.run(main())


@needs_client
def test_libcoaps_client_talks_to_the_command_in_its_laboratory_mode(tmp_path: Path) -> None:
    pack, database = tmp_path / "pack.cbor", tmp_path / "city.sqlite"
    pack.write_bytes(cbor2.dumps(OMA_PACK))
    words = (sys.executable, "-m", "gateway_agent", "platform", "--clear", "--port", "0", "--database", database)
    with subprocess.Popen((*words, "--json"), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = f"{json.loads(process.stdout.readline())['url']}/senml?g=gp-peer&e=7"
            posted = decode_answer(asyncio.run(client("-m", "post", "-t", "112", "-f", str(pack), url)))
            told = json.loads(process.stdout.readline())
            asked = decode_answer(asyncio.run(client("-m", "get", url)))
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert (posted.acknowledged, asked.highest) == (None, 1)
    assert (told["gateway"], told["records"], told["readings"]) == ("gp-peer", [1], 2)
    connection = apsw.Connection(str(database))
    assert connection.execute("SELECT point, value, exponent FROM readings ORDER BY point").fetchall() == [
        ("3408/0/3", 1, 0),
        ("3418/0/1", 2304, -1),
    ]
    connection.close()


@needs_client
def test_libcoaps_client_is_told_what_is_wrong_with_a_pack_or_a_path(tmp_path: Path) -> None:
    pack = tmp_path / "pack.cbor"
    pack.write_bytes(cbor2.dumps(PACK)[:-3])

    async def main() -> None:
        platform = await Platform.start(tmp_path / "platform.sqlite", SystemClock())
        try:
            post = ("-m", "post", "-f", str(pack))
            assert (await client(*post, "-t", "112", f"{platform.url}/senml?g=gp-peer&e=7")).startswith(b"4.00 ")
            assert (await client(*post, "-t", "50", f"{platform.url}/senml?g=gp-peer&e=7")).startswith(b"4.15")
            assert (await client("-m", "get", f"{platform.url}/nothing")).startswith(b"4.04")
            assert platform.count("readings") == 0
        finally:
            await platform.stop()

    asyncio.run(main())


@needs_tshark
def test_tshark_reads_senml_in_the_clear_as_cbor(tmp_path: Path) -> None:
    """Every vector of the specification, each as a request and its answer."""
    vectors = json.loads(VECTORS.read_text())
    datagrams: list[tuple[bool, bytes]] = []
    for number, case in enumerate(vectors["messages"]):
        request = aiocoap.Message(
            code=aiocoap.POST,
            uri_path=("senml",),
            uri_query=("g=gp-demo-1", "e=7"),
            content_format=112,
            payload=bytes.fromhex(case["hex"]),
        )
        answered = vectors["answers"][number % len(vectors["answers"])]
        answer = aiocoap.Message(code=aiocoap.CHANGED, content_format=60, payload=bytes.fromhex(answered["hex"]))
        for message, kind in ((request, aiocoap.CON), (answer, aiocoap.ACK)):
            message.mid, message.mtype, message.token = number, kind, bytes((number,))
            datagrams.append((message is request, message.encode()))
    capture = tmp_path / "clear.pcap"
    write_capture(capture, datagrams)
    assert _frames(capture, "coap") == len(datagrams)
    assert _frames(capture, '_ws.malformed or _ws.expert.severity == "Error"') == 0
    assert _frames(capture, 'coap.opt.ctype contains "senml+cbor" and cbor') == len(vectors["messages"])


@needs_tshark
@pytest.mark.parametrize("form", ["auto", "senml"])
def test_tshark_finds_no_malformed_packet_and_oscore_in_all_that_is_not_empty(tmp_path: Path, form: str) -> None:
    day = synthetic_day(101)
    polls = [poll for poll in day.polls if poll.time_ms < START_MS + 30 * 60_000]
    datagrams: list[tuple[bool, bytes]] = []

    async def main(clock: object) -> None:
        settings = {"batch_s": 60.0, "form": form}
        async with UplinkWorld(tmp_path, clock, day, settings, RadioFaults(0.05, 0.05, 0.1, 3.0)) as world:  # type: ignore[arg-type]
            up, down = world.relay.up, world.relay.down_link
            for count, is_from_agent in ((up, True), (down, False)):
                count.add = _noting(count.add, datagrams, is_from_agent)  # type: ignore[method-assign]
            await world.feed(polls)
            assert await world.drained()

    run_inline(main, start_unix_ms=START_MS)
    capture = tmp_path / "run.pcap"
    write_capture(capture, datagrams)
    assert len(datagrams) > 30
    assert _frames(capture, "coap") == len(datagrams)
    assert _frames(capture, '_ws.malformed or _ws.expert.severity == "Error"') == 0
    is_bare = sum(data[1] == 0 for _, data in datagrams)
    assert _frames(capture, 'coap.opt.name contains "OSCORE"') == len(datagrams) - is_bare


def _noting(add, datagrams, is_from_agent):  # type: ignore[no-untyped-def]
    def note(data: bytes) -> None:
        datagrams.append((is_from_agent, data))
        add(data)

    return note


def _frames(capture: Path, which: str) -> int:
    """How many packets of the capture tshark finds to be such."""
    words = (str(TSHARK), "-r", str(capture), "-Y", which, "-T", "fields", "-e", "frame.number")
    return len(subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.split())

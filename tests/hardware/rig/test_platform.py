"""The platform stand-in, asked by aiocoap's own client: what it stores, answers, refuses and repeats."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import cbor2
import pytest
from aiocoap import POST, PUT, Context, Message
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, Record
from gateway_agent.records import Command, CommandResult, Event, Reading
from gateway_agent.uplink.answer import decode_answer
from gateway_agent.uplink.batches import build_batch
from gateway_agent.uplink.errors import FormatError
from hardware.rig.clock import DEMO_START_UNIX_MS, RigClock, run_virtual
from hardware.rig.platform import Arrival, Platform, PlatformError
from hardware.rig.platform_messages import SentAlarm, SentReading, read_message
from hardware.rig.platform_store import PlatformStore

T = DEMO_START_UNIX_MS
POLL = Record(
    42,
    TELEMETRY,
    (
        Reading("air/pm2_5", T + 130, 35, 0),
        Reading("air/temperature", T + 130, -47, -1),
        Reading("air/pm2_5", T - 10_000, 352, -1, "mean"),
    ),
)
COVER = Record(41, ALARM, Event("manhole/cover", "alarm", "opened", T, True, 7, "manhole_node", (3, 17)))
UNITS = {"air/pm2_5": "ug/m3", "air/temperature": "Cel"}


def message(*records: Record) -> bytes:
    return build_batch(records, "gp-1", UNITS).payload


class Client:
    """Talks to a platform with aiocoap, one question at a time."""

    def __init__(self, platform: Platform, context: Any) -> None:
        self.platform = platform
        self.context = context

    async def post(self, payload: bytes, query: str = "g=gp-1&e=7", content_format: int = 112, **more: Any) -> Any:
        uri = f"{self.platform.url}/senml?{query}"
        request = Message(code=more.pop("code", POST), payload=payload, uri=uri, content_format=content_format)
        for name, value in more.items():
            setattr(request.opt, name, value)
        return await self.context.request(request, handle_blockwise=False).response


@asynccontextmanager
async def client_of(platform: Platform) -> AsyncIterator[Client]:
    context = await Context.create_client_context(transports=["simple6"])
    try:
        yield Client(platform, context)
    finally:
        await context.shutdown()


def with_client(tmp_path: Path, scenario: Any) -> None:
    async def main(clock: RigClock) -> None:
        platform = await Platform.start(tmp_path / "platform.sqlite", clock)
        async with client_of(platform) as client:
            await scenario(platform, client, clock)
        await platform.stop()

    run_virtual(main)


def rows(tmp_path: Path, query: str) -> list[Any]:
    connection = apsw.Connection(str(tmp_path / "platform.sqlite"))
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_a_message_is_stored_and_acknowledged_with_the_clock(tmp_path: Path) -> None:
    async def scenario(platform: Platform, client: Client, clock: RigClock) -> None:
        answer = await client.post(message(POLL))
        assert (str(answer.code), answer.opt.content_format) == ("2.04 Changed", 60)
        read = decode_answer(answer.payload)
        assert (read.acknowledged, read.commands) == (None, ())
        assert abs(read.platform_ms - clock.unix_ms()) < 1000

    with_client(tmp_path, scenario)
    columns = "gateway, point, time_ms, value, exponent, kind, unit, epoch, sequence"
    assert rows(tmp_path, f"SELECT {columns} FROM readings ORDER BY rowid") == [
        ("gp-1", "air/pm2_5", T + 130, 35, 0, "sample", "ug/m3", 7, 42),
        ("gp-1", "air/temperature", T + 130, -47, -1, "sample", "Cel", 7, 42),
        ("gp-1", "air/pm2_5", T - 10_000, 352, -1, "mean", "ug/m3", 7, 42),
    ]


def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    """The gateway lets go of it, so that a power cut at the platform must not take it."""
    store = PlatformStore(tmp_path / "platform.sqlite")
    # SQLite's FULL: each commit of a write-ahead log is synced; with NORMAL only what is moved out of the log is.
    assert store._connection.execute("PRAGMA synchronous").get == 2
    store.close()


def test_a_record_is_stored_once_per_gateway_and_epoch(tmp_path: Path) -> None:
    async def scenario(platform: Platform, client: Client, clock: RigClock) -> None:
        for query in ("g=gp-1&e=7", "g=gp-1&e=7", "e=8&g=gp-1"):
            answer = decode_answer((await client.post(message(COVER), query)).payload)
            assert answer.acknowledged is None
        assert (platform.count("alarms"), platform.counters.repeated_records) == (2, 1)

    with_client(tmp_path, scenario)
    assert rows(tmp_path, "SELECT point, state, code, source, number, time_ms, epoch FROM alarms") == [
        ("manhole/cover", 1, "opened", "manhole_node", 7, T, 7),
        ("manhole/cover", 1, "opened", "manhole_node", 7, T, 8),
    ]


def test_a_command_stays_in_the_mailbox_until_its_result(tmp_path: Path) -> None:
    dim = Command("dim-1", "lamp", "street_lamp", {"fade_s": 2, "level_pct": 40}, T + 60_000)
    result = Record(50, RESULT, CommandResult("dim-1", "confirmed", "", T + 900, 40))

    async def scenario(platform: Platform, client: Client, clock: RigClock) -> None:
        platform.send(dim)
        platform.send(Command("dim-2", "lamp", "street_lamp", {"level_pct": 1}), gateway="gp-2")
        platform.send(Command("dim-3", "lamp", "street_lamp", {"level_pct": 1}, expires_ms=T - 1))
        for _ in range(2):
            assert decode_answer((await client.post(message(COVER))).payload).commands == (dim,)
        assert decode_answer((await client.post(message(result))).payload).commands == ()
        states = {command["id"]: (command["state"], command["level_pct"]) for command in platform.commands}
        assert states == {"dim-1": ("confirmed", 40), "dim-2": ("sent", None), "dim-3": ("sent", None)}

    with_client(tmp_path, scenario)


def test_a_full_mailbox_is_sent_in_parts_that_fit(tmp_path: Path) -> None:
    async def scenario(platform: Platform, client: Client, clock: RigClock) -> None:
        for number in range(20):
            arguments = {f"argument_number_{position}_with_a_name": 1 for position in range(6)}
            platform.send(Command(f"command-{number:02}", "lamp", "street_lamp", arguments))
        answer = await client.post(message(COVER))
        assert len(answer.payload) <= 1024
        commands = decode_answer(answer.payload).commands
        assert [command.id for command in commands] == [f"command-{number:02}" for number in range(len(commands))]
        assert 1 <= len(commands) <= 8

    with_client(tmp_path, scenario)


def test_listeners_and_waiters_hear_what_is_new(tmp_path: Path) -> None:
    async def scenario(platform: Platform, client: Client, clock: RigClock) -> None:
        arrivals: list[Arrival] = []
        platform.listeners.append(arrivals.append)
        for record in (COVER, COVER, POLL):
            await client.post(message(record))
        await platform.until(lambda: platform.count("readings") == 3)
        assert [len(arrival.alarms) for arrival in arrivals] == [1, 0, 0]
        assert [arrival.readings for arrival in arrivals] == [0, 0, 3]
        assert arrivals[0].alarms[0] == SentAlarm("manhole/cover", T, True, "opened", "manhole_node", 7)

    with_client(tmp_path, scenario)


@pytest.mark.parametrize(
    ("payload", "query"),
    [
        (b"", "g=gp-1&e=7"),
        (b"\xff" * 40, "g=gp-1&e=7"),
        (message(POLL)[:-1], "g=gp-1&e=7"),
        (message(POLL) + b"\x00", "g=gp-1&e=7"),
        (cbor2.dumps([{0: "gp-1/a", 2: 1}]), "g=gp-1&e=7"),
        (cbor2.dumps([{0: "gp-1/a", 2: 1, "q": 0}]), "g=gp-1&e=7"),
        (cbor2.dumps([{0: "gp-2/a", 2: 1, "q": 1}]), "g=gp-1&e=7"),
        (cbor2.dumps([{0: "gp-1/a:median", 2: 1, "q": 1}]), "g=gp-1&e=7"),
        (cbor2.dumps([{0: "gp-1/a:alarm", 2: 1, "q": 1}]), "g=gp-1&e=7"),
        (cbor2.dumps([{0: "gp-1/a:result", 3: "confirmed", "q": 1}]), "g=gp-1&e=7"),
        (cbor2.dumps([{0: "gp-1/a", 2: 1, "q": 1}, {0: "gp-1/a", 3: "x"}]), "g=gp-1&e=7"),
        (message(POLL), "e=7"),
        (message(POLL), "g=gp-1"),
        (message(POLL), "g=gp-1&e=x"),
        (message(POLL), "g=gp-1&e=4294967296"),
        (message(POLL), "g=gp-1&e=7&e=8"),
        (message(POLL), "g=a/b&e=7"),
    ],
)
def test_what_is_not_understood_gets_4_00_with_a_reason_and_stores_nothing(
    tmp_path: Path, payload: bytes, query: str
) -> None:
    async def scenario(platform: Platform, client: Client, clock: RigClock) -> None:
        answer = await client.post(payload, query)
        assert str(answer.code) == "4.00 Bad Request"
        assert 0 < len(answer.payload) <= 80
        assert platform.count("readings") == platform.count("alarms") == platform.counters.records == 0
        assert platform.counters.refused == 1

    with_client(tmp_path, scenario)
    assert rows(tmp_path, "SELECT count(*) FROM stored") == [(0,)]


def test_other_formats_methods_and_sizes_are_refused(tmp_path: Path) -> None:
    async def scenario(platform: Platform, client: Client, clock: RigClock) -> None:
        answers = [
            await client.post(message(POLL), content_format=110),
            await client.post(b"", code=PUT),
            await client.post(b"\x00" * 1200),
            await client.post(message(POLL), block1=(0, True, 6)),
        ]
        assert [str(answer.code)[:4] for answer in answers] == ["4.15", "4.05", "4.13", "4.13"]
        assert platform.count("readings") == 0

    with_client(tmp_path, scenario)


def test_a_restarted_platform_knows_what_it_stored(tmp_path: Path) -> None:
    path = tmp_path / "platform.sqlite"

    async def main(clock: RigClock) -> None:
        port = 0
        for _ in range(2):
            platform = await Platform.start(path, clock, port=port)
            port = platform.port
            async with client_of(platform) as client:
                await client.post(message(POLL, Record(43, EVENT, Event("air", "event", "device-lost", T))))
            await platform.stop()
        platform = await Platform.start(path, clock, port=port)
        assert (platform.count("readings"), platform.count("events")) == (3, 1)
        await platform.stop()

    run_virtual(main)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        platform = await Platform.start(tmp_path / "one.sqlite", clock)
        with pytest.raises(PlatformError, match=f"port {platform.port} is in use: end the other program or use --port"):
            await Platform.start(tmp_path / "two.sqlite", clock, port=platform.port)
        await platform.stop()

    run_virtual(main)


def plain_text(path: Path) -> None:
    path.write_text("no database, and longer than the head of one would be. " * 40)


def other_table(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE readings (a)")
    connection.close()


def other_table_of_our_format(path: Path) -> None:
    other_table(path)
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 1")
    connection.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (plain_text, "the file is not a database: move it away, or name another with --database"),
        (other_table, "a database of something else: move it away, or name another with --database"),
        (other_table_of_our_format, "a database of something else: move it away, or name another with --database"),
        (Path.mkdir, "see that it is a file"),
    ],
)
def test_a_strange_file_is_refused_with_the_mend_and_left_as_it_was(tmp_path: Path, make: Any, words: str) -> None:
    path = tmp_path / "city.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else b""

    async def main(clock: RigClock) -> None:
        with pytest.raises(PlatformError, match=words):
            await Platform.start(path, clock)

    run_virtual(main)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_missing_folder_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        with pytest.raises(PlatformError, match=f"mkdir -p {tmp_path / 'absent'}"):
            await Platform.start(tmp_path / "absent" / "city.sqlite", clock)

    run_virtual(main)


def test_two_platforms_never_store_into_one_file(tmp_path: Path) -> None:
    path = tmp_path / "city.sqlite"

    async def main(clock: RigClock) -> None:
        first = await Platform.start(path, clock)
        with pytest.raises(PlatformError, match="another platform stores into this file"):
            await Platform.start(path, clock)
        await first.stop()
        with_other_port = await Platform.start(path, clock)
        await with_other_port.stop()

    run_virtual(main)


names = st.from_regex(r"\A[a-z][a-z0-9_]{0,7}/[a-z][a-z0-9_]{0,7}\Z")
readings = st.builds(
    Reading,
    names,
    st.integers(1 << 40, 1 << 41),
    st.integers(-(1 << 63) + 1, (1 << 63) - 1),
    st.integers(-18, 18),
    st.sampled_from(("sample", "mean", "min", "max")),
)


@given(st.lists(st.lists(readings, min_size=1, max_size=6), min_size=1, max_size=4))
def test_what_the_gateway_encodes_the_platform_reads_exactly(polls: list[list[Reading]]) -> None:
    records = [Record(number + 1, TELEMETRY, tuple(poll)) for number, poll in enumerate(polls)]
    batch = build_batch(records, "gp-1", {}, payload_bytes=1152)
    read = read_message(batch.payload, "gp-1", 0)
    assert [record.sequence for record in read] == list(batch.sequences)
    for record, poll in zip(read, polls, strict=False):
        assert record.items == tuple(
            SentReading(each.point, each.time_ms, each.value, each.exponent, each.kind, "") for each in poll
        )


@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 255))
def test_any_bytes_are_read_or_refused_with_a_reason(tail: bytes, at: int, byte: int) -> None:
    changed = bytearray(message(POLL) + tail)
    changed[at] = byte
    for payload in (tail, bytes(changed)):
        try:
            read_message(payload, "gp-1", 0)
        except FormatError:
            continue

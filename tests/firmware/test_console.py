"""The console of a node: the real firmware, asked over its USB port; every field against what the node was given."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway_agent.provision import digest
from hardware.bundle.firmware_files import source_version
from hardware.flash.console import AnswerReader, DeviceReport, NodeReport, read_report
from hardware.rig.accelerometer import Lis3dh
from hardware.rig.machine import Nvs
from protocols import factory_record, node_map, start_codes
from protocols.node_table_writer import NodeTableWriter
from tests.firmware.boot_files import write_boot
from tests.firmware.sensor_tables import pole_of, table_and_slots
from tests.firmware.workbench import NODE, Device, Workbench, identity, nvs_of, on_bench, table_of

TABLE = table_of((1, 2), (2, 1))
CODE = b"110108-0004711"
KEY, POLE_KEY = bytes(range(32)), bytes(range(100, 132))
WHOLE = identity(
    {
        factory_record.TERMINAL_CODE: CODE,
        factory_record.NODE_KEY: KEY,
        factory_record.BROADCAST_KEY: POLE_KEY,
    }
)
ANSWER_S = 3.0


class Desk:
    """A laptop at the node's port: it keeps all that comes, and finds the answers in it."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.heard = bytearray()
        self.answers: list[list[tuple[str, str]]] = []
        self.reader = AnswerReader()
        bench.machine.connect_console(self._take)

    def _take(self, data: bytes) -> None:
        self.heard += data
        self.answers.extend(self.reader.feed(data))

    async def ask(self, request: bytes = b"\r?\r", wait_s: float = ANSWER_S) -> list[tuple[str, str]]:
        """The one answer that comes to a request."""
        self.answers.clear()
        self.bench.machine.type(request)
        await asyncio.sleep(wait_s)
        (answer,) = self.answers
        return answer

    async def report(self) -> NodeReport:
        """What the node tells of itself."""
        return read_report(await self.ask())


def asked(
    folder: Path,
    body: Callable[[Desk], Awaitable[None]],
    *,
    table: bytes = TABLE,
    nvs: Nvs = WHOLE,
    before: Callable[[], None] = lambda: None,
) -> None:
    """A node with power on, and a desk at its port; nothing but answers may come out of it."""

    async def at_desk(bench: Workbench) -> None:
        before()
        bench.machine.records_flash = True
        desk = Desk(bench)
        await bench.power_on()
        desk.heard.clear()
        await body(desk)
        assert desk.reader.damaged == 0
        assert b"Traceback" not in desk.heard
        bench.machine.printed.clear()

    on_bench(folder, table, at_desk, nvs=nvs)


def test_every_field_is_what_the_node_was_given(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        Device(desk.bench.sensors, 1, {0: 5, 1: 6})
        desk.bench.machine.mac = bytes.fromhex("240ac4010203")
        desk.bench.machine.kill()
        await desk.bench.power_on()
        await asyncio.sleep(8)
        report = await desk.report()
        fields = dict(report.fields)
        assert int(fields.pop("uptime_s")) in (8, 9)
        heap = await desk.bench.master.health(node_map.HEALTH_HEAP_FREE_BYTES)
        assert abs(int(fields.pop("heap_free")) - heap) < 16384
        assert int(fields.pop("flash_free")) > 0
        assert fields == {
            "report": "1",
            "terminal": CODE.decode(),
            "unit": str(NODE),
            "mac": "24:0a:c4:01:02:03",
            "board": "1",
            "firmware": ".".join(map(str, source_version())),
            "micropython": "1.27.0",
            "mode": "full 0",
            "started": str(start_codes.POWER),
            "table": f"{digest(TABLE):08x}",
            "identity": "whole",
            "node_key": "yes",
            "broadcast_key": "yes",
            "update_keys": "0",
            "slot": "a",
            "sensor_bus": "9600 8N1",
        }
        assert report.devices == (DeviceReport(0, 1, "answered", 2, 2), DeviceReport(1, 2, "silent", 0, 1))
        assert report.failed_tests == {}
        assert set(report.tests) == {
            "table", "identity", "flash", "boot_state", "sensor_bus", "clock", "update_key"
        }  # fmt: skip
        assert report.tests["clock"] == "ok (not set yet)"
        await desk.bench.master.read(node_map.IDENTITY, 1)

    asked(tmp_path, body)


def test_no_key_is_ever_told(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.report()
        await desk.ask(b"scan\r", 80)
        text = bytes(desk.heard)
        for key in (KEY, POLE_KEY):
            assert key not in text
            for at in range(0, 32, 4):
                assert key[at : at + 4].hex() not in text.decode("ascii").lower()

    asked(tmp_path, body)


@pytest.mark.parametrize(
    ("nvs", "told"),
    [
        ({}, ("none", "none", "no", "ok (none was given)")),
        (identity({factory_record.TERMINAL_CODE: b"T-1"}), ("T-1", "whole", "no", "ok")),
        (
            nvs_of(factory_record.pack({factory_record.NODE_KEY: KEY})[:-1]),
            ("none", "broken", "no", "failed: broken"),
        ),
    ],
)
def test_an_identity_is_told_as_it_is(tmp_path: Path, nvs: Nvs, told: tuple[str, str, str, str]) -> None:
    async def body(desk: Desk) -> None:
        report = await desk.report()
        fields = report.fields
        assert (fields["terminal"], fields["identity"], fields["node_key"], report.tests["identity"]) == told
        assert set(report.failed_tests) == ({"identity"} if told[1] == "broken" else set())

    asked(tmp_path, body, nvs=nvs)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "ok (none was given)"), (TABLE[:-1], "failed: not whole, reason"), (b"", "failed: not whole, reason")],
)
def test_a_node_without_a_whole_table_says_so(tmp_path: Path, content: bytes | None, told: str) -> None:
    def before() -> None:
        place = tmp_path / "node.tab"
        place.unlink() if content is None else place.write_bytes(content)

    async def body(desk: Desk) -> None:
        report = await desk.report()
        assert report.fields["table"] == "none"
        assert report.fields["unit"] == "247"
        assert report.fields["mode"] == f"safe {start_codes.SAFE_WITHOUT_TABLE}"
        assert report.fields["sensor_bus"] == "none"
        assert report.fields["identity"] == "whole"
        assert report.devices == ()
        assert report.tests["table"].startswith(told)
        answer = dict(await desk.ask(b"scan\r"))
        assert answer == {"scan": "refused: no table"}

    asked(tmp_path, body, before=before)


def test_a_node_in_safe_mode_answers_and_does_not_scan(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        report = await desk.report()
        assert report.fields["mode"] == f"safe {start_codes.SAFE_AFTER_CRASHES}"
        assert report.fields["table"] == f"{digest(TABLE):08x}"
        assert report.fields["unit"] == str(NODE)
        assert report.devices == ()
        assert report.tests["sensor_bus"] == "ok (not in safe mode)"
        assert report.failed_tests == {}
        assert dict(await desk.ask(b"scan\r")) == {"scan": "refused: safe mode"}

    asked(tmp_path, body, before=lambda: write_boot(tmp_path, crashes=3, safe_mode=1))


def test_a_flash_that_takes_nothing_fails_its_tests(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        assert (await desk.report()).tests["flash"] == "ok"
        assert not (tmp_path / "self.test").exists()
        await desk.report()
        opened = [one.name for one in desk.bench.machine.operations if one.kind == "open"]
        assert opened.count("/flash/self.test") == 1
        (tmp_path / "self.test").mkdir()
        desk.bench.machine.kill()
        await desk.bench.power_on()
        assert (await desk.report()).failed_tests == {"flash": "failed: error 31"}

    asked(tmp_path, body)


def test_an_accelerometer_is_asked_where_the_table_has_one(tmp_path: Path) -> None:
    table, _slots = table_and_slots(pole_of(("st-lis3dh", {})))

    async def body(desk: Desk) -> None:
        assert (await desk.report()).failed_tests == {"accelerometer": "failed: no LIS3DH answers"}
        Lis3dh(desk.bench.machine)
        await asyncio.sleep(20)
        report = await desk.report()
        assert report.tests["accelerometer"] == "ok"
        assert report.devices == (DeviceReport(0, 0, "answered", 2, 2),)

    asked(tmp_path, body, table=table)


def test_keys_for_updates_are_looked_at(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        for size, count, told in (
            (384, 1, "ok"),
            (768, 2, "ok"),
            (1152, 3, "failed: not one or two keys"),
            (100, 0, "failed: not one or two keys"),
        ):
            (tmp_path / "update.key").write_bytes(b"\xc5" * size)
            desk.bench.machine.kill()
            await desk.bench.power_on()
            report = await desk.report()
            assert (report.fields["update_keys"], report.tests["update_key"]) == (str(count), told)

    asked(tmp_path, body)


def test_a_scan_finds_who_is_on_the_bus_while_polls_go_on(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        bench = desk.bench
        for unit, delay_s in ((1, 0.01), (2, 0.15), (9, 0.05), (77, 0.3), (200, 0.01), (247, 0.02)):
            Device(bench.sensors, unit, {0: 1, 1: 2}, delay_s=delay_s)
        noisy = Device(bench.sensors, 120, {0: 1})
        noisy.spoil = lambda frame: frame[:-1] + b"\0"
        await asyncio.sleep(3)
        before = await bench.master.health(node_map.HEALTH_POLLS_GOOD)
        answer = dict(await desk.ask(b"\rscan\r", 80))
        assert answer == {"scan": "done", "answered": "1 2 9 77 200 247"}
        polls = await bench.master.health(node_map.HEALTH_POLLS_GOOD) - before
        print({"polls": polls, "of": 2 * 80})
        assert polls > 130
        assert [(await bench.master.slot(index)).quality for index in range(3)] == [0, 0, 0]

    asked(tmp_path, body)


def test_a_node_without_a_sensor_bus_does_not_scan(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        assert (await desk.report()).fields["sensor_bus"] == "none"
        assert dict(await desk.ask(b"scan\r")) == {"scan": "refused: no sensor bus"}

    asked(tmp_path, body, table=NodeTableWriter(0, node_unit=NODE).table())


def test_a_request_is_heard_behind_any_noise_and_nothing_else_is(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        for typed in (b"help\r", b"??\r", b"?\x00\r", b" ?\r", b"AT\r\n", b"SCAN\r", b"scan now\r", b"\r\n\r\n"):
            desk.bench.machine.type(typed)
            await asyncio.sleep(1)
            assert desk.heard == b""
        for noise in (b"", b"\xff\x00\xfe", b"?" * 200, bytes(range(4, 13))):
            desk.bench.machine.type(noise)
            await desk.report()
        desk.answers.clear()
        desk.bench.machine.type(b"\r?\r\r?\n?\r\n")
        await asyncio.sleep(3 * ANSWER_S)
        assert len(desk.answers) == 3

    asked(tmp_path, body)


def test_any_bytes_leave_the_node_at_its_work(tmp_path: Path) -> None:
    chance = random.Random(7)
    rounds = 400

    async def body(desk: Desk) -> None:
        bench = desk.bench
        Device(bench.sensors, 1, {0: 5, 1: 6})
        await asyncio.sleep(2)
        typed = 0
        for _ in range(rounds):
            count = chance.choice((1, 3, 20, 300, 2000))
            known = bytes(chance.choices(b"?scan\x03 \xff\x00", k=count))
            noise = chance.choice((chance.randbytes(count), known))
            noise = re.sub(rb"([\r\n])\x03", rb"\1.", noise)
            bench.machine.type(noise + chance.choice((b"", b"?", b"scan", b"\x03"))[: chance.randrange(5)])
            typed += count
            await asyncio.sleep(chance.choice((0.01, 0.1, 0.5)))
        await asyncio.sleep(120)
        print({"rounds": rounds, "bytes": typed, "starts": bench.machine.starts, "ends": len(bench.machine.ends)})
        assert (bench.machine.starts, bench.machine.ends) == (1, [])
        assert (await bench.master.slot(0)).value == 5
        assert (await desk.report()).failed_tests == {}

    asked(tmp_path, body)


def test_ctrl_c_at_the_beginning_of_a_line_leads_to_the_prompt_and_is_no_crash(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        bench.machine.type(b"a\x03b\x03\x03")
        await asyncio.sleep(5)
        assert bench.machine.ends == []
        bench.machine.type(b"\r\x03")
        await asyncio.sleep(5)
        ((how, text),) = bench.machine.ends
        assert how == "crash"
        assert "KeyboardInterrupt" in text
        await asyncio.sleep(10)
        assert bench.machine.starts == 2
        start = await bench.master.read(node_map.BOOT, node_map.BOOT_REGISTERS)
        assert start[0] == start_codes.OWN_RESET
        assert start[node_map.BOOT_CRASHES - node_map.BOOT] == 0

    on_bench(tmp_path, TABLE, body)


LISTENS = """
import gc
import sys

sys.path.insert(0, "slot_a")

from node import app, console

inner = console.Console._listen
taken = []


def listen(self):
    gc.disable()
    before = gc.mem_alloc()
    found = inner(self)
    taken.append(gc.mem_alloc() - before)
    gc.enable()
    if len(taken) == 200:
        print("heap", max(taken[100:]))
    return found


console.Console._listen = listen
app.main()
"""


def test_a_silent_console_takes_no_heap(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        (tmp_path / "main.py").write_text(LISTENS)
        await bench.power_on()
        await asyncio.sleep(60)
        printed = [line.split() for line in bench.machine.printed]
        bench.machine.printed.clear()
        assert [words[:2] for words in printed] == [["heap", "0"]]

    on_bench(tmp_path, TABLE, body, programs=[LISTENS])


def test_answers_leave_no_heap_behind(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await asyncio.sleep(10)
        used = []
        for _ in range(6):
            await desk.report()
            used.append(desk.bench.machine.info()["heap_used_bytes"])
        print(used)
        assert max(used[2:]) <= used[1]

    asked(tmp_path, body)

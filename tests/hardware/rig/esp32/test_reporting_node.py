"""A node that reports from its flash tells what was put there, and nothing of a flash without a file system."""

import asyncio
from pathlib import Path

from gateway_agent.provision import digest
from hardware.bundle.manifest_writer import make_manifest
from hardware.flash.application import Application
from hardware.flash.console import AnswerReader, DeviceReport, read_report
from hardware.flash.images import image_of
from hardware.flash.layout import make_plan
from hardware.flash.node_file import NodeOrder
from hardware.rig.esp32.reporting_node import ReportingNode
from hardware.rig.esp32.stand_in_image import stand_in_image
from protocols.node_table_writer import NodeTableWriter

MAC = bytes.fromhex("240ac4010203")


def flashed(table: bytes | None) -> bytes:
    order = NodeOrder("110108-0004711", "esp32-devkitc", table, bytes(range(32)))
    image = image_of(Path("stand-in.bin"), stand_in_image(version="v1.25.0", app_bytes=1024), trust=True)
    files = {"slot_a/manifest.bin": make_manifest({}, (1, 2, 3), (0, 0, 0), 7)}
    return make_plan(image, order, Application((1, 2, 3), order.board, files)).whole_image()


def ask(flash: bytes, typed: bytes) -> bytes:
    heard: list[bytes] = []

    async def main() -> None:
        node = await ReportingNode.start(flash, heard.append, mac=MAC)
        node.receive(typed)
        await node.stop()

    asyncio.run(main())
    return b"".join(heard)


def test_it_tells_what_is_in_its_flash():
    writer = NodeTableWriter(baud=9600)
    writer.add_device(1000, unit=17)
    table = writer.table()
    (pairs,) = AnswerReader().feed(ask(flashed(table), b"\r?\r"))
    report = read_report(pairs)
    told = report.fields
    assert told["terminal"] == "110108-0004711"
    assert told["mac"] == "24:0a:c4:01:02:03"
    assert (told["board"], told["firmware"], told["micropython"]) == ("7", "1.2.3", "1.25.0")
    assert (told["identity"], told["node_key"], told["broadcast_key"]) == ("whole", "yes", "no")
    assert told["table"] == f"{digest(table):08x}"
    assert report.devices == (DeviceReport(0, 17, "answered", 0, 0),)
    assert not report.failed_tests


def test_questions_are_whole_lines():
    flash = flashed(None)
    assert ask(flash, b"what?\r?") == b""
    assert ask(flash, b"?\n?\r").count(b"-- gatepost node --") == 2
    assert b"table: none" in ask(flash, b"?\r")


def test_without_a_file_system_there_is_a_prompt_and_no_answer():
    flash = bytearray(flashed(None))
    flash[0x200000:] = b"\xff" * 0x200000
    assert ask(bytes(flash), b"?\r").endswith(b">>> ")

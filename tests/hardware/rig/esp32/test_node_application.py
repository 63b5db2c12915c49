"""The rig starts a real node machine from the very flash content that is written to a board."""

import asyncio
from pathlib import Path

from gateway_agent.config import load_pole
from gateway_agent.provision import digest, node_table
from hardware.bundle.firmware_files import REPOSITORY
from hardware.flash.application import build_application
from hardware.flash.console import AnswerReader, NodeReport, read_report
from hardware.flash.images import image_of
from hardware.flash.layout import make_plan
from hardware.flash.node_file import NodeOrder
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.esp32.board import SimulatedBoard
from hardware.rig.esp32.chip import SimulatedChip
from hardware.rig.esp32.node_application import NodeApplication
from hardware.rig.esp32.stand_in_image import stand_in_image

MAC = bytes.fromhex("240ac4010203")
BOARD = "esp32-devkitc"


class ConsoleEnd:
    baud = 115200

    def __init__(self) -> None:
        self.reader = AnswerReader()
        self.reports: list[NodeReport] = []

    def deliver(self, data: bytes, *, may_be_lost: bool) -> None:
        self.reports += map(read_report, self.reader.feed(data))

    def plug(self) -> None:
        """Nothing to make."""

    def unplug(self) -> None:
        """Nothing to take away."""


async def ask(board: SimulatedBoard, end: ConsoleEnd) -> NodeReport:
    """The next report; RuntimeError when none has come after a minute."""
    end.reports.clear()
    for _ in range(20):
        board.from_host(b"\r?\r")
        await asyncio.sleep(3)
        if end.reports:
            return end.reports[-1]
    raise RuntimeError("the node does not answer")


def test_a_node_comes_up_from_its_flash_with_its_identity_and_again_after_a_power_cut(tmp_path):
    table = node_table(load_pole(REPOSITORY / "hardware/poles/example.toml"), "lamp_node")
    order = NodeOrder("110108-0004711", BOARD, table, bytes(range(32)))
    image = image_of(Path("stand-in.bin"), stand_in_image("ota", app_bytes=1024), trust=True)
    whole = make_plan(image, order, build_application(BOARD)).whole_image()

    async def main(clock: RigClock) -> None:
        application = NodeApplication(tmp_path / "node", MAC)
        board = SimulatedBoard(SimulatedChip(flash=bytearray(whole)), application=application)
        end = ConsoleEnd()
        board.connect(end)
        board.plug()
        report = await ask(board, end)
        assert report.fields["terminal"] == "110108-0004711"
        assert report.fields["mac"] == "24:0a:c4:01:02:03"
        assert (report.fields["identity"], report.fields["node_key"]) == ("whole", "yes")
        assert report.fields["broadcast_key"] == "no"
        assert report.fields["table"] == f"{digest(table):08x}"
        assert report.fields["mode"].startswith("full")
        assert not report.failed_tests
        machine = application.machine
        board.unplug()
        await asyncio.sleep(1)
        assert machine is not None
        assert not machine.running
        board.plug()
        assert (await ask(board, end)).fields["terminal"] == "110108-0004711"
        await board.close()
        assert application.machine is not None
        assert not application.machine.running

    run_virtual(main)

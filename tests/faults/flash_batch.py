"""A thousand orders flashed in batch with the real esptool, onto simulated boards of which three in ten have a defect.

Fifty lots of twenty orders, each one `gatepost flash --batch`: the technician's hands (`_flash_desk`) plug in one board
after the other, press what they are told to press, try once more what failed, and give the orders of broken boards to
new ones. Each node is asked after its start. Afterwards it is looked into every flash, bit by bit.

A board counts as survived when the right thing was said of it: it passed and is good, or it failed and is bad, for a
reason that fits. Lost is an order that no good board holds in the end, duplicated one that two have that passed, wrong
whoever passed and is not good. The control believes esptool's exit code of the writing: nothing is read back, nobody
asks the node.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import Field, asdict, fields
from functools import partial
from pathlib import Path
from random import Random
from unittest.mock import patch

from gateway_agent.config.load import check_source
from gateway_agent.provision import node_table
from gateway_agent.toml_source import parse_toml
from hardware.flash import session
from hardware.flash.application import build_application
from hardware.flash.chip_link import ChipLink
from hardware.flash.images import FirmwareImage, image_of
from hardware.flash.node_file import NodeOrder
from hardware.flash.orders import OrderBook
from hardware.flash.results import Check
from hardware.rig.esp32.stand_in_image import stand_in_image
from tests.faults._cases import Row
from tests.faults._flash_defects import Board
from tests.faults._flash_desk import Count, Desk
from tests.faults._flash_nodes import NodeOnBoard
from tests.faults._kept_lots import Lot, in_lots
from tests.faults._progress import OnProgress

LOTS, ORDERS = 50, 20
_CONTROL_LOTS = 2
_AT_ONCE = 3
_START_S = 2.0
"""What the careless one gives a node to start."""
_BOARD = "esp32-devkitc"
_MACHINE = "v1.27.0 on 2025-12-09"
"""What the rig's MicroPython says it is (hardware/rig/machine/package.json): the image has to say the same."""
_SOURCES = ("hardware/flash", "hardware/rig/esp32", "hardware/rig/machine", "hardware/kit", "firmware", "tests/faults")
_POLE = """
[pole]
gateway = "gp-desk-1"
latitude = 39.9042
longitude = 116.4074
timezone = "Asia/Shanghai"

[[buses]]
name = "pole"
port = "/dev/null"
baud = 19200

[[nodes]]
name = "meter_node"
bus = "pole"
unit = 17
every_s = 2
sensor_bus = { baud = 9600 }
devices = [
    { name = "meter", profile = "peacefair-pzem-016", unit = 2, every_s = 2 },
    { name = "cabinet", profile = "xy-md02", unit = 4, every_s = 2 },
]

[[nodes]]
name = "well_node"
bus = "pole"
unit = 18
every_s = 2
sensor_bus = { baud = 9600 }
devices = [
    { name = "well", profile = "qdy30a", unit = 9, every_s = 2 },
    { name = "gas", profile = "4mz-hh4", unit = 1, every_s = 2 },
]

[journal]
path = "journal.sqlite"

[uplink]
url = "coap://platform.example:5683"
security = "oscore"
identity_file = "identity.toml"
"""
"""Devices that are asked soon after a node's start, so that nobody waits for them in real time."""


def batch(on_progress: OnProgress, lots: int = LOTS, orders: int = ORDERS) -> Row:
    """The case."""
    work = partial(flash_lot, orders=orders)
    return _row("flash/batch", in_lots("flash/batch", work, lots, on_progress, _SOURCES, _AT_ONCE))


def control(on_progress: OnProgress, lots: int = _CONTROL_LOTS, orders: int = ORDERS) -> Row:
    """The control."""
    work = partial(flash_lot_carelessly, orders=orders)
    return _row("flash/batch-control", in_lots("flash/batch-control", work, lots, on_progress, _SOURCES, _AT_ONCE))


def flash_lot(number: int, orders: int) -> Lot:
    """One lot, from its box to its count."""
    random = Random(f"flash {number}")
    layout = random.choice(("plain", "ota"))
    content = stand_in_image(layout, version=_MACHINE, app_bytes=48 * 1024)
    image = image_of(Path(f"{layout}.bin"), content, trust=True)
    pole = check_source(parse_toml(_POLE, Path("desk.toml")))
    tables = {node_table(pole, node.name): node.name for node in pole.nodes}

    def start_on(board: Board, folder: Path) -> NodeOnBoard:
        return NodeOnBoard(board, folder, pole, tables)

    with tempfile.TemporaryDirectory() as folder:
        book = _book(random, image, [*tables, None], number, orders)
        return asdict(Desk(Path(folder), book, image, random, number * 1000, start_on).work())


def flash_lot_carelessly(number: int, orders: int) -> Lot:
    """The same without reading back and without asking."""
    with _believing():
        return flash_lot(number, orders)


def _book(random: Random, image: FirmwareImage, tables: list[bytes | None], lot: int, count: int) -> OrderBook:
    orders = {}
    for number in range(count):
        terminal = f"110108-{lot:03}{number:04}"
        keys = (random.randbytes(32), random.randbytes(32)) if random.random() < 0.8 else (None, None)
        orders[terminal] = partial(NodeOrder, terminal, _BOARD, random.choice(tables), *keys)
    return OrderBook(image, build_application, orders)


@contextmanager
def _believing() -> Iterator[None]:
    def ask(settings: object, watcher: session.Watcher, standing: object) -> None:
        watcher.advise(session.PRESS_EN)
        time.sleep(_START_S)
        standing.checks = (Check("esptool", True, "said nothing bad"),)  # type: ignore[attr-defined]

    with patch.object(session, "_ask", ask), patch.object(ChipLink, "verify", lambda self, pieces: None):
        yield


def _row(case: str, lots: list[Lot]) -> Row:
    counts = [Count(**lot) for lot in lots]
    whole = {field.name: sum(getattr(one, field.name) for one in counts) for field in _numbers()}
    return {
        "case": case,
        "tried": whole["boards"],
        "survived": whole["right"],
        "lost": whole["orders"] - whole["done"],
        "duplicated": whole["doubled"],
        "wrong": whole["wrongly_passed"],
        "nodes": whole["orders"],
        **{name: whole[name] for name in _TOLD},
        "amiss": "; ".join(text for one in counts for text in one.amiss)[:2000],
    }


_TOLD = (
    "failures_found",
    "failures_missed",
    "wrongly_passed",
    "wrongly_failed",
    "told_otherwise",
    "mended",
    "turned_away",
)


def _numbers() -> "list[Field[int]]":
    return [field for field in fields(Count) if field.name != "amiss"]


CASES = {"flash/batch": batch, "flash/batch-control": control}

"""A thousand orders flashed in batch with the real esptool, onto simulated boards of which four in ten have a defect.

Fifty lots of twenty orders, each one `gatepost flash --batch`: the technician's hands (`_flash_desk`) plug in one board
after the other, press what they are told to press, try once more what failed, and give the orders of broken boards to
new ones. Each node is asked after its start. Afterwards it is looked into every flash, bit by bit.

A board counts as survived when the right thing was said of it: it passed and is good, or it failed and is bad, for a
reason that fits. Lost is an order that no good board holds in the end, duplicated one that two have that passed, wrong
whoever passed and is not good. The control believes esptool's exit code of the writing: nothing is read back, nobody
asks the node.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import Field, asdict, fields
from functools import partial
from pathlib import Path
from random import Random
from unittest.mock import patch

from gateway_agent.config import load_pole
from gateway_agent.provision import node_table
from hardware.flash import session
from hardware.flash.application import build_application
from hardware.flash.chip_link import ChipLink
from hardware.flash.images import FirmwareImage, image_of
from hardware.flash.node_file import NodeOrder
from hardware.flash.orders import OrderBook
from hardware.flash.results import Check
from hardware.rig.esp32.stand_in_image import stand_in_image
from tests.faults._cases import Row
from tests.faults._flash_desk import Count, Desk
from tests.faults._kept_lots import Lot, in_lots
from tests.faults._progress import OnProgress

LOTS, ORDERS = 50, 20
_CONTROL_LOTS = 4
_AT_ONCE = 2
_BOARD = "esp32-devkitc"
_SOURCES = ("hardware/flash", "hardware/rig/esp32", "hardware/rig/machine", "hardware/kit", "firmware", "tests/faults")
_POLE = Path(__file__).parents[2] / "hardware/poles/example.toml"


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
    content = stand_in_image(layout, version=f"v1.24.{number} on 2024-10-25", app_bytes=48 * 1024)
    image = image_of(Path(f"{layout}.bin"), content, trust=True)
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), _book(random, image, number, orders), image, random, first=number * 1000)
        return asdict(desk.work())


def flash_lot_carelessly(number: int, orders: int) -> Lot:
    """The same without reading back and without asking."""
    with _believing():
        return flash_lot(number, orders)


def _book(random: Random, image: FirmwareImage, lot: int, count: int) -> OrderBook:
    pole = load_pole(_POLE)
    tables = [*(node_table(pole, node.name) for node in pole.nodes), None]
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

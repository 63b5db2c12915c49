"""An integrator's desk: two poles with keys still to be made, a work order, an image, and kits without building one."""

from collections.abc import Mapping
from pathlib import Path

from hardware.flash.application import Application
from hardware.flash.images import FirmwareImage
from hardware.kit.kit_file import KitContents
from hardware.kit.kit_order import KitOrder

REPOSITORY = Path(__file__).parents[3]
EXAMPLE = (REPOSITORY / "hardware/poles/example.toml").read_text(encoding="utf-8")
PASSWORD = "correct-horse-battery"
WORK_ORDER = """terminal,type,pole,node,board,mount,settings
A-1,lamp,east-12.toml,lamp_node,,"mast arm, 6 m",unit=17
A-2,manhole,east-12.toml,manhole_node,esp32-devkitc,,
A-3,lamp,east-13,lamp_node,,,guard=yes
"""


def pole_text(gateway: str, *, with_keys: bool = True) -> str:
    """The example's pole under another name, with key files of its own below keys/."""
    text = EXAMPLE.replace("gp-east-12", gateway)
    if with_keys:
        text = text.replace('name = "pole"\n', f'name = "pole"\nbroadcast_key_file = "keys/{gateway}.key"\n', 1)
        for node in ("lamp_node", "manhole_node"):
            key = f'key_file = "keys/{gateway}-{node}.key"'
            text = text.replace(f'name = "{node}"\n', f'name = "{node}"\n{key}\n', 1)
    return text


def lay_desk(folder: Path, *, with_keys: bool = True, work_order: str = WORK_ORDER) -> Path:
    """Two poles and a work order in a folder; gives the path of the work order."""
    for number in (12, 13):
        text = pole_text(f"gp-east-{number}", with_keys=with_keys)
        (folder / f"east-{number}.toml").write_text(text, encoding="utf-8")
    path = folder / "monday.csv"
    path.write_text(work_order, encoding="utf-8")
    return path


def order(terminal: str, line: int, *, has_key: bool = True) -> KitOrder:
    """An order as planning makes them."""
    return KitOrder(
        line=line,
        terminal=terminal,
        type="lamp",
        pole="east-12.toml",
        gateway="gp-east-12",
        node=f"node_{line}",
        board="esp32-devkitc",
        mount="mast",
        settings={},
        note="",
        unit=17,
        bus="pole",
        bus_line="19200 8N1",
        table="00000001",
        has_node_key=has_key,
        has_broadcast_key=has_key,
    )


def contents(*terminals: str, has_key: bool = True, files: Mapping[str, bytes] | None = None) -> KitContents:
    """Small contents of a kit with these orders."""
    orders = tuple(order(terminal, line, has_key=has_key) for line, terminal in enumerate(terminals, 2))
    return KitContents(
        made_by="gatepost 0.1.0",
        work_order=b"terminal,pole\n",
        orders=orders,
        tables={one.terminal: b"table of " + one.terminal.encode() for one in orders},
        images=(FirmwareImage(Path("micropython.bin"), b"\xe9image", 0x1000, "1.24.0", "MicroPython 1.24.0", True),),
        applications={"esp32-devkitc": Application((0, 1, 0), "esp32-devkitc", files or {"main.py": b"print()"})},
        profiles={"xy-md02": "# Source: x\n"},
        update_key=b"u" * 384,
    )

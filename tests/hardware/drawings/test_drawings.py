"""No text of a drawing lies on another or outside the page, and each drawing shows what its TOML says."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from gateway_agent.boards import board_names, load_board
from gateway_agent.config.load import check_source, load_pole
from gateway_agent.config.schema import PoleConfig
from gateway_agent.toml_source import parse_toml
from hardware.drawings.board_drawing import board_drawing, free_pins
from hardware.drawings.canvas import Box, Canvas
from hardware.drawings.made import kit_pole, repository
from hardware.drawings.pole_drawing import pole_drawings
from hardware.drawings.text_width import text_width, wrapped

POLES = sorted((repository() / "hardware" / "poles").glob("*.toml"))
_PROFILES = ("xy-md02", "qdy30a", "peacefair-pzem-016", "greenioiot-micro-station", "4mz-hh4", "renke-rs-fsxcs")


def greatest_pole() -> PoleConfig:
    """Four buses with 32 nodes, up to nine devices on a sensor bus, contacts, outputs of lamps, serial sensors."""
    text = '[pole]\ngateway = "gp-street-of-the-greatest-pole-1"\ntimezone = "Asia/Shanghai"\n'
    for bus in range(4):
        text += f'[[buses]]\nname = "bus_with_a_long_name_{bus}"\nbaud = 19200\n'
        text += f'port = "/dev/serial/by-path/platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.{bus}:1.0-port0"\n'
    for node in range(32):
        text += f'[[nodes]]\nname = "node_with_quite_a_long_name_{node:02}"\nbus = "bus_with_a_long_name_{node % 4}"\n'
        text += f"unit = {node + 1}\nevery_s = 60\nphase_s = {node // 4 * 5 + 1}\n"
        if node == 31:
            text += '[[nodes.devices]]\nname = "particles"\nprofile = "plantower-pms5003"\nevery_s = 60\n'
            continue
        text += "sensor_bus = { baud = 9600 }\n"
        for device in range(node % 10):
            profile = _PROFILES[device % len(_PROFILES)]
            text += f'[[nodes.devices]]\nname = "device_{node}_{device}"\nprofile = "{profile}"\n'
            text += f"unit = {device * 10 + 1}\nevery_s = 60\n"
        if node % 3 == 0:
            text += f'[[nodes.devices]]\nname = "cover_{node}"\nprofile = "generic-door-switch"\nevery_s = 60\n'
    text += '[[programmes]]\nname = "night"\non = "18:00"\noff = "06:00"\n'
    text += '[[lamps]]\nnode = "node_with_quite_a_long_name_00"\nprogramme = "night"\nname = "lamp"\n'
    text += "relay_pin = 19\ndimmer_pin = 18\n"
    text += '[journal]\npath = "j"\n[uplink]\nurl = "coap://127.0.0.1"\nsecurity = "clear"\n[[uplink.bearers]]\n'
    text += 'name = "radio"\nkind = "cat1"\nmodem = "ec800"\nport = "/dev/gatepost-modem"\napn = "x"\n'
    return check_source(parse_toml(text, Path("greatest.toml")))


def faults_of(canvas: Canvas) -> list[str]:
    """What lies where it should not: texts over each other, over an edge of the page or of a box, under a wire."""
    page = Box(0, 0, canvas.width, canvas.height)
    found = [f"{one.text!r} leaves the page" for one in canvas.texts if not page.contains(one.box)]
    found += ["a box leaves the page" for box in canvas.boxes if not page.contains(box)]
    ordered = sorted(canvas.texts, key=lambda one: one.box.top)
    for index, one in enumerate(ordered):
        for other in ordered[index + 1 :]:
            if other.box.top >= one.box.bottom:
                break
            if one.box.overlaps(other.box):
                found.append(f"{one.text!r} lies on {other.text!r}")
    for one in canvas.texts:
        if one.has_ground:
            continue
        for (x0, y0), (x1, y1) in canvas.wires:
            wire = Box(min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1)
            if one.box.overlaps(wire):
                found.append(f"a wire runs through {one.text!r}")
        cut = [index for index, box in enumerate(canvas.boxes) if one.box.overlaps(box) and not box.contains(one.box)]
        covering = [index for index, box in enumerate(canvas.boxes) if box.contains(one.box)]
        if cut and max(cut) > max(covering, default=-1):
            found.append(f"{one.text!r} is cut by the edge of a box")
    return found


def shown(*canvases: Canvas) -> str:
    return "\n".join(text.text for canvas in canvases for text in canvas.texts)


@pytest.mark.parametrize("name", board_names())
def test_nothing_overlaps_on_the_drawing_of_a_board(name: str) -> None:
    assert faults_of(board_drawing(name, load_board(name))) == []


@pytest.mark.parametrize("path", POLES, ids=lambda path: path.stem)
def test_nothing_overlaps_on_the_drawing_of_a_pole(path: Path) -> None:
    for sheet in pole_drawings(path.name, kit_pole(path)):
        assert faults_of(sheet) == []


def test_nothing_overlaps_on_the_drawing_of_the_greatest_pole_and_every_node_is_on_a_sheet() -> None:
    pole = greatest_pole()
    sheets = pole_drawings("greatest.toml", pole)
    assert len(sheets) > 3
    assert max(sheet.height for sheet in sheets) < 3000
    assert [fault for sheet in sheets for fault in faults_of(sheet)] == []
    texts = shown(*sheets)
    for node in pole.nodes:
        assert texts.count(node.name) == 1
        for device in node.devices:
            assert device.name in texts
    assert texts.count("120 ohm: end") == 4


def test_the_check_of_overlaps_sees_one() -> None:
    canvas = Canvas("test", 200)
    canvas.text(10, 30, "one text")
    canvas.text(30, 32, "and another")
    canvas.text(180, 90, "over the edge")
    canvas.text(10, 130, "under a wire")
    canvas.wire([(0, 126), (100, 126)], "#000000")
    told = faults_of(canvas)
    assert len(told) == 3


@pytest.mark.parametrize("name", board_names())
def test_the_drawing_of_a_board_shows_each_pin_that_the_firmware_uses(name: str) -> None:
    board = load_board(name)
    gpios = {connector.gpio(pin) for connector in board.connectors for pin in connector.pins}
    on_connectors = {pin for loc, pin in board.chosen_pins() if loc[0] in ("i2c", "lamp")} | set(free_pins(board))
    if board.sensor_port.transceiver != "auto":
        on_connectors |= {board.sensor_port.tx, board.sensor_port.rx}
    if board.pole_bus.transceiver == "pin":
        on_connectors |= {board.pole_bus.tx, board.pole_bus.rx, board.pole_bus.direction}
    assert on_connectors - gpios == set()


def test_the_board_tells_that_no_signal_is_full_light() -> None:
    texts = shown(board_drawing("esp32-devkitc", load_board("esp32-devkitc")))
    assert "No signal is full light" in texts
    assert "no signal = 10 V = full light" in texts
    assert "no power = contact closed = lit" in texts


def test_what_no_source_gives_is_left_to_the_data_sheet() -> None:
    texts = shown(*pole_drawings("example.toml", load_pole(repository() / "hardware" / "poles" / "example.toml")))
    assert "terminals: see its data sheet" in texts
    assert "supply: 12 to 36 V DC" in texts
    assert "A blue wire, B yellow wire" in texts
    assert "through an RS-485 to TTL module" in texts


def test_a_drawing_is_well_formed_and_names_nothing_outside() -> None:
    text = board_drawing("kc868-a16", load_board("kc868-a16")).render()
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "href" not in text
    assert "<script" not in text


def test_lines_are_wrapped_within_their_width_and_lose_nothing() -> None:
    text = "a sentence with an-unusually-long-word-that-fits-nowhere in it"
    lines = list(wrapped(text, 80, 12))
    assert all(text_width(line, 12) <= 80 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")

"""The wiring drawing of a whole pole: gateway, buses, nodes and devices, on as many sheets as it takes."""

from dataclasses import dataclass, field

from gateway_agent.config.schema import BusConfig, PoleConfig
from gateway_agent.modem.dialect import load_modem
from hardware.drawings.canvas import PAPER, QUIET, Box, Canvas
from hardware.drawings.parts import load_pole_parts
from hardware.drawings.station_drawing import TRUNK, draw_station, station_height
from hardware.drawings.stations import Station, modem_bearers, stations_of
from hardware.drawings.symbols import warnings
from hardware.drawings.text_width import fitting_size
from hardware.drawings.wires import WIRES, Kind, draw_legend, tag_wire

_WIDTH = 1900.0
_TOP = 120.0
_FULL = 2100.0
"""A sheet is full where a station would end below this."""

_ADAPTER = 96.0
_MAINS: tuple[Kind, Kind] = ("l", "n")
_WARNINGS = [
    (
        "RS-485",
        [
            "One cable from station to station, no star. 120 ohm at both ends and nowhere else.",
            "GND of every station joined. Some makers swap A and B: if one device is silent, swap its two wires once.",
        ],
    ),
    (
        "Light",
        [
            "No signal is full light: the lamp hangs on the contact that is closed at rest, the 0-10 V stage gives "
            "10 V without a signal.",
        ],
    ),
    (
        "Mains",
        [
            "230 V only by an electrician, with the pole switched off. Type 2 surge protection where they come in.",
            "Radio: the antenna is plugged in before the supply.",
        ],
    ),
]


@dataclass
class _Sheets:
    title: str
    name: str
    sheets: list[Canvas] = field(default_factory=list)
    kinds: list[list[Kind]] = field(default_factory=list)
    y: float = _TOP

    def open(self) -> Canvas:
        """A new sheet, its head drawn."""
        number = len(self.sheets) + 1
        canvas = Canvas(f"{self.title}, sheet {number}", _WIDTH)
        canvas.text(40, 46, self.title, size=26, bold=True)
        about = f"sheet {number}, from {self.name}; each wire bears its letters, the legend is below"
        canvas.text(40, 74, about, size=14, colour=QUIET)
        self.sheets.append(canvas)
        self.kinds.append(["a", "b", "gnd", "plus", *(_MAINS if number == 1 else ())])
        self.y = _TOP
        return canvas

    @property
    def sheet(self) -> Canvas:
        """The sheet that is drawn on."""
        return self.sheets[-1]


def pole_drawings(name: str, pole: PoleConfig) -> list[Canvas]:
    """The sheets of a checked pole; `name` is the file's name as the reader should see it."""
    rail = load_pole_parts().rail_volts
    sheets = _Sheets(f"Pole {pole.pole.gateway}: wiring", name)
    first = sheets.open()
    gateway_bottom = _draw_gateway(first, pole)
    for bus in pole.buses:
        _draw_bus(sheets, bus, stations_of(pole)[bus.name], rail)
    for index, canvas in enumerate(sheets.sheets):
        below = max(canvas.height, gateway_bottom if index == 0 else 0.0) + 40
        if index == 0:
            below = warnings(canvas, 40, below, _WIDTH - 80, _WARNINGS) + 40
        canvas.height = draw_legend(canvas, 40, below, list(dict.fromkeys(sheets.kinds[index])), 4, 460) + 30
    return sheets.sheets


def _draw_gateway(canvas: Canvas, pole: PoleConfig) -> float:
    """Gateway and radio on the left; returns the y below them."""
    canvas.rect(Box(40, _TOP, 330, _TOP + 190), fill="#e7f5ea", thick=2.4)
    name = pole.pole.gateway
    canvas.text(60, _TOP + 28, name, size=fitting_size(name, 250, 17, bold=True), bold=True)
    lines = ["Raspberry Pi, the gateway", "supply 5 V DC, 3 A of its own", "clock module DS3231 on I2C"]
    lines += [f"USB to {len(pole.buses)} RS-485 adapter{'s' if len(pole.buses) > 1 else ''}"]
    y = _TOP + 54
    for line in lines:
        canvas.text(60, y, line, size=13)
        y += 20
    canvas.paragraph(60, y + 6, "names of the ports: udev rules in deploy/", 250, size=11.5, colour=QUIET)
    y = _TOP + 190
    ways = list(modem_bearers(pole))
    for kind, modem in ways:
        canvas.mark([(120, y), (120, y + 40)], thick=2.4)
        canvas.text(130, y + 25, "USB or UART: docs/modems.md", size=11.5, colour=QUIET)
        y += 40
        canvas.rect(Box(40, y, 330, y + 96), thick=2)
        canvas.text(60, y + 26, load_modem(modem).modem.name if modem else f"modem, {kind}", size=14, bold=True)
        canvas.text(60, y + 46, f"{kind}, supply of its own: 2 A bursts", size=12)
        canvas.rect(Box(60, y + 58, 120, y + 86), fill=PAPER, thick=1.2)
        canvas.text(90, y + 77, "SIM", size=12, bold=True, anchor="middle")
        _antenna(canvas, 280, y + 84)
        canvas.text(256, y + 84, "antenna outside", size=11.5, anchor="end")
        y += 96
    if not ways:
        canvas.mark([(120, y), (120, y + 36)], thick=2.4)
        canvas.text(130, y + 22, "network cable to the platform", size=12)
        y += 40
    return _draw_supply(canvas, y + 30, load_pole_parts().rail_volts)


def _draw_supply(canvas: Canvas, y: float, rail: int) -> float:
    """Where the voltages come from; returns the y below it."""
    canvas.rect(Box(40, y, 330, y + 168), thick=2)
    canvas.text(60, y + 26, "Supply", size=14, bold=True)
    for index, (kind, label) in enumerate(zip(_MAINS, ("L, behind the fuse", "N"), strict=True)):
        row = y + 50 + index * 24
        canvas.wire([(60, row), (116, row)], WIRES[kind].colour, thick=3)
        tag_wire(canvas, kind, 88, row)
        canvas.text(126, row + 4, label, size=12)
    canvas.text(60, y + 98, "Type 2 surge protection, then", size=12)
    canvas.text(60, y + 118, f"230 V AC to {rail} V DC: the + rail", size=12, bold=True)
    canvas.text(60, y + 138, f"{rail} V to 5 V DC: the gateway", size=12)
    canvas.text(60, y + 158, f"{rail} V to a node: its board's drawing", size=12)
    return y + 168


def _antenna(canvas: Canvas, x: float, y: float) -> None:
    canvas.mark([(x, y), (x, y - 34)], thick=2)
    canvas.mark([(x - 12, y - 34), (x, y - 20), (x + 12, y - 34), (x - 12, y - 34)], thick=2)


def _draw_bus(sheets: _Sheets, bus: BusConfig, stations: list[Station], rail: int) -> None:
    needed = _ADAPTER + 60 + (station_height(stations[0]) if stations else 0)
    if sheets.y > _TOP and sheets.y + needed > _FULL:
        sheets.open()
    canvas = sheets.sheet
    top = sheets.y
    canvas.rect(Box(400, top, 820, top + _ADAPTER), fill="#fff6d8", thick=2)
    head = f"bus {bus.name}: RS-485 adapter"
    canvas.text(416, top + 26, head, size=fitting_size(head, 388, 15, bold=True), bold=True)
    canvas.text(416, top + 47, f"{bus.line}", size=13)
    canvas.text(520, top + 47, "120 ohm and bias 680 ohm here", size=12)
    port = bus.port.rpartition("/")[2]
    canvas.paragraph(416, top + 66, port, 390, size=10.5, colour=QUIET)
    if len(sheets.sheets) == 1:
        canvas.mark([(330, _TOP + 100), (365, _TOP + 100), (365, top + 40), (400, top + 40)], thick=2.4)
        canvas.text(370, top + 34, "USB", size=10.5, anchor="start")
    else:
        canvas.mark([(330, top + 40), (400, top + 40)], thick=2.4)
        canvas.text(322, top + 44, "USB from the gateway, sheet 1", size=12, anchor="end")
    start = top + _ADAPTER
    y = start + 34
    if not stations:
        canvas.text(520, y + 10, "nothing hangs on this bus", size=12, colour=QUIET)
        sheets.y = y + 60
        return
    for index, station in enumerate(stations):
        if index and y + station_height(station) > _FULL:
            _trunk(canvas, start, y + 10)
            canvas.text(TRUNK["gnd"] + 14, y + 10, f"bus {bus.name} goes on: sheet {len(sheets.sheets) + 1}", size=12)
            canvas = sheets.open()
            start, y = _TOP, _TOP + 34
            canvas.text(TRUNK["gnd"] + 14, _TOP + 8, f"bus {bus.name}, from sheet {len(sheets.sheets) - 1}", size=12)
        is_last = index == len(stations) - 1
        sheets.kinds[-1] += draw_station(canvas, station, y, rail, is_last=is_last)
        if is_last:
            _trunk(canvas, start, y + 34, last=True)
        y += station_height(station)
    sheets.y = y + 30


def _trunk(canvas: Canvas, top: float, bottom: float, *, last: bool = False) -> None:
    for index, (kind, x) in enumerate(TRUNK.items()):
        canvas.wire([(x, top), (x, bottom + (index * 24 if last else 0))], WIRES[kind].colour)
        tag_wire(canvas, kind, x, top + 16)

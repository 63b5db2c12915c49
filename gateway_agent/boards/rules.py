"""What a pin of a classic ESP32 can be used for (esptool documentation; MicroPython quick reference of the ESP32 port).

A pin that breaks a rule needs an exception with its reason; the flash's pins and outputs on input-only pins have none.
"""

from collections.abc import Iterator

from gateway_agent.boards.model import Board, PortSection
from gateway_agent.toml_source import Finding

STRAPPING = frozenset({0, 2, 5, 12, 15})
FLASH = frozenset(range(6, 12))
CONSOLE = frozenset({1, 3})
PSRAM = frozenset({16, 17})
INPUT_ONLY = frozenset(range(34, 40))
PULSE_AT_BOOT = frozenset({1, 3, 5, 14, 15})
ADC1 = frozenset(range(32, 40))
"""ADC2 cannot be used while Wi-Fi is on."""
ABSENT = frozenset({20, 24, 28, 29, 30, 31})

_ON_BOARD = "wired"
_OUTPUTS = (("pole_bus", "tx"), ("pole_bus", "direction"), ("sensor_port", "tx"), ("sensor_port", "direction"))
_SILENT_AT_BOOT = (("pole_bus", "direction"), ("sensor_port", "direction"), ("lamp", "relay"), ("lamp", "dimmer"))
Loc = tuple[str | int, ...]


def check_board(board: Board) -> Iterator[Finding]:
    """Everything wrong with a board of the right shape."""
    used = [*board.fixed_pins(), *board.chosen_pins()]
    for loc, pin in used:
        yield from _impossible(loc, pin)
    broken = {(pin, rule): loc for loc, pin in used for rule in _broken_rules(board, loc, pin)}
    excused = {(item.pin, item.rule) for item in board.exceptions}
    for (pin, rule), loc in broken.items():
        if (pin, rule) not in excused:
            mend = f'take another pin, or add [[exceptions]] with pin = {pin}, rule = "{rule}" and the reason'
            yield Finding(loc, f"GPIO{pin} {_WORDS[rule]}", mend)
    for index, item in enumerate(board.exceptions):
        if (item.pin, item.rule) not in broken:
            what = f"GPIO{item.pin} does not break the rule {item.rule} here"
            yield Finding(("exceptions", index), what, "remove the exception")
    yield from _shared(board)
    yield from _ports(board)
    for pin in sorted(set(board.free.analog) - ADC1):
        what = f"GPIO{pin} is no pin of ADC1"
        yield Finding(("free", "analog"), what, "analogue inputs are 32 to 39: ADC2 cannot be used with Wi-Fi")


_WORDS = {
    "strapping": "decides at reset how the chip starts",
    "console": "belongs to the console on UART0",
    "psram": "belongs to the PSRAM of a WROVER",
    "boot-pulse": "pulses while the chip starts, which would drive the line or the lamp",
}


def _impossible(loc: Loc, pin: int) -> Iterator[Finding]:
    if pin in ABSENT:
        yield Finding(loc, f"an ESP32 has no GPIO{pin}", "take a pin that there is")
    elif pin in FLASH:
        yield Finding(loc, f"GPIO{pin} belongs to the flash", "never use pins 6 to 11")
    elif pin in INPUT_ONLY and _is_output(loc):
        yield Finding(loc, f"GPIO{pin} is an input only", "outputs are pins below 34")


def _is_output(loc: Loc) -> bool:
    return loc[:2] in _OUTPUTS or loc[0] in ("enable", "i2c", "lamp") or loc == ("free", "outputs")


def _broken_rules(board: Board, loc: Loc, pin: int) -> Iterator[str]:
    if loc[0] == _ON_BOARD:
        return
    if pin in STRAPPING:
        yield "strapping"
    if pin in CONSOLE:
        yield "console"
    if pin in PSRAM and board.board.module == "WROVER":
        yield "psram"
    if pin in PULSE_AT_BOOT and loc in _SILENT_AT_BOOT:
        yield "boot-pulse"


def _shared(board: Board) -> Iterator[Finding]:
    """A pin with a fixed use is used by nothing else."""
    owner: dict[int, str] = {}
    for loc, pin in board.fixed_pins():
        name = ".".join(map(str, loc))
        if pin in owner:
            yield Finding(loc, f"GPIO{pin} is {owner[pin]} already", "give each its own pin")
        owner.setdefault(pin, name)
    for loc, pin in board.chosen_pins():
        if pin in owner:
            yield Finding(loc, f"GPIO{pin} is {owner[pin]}", "a pin in use is not free")
    for name in ("dimmer", "relay"):
        pin = getattr(board.lamp, name)
        if pin is not None and pin not in board.free.outputs:
            yield Finding(("lamp", name), f"GPIO{pin} is not among free.outputs", "add it there")


def _ports(board: Board) -> Iterator[Finding]:
    if board.pole_bus.uart == board.sensor_port.uart:
        yield Finding(("sensor_port", "uart"), "both ports have the same UART", "one is UART 1, the other UART 2")
    if board.pole_bus.transceiver == "none":
        what = "the pole bus has no transceiver"
        yield Finding(("pole_bus", "transceiver"), what, "a board without one cannot be reached")
    for name, port in (("pole_bus", board.pole_bus), ("sensor_port", board.sensor_port)):
        yield from _direction(name, port)


def _direction(name: str, port: PortSection) -> Iterator[Finding]:
    if port.transceiver == "pin" and port.direction is None:
        yield Finding((name, "transceiver"), "no pin turns the transceiver round", "add direction = <pin>")
    if port.transceiver != "pin" and port.direction is not None:
        what = f'direction goes with transceiver = "pin", not "{port.transceiver}"'
        yield Finding((name, "direction"), what, "remove one of them")

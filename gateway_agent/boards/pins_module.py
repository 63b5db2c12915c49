"""Writing a board's pins as the module that goes onto the node as `node/board_pins.py`."""

from collections.abc import Iterable

from gateway_agent.boards.load import DEFAULT_BOARD, board_names, load_board
from gateway_agent.boards.model import Board, PortSection

PINS_MODULE = "node/board_pins.py"
"""Its place in a slot."""

_NO_PIN = -1


def pins_modules() -> dict[str, str]:
    """The text of each generated module by its place below the repository."""
    texts = {
        f"firmware/boards/{name.replace('-', '_')}.py": pins_module(name, load_board(name)) for name in board_names()
    }
    return {**texts, f"firmware/{PINS_MODULE}": pins_module(DEFAULT_BOARD, load_board(DEFAULT_BOARD))}


def pins_module(name: str, board: Board) -> str:
    """The module for one board."""
    lines = [
        '"""Pins of one board. Made by `make gen` from hardware/boards; do not edit.',
        "",
        f"{name}.toml: {board.board.model}.",
        "",
        "-1 is no pin. Without a direction pin the transceiver turns round by itself, or there is none.",
        '"""',
        "",
        "from micropython import const",
        "",
        f"NUMBER = const({board.board.number})",
        "",
        *_port("POLE", board.pole_bus),
        "",
        *_port("SENSOR", board.sensor_port),
        "",
        "# What has to be switched before anything can be sent: pin + 64 * level.",
        f"ENABLES = {_bytes(item.pin + 64 * item.level for item in board.enable)}",
        "",
        "# Pins that a node table may name.",
        f"INPUTS = {_bytes(board.free.inputs)}",
        f"ANALOG = {_bytes(board.free.analog)}",
        f"OUTPUTS = {_bytes(board.free.outputs)}",
    ]
    return "\n".join(lines) + "\n"


def _port(name: str, port: PortSection) -> list[str]:
    return [
        f"{name}_UART = const({port.uart})",
        f"{name}_TX = const({port.tx})",
        f"{name}_RX = const({port.rx})",
        f"{name}_DIRECTION = const({_NO_PIN if port.direction is None else port.direction})",
        f"{name}_ECHOES = const({int(port.echoes)})",
    ]


def _bytes(numbers: Iterable[int]) -> str:
    return 'b"' + "".join(f"\\x{number:02x}" for number in numbers) + '"'

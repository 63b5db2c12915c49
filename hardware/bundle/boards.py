"""What a bundle takes from a board's file: its number in the manifest, and its pins as a module of the firmware."""

from gateway_agent.boards import load_board
from gateway_agent.boards.pins_module import PINS_MODULE, pins_module
from gateway_agent.errors import GatepostError
from hardware.bundle.firmware_files import BuildError


def board_number(board: str) -> int:
    """The number of `board`. Raises BuildError for a board that there is not, or whose file is not right."""
    try:
        return load_board(board).board.number
    except GatepostError as error:
        raise BuildError(str(error)) from error


def board_sources(board: str) -> dict[str, str]:
    """The modules that `board` has otherwise than the others, by their place in a slot. Raises BuildError."""
    try:
        return {PINS_MODULE: pins_module(board, load_board(board))}
    except GatepostError as error:
        raise BuildError(str(error)) from error

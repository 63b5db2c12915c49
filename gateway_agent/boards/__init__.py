"""The boards that the node's firmware runs on: `hardware/boards/*.toml`, checked against the rules of the ESP32."""

from gateway_agent.boards.load import UnknownBoardError, board_directory, board_names, load_board
from gateway_agent.boards.model import Board

__all__ = ["Board", "UnknownBoardError", "board_directory", "board_names", "load_board"]

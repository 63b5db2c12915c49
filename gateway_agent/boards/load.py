"""Finding and reading board files."""

import importlib.resources
from pathlib import Path

from gateway_agent.boards.model import Board
from gateway_agent.boards.rules import check_board
from gateway_agent.errors import GatepostError
from gateway_agent.toml_source import ConfigError, Finding, TomlSource, load_toml, validate
from gateway_agent.toml_wording import nearest

DEFAULT_BOARD = "esp32-devkitc"


class UnknownBoardError(GatepostError):
    """No board has the name; `mend` says which one may have been meant."""

    def __init__(self, name: str, known: list[str]) -> None:
        guess = nearest(name, known)
        self.mend = f"did you mean {guess}?" if guess else f"the boards there are: {', '.join(known)}"
        super().__init__(f"there is no board {name}; {self.mend}")


def board_directory() -> Path:
    """The folder with the board files that come with Gatepost."""
    return Path(str(importlib.resources.files("hardware").joinpath("boards")))


def board_names() -> list[str]:
    """The names of the boards, sorted: the file names without `.toml`."""
    return sorted(path.stem for path in board_directory().glob("*.toml"))


def load_board(name: str) -> Board:
    """The checked board of that name. Raises UnknownBoardError, or ConfigError with every problem and its line."""
    if name not in board_names():
        raise UnknownBoardError(name, board_names())
    return board_of(load_toml(board_directory() / f"{name}.toml"))


def board_of(source: TomlSource) -> Board:
    """The checked board of a source. Raises ConfigError."""
    if not source.text.startswith("# Source: "):
        finding = Finding((), "the head does not say where the pins come from", 'begin with "# Source: ..."')
        raise ConfigError([source.problem(finding)])
    return validate(Board, source, [check_board])

"""Which number a board has in a manifest and in the node's identity registers."""

import re

from hardware.bundle.firmware_files import REPOSITORY, BuildError


def board_number(board: str) -> int:
    """The number of `board`. Raises BuildError for a board that the firmware does not know."""
    text = (REPOSITORY / "firmware/node/board.py").read_text(encoding="utf-8")
    found = re.search(r"(?m)^BOARD_NUMBER = const\((\d+)\)", text)
    if found is None:
        raise BuildError(f"firmware/node/board.py has no number for {board}")
    return int(found[1])

"""Writing the drawings, the bills of material and the udev rules: `python -m hardware.drawings.made [--check]`.

For `make gen`. With `--check` nothing is written: the names of the stale files are printed and the exit code is 1 if
there are any. Files under hardware/wiring that nothing makes any more are stale too, and are removed.
"""

import importlib.resources
import re
import sys
from pathlib import Path

from gateway_agent.boards import board_names, load_board
from gateway_agent.config.load import check_source
from gateway_agent.config.schema import PoleConfig
from gateway_agent.toml_source import parse_toml
from hardware.drawings.bill import board_bill, pole_bill
from hardware.drawings.bill_text import bill_csv, bill_markdown
from hardware.drawings.board_drawing import board_drawing
from hardware.drawings.pole_drawing import pole_drawings
from hardware.drawings.udev_rules import RULES_FILE, udev_rules

_FOLDER = "hardware/wiring"
_OF_THE_RIG = {"platform": "coap://127.0.0.1:5683"}
"""What stands in for the names in braces that the rig fills in, where a plain word will not do."""


def repository() -> Path:
    """The folder that holds `hardware`."""
    return Path(str(importlib.resources.files("hardware"))).parent


def kit_pole(path: Path) -> PoleConfig:
    """A pole kit, the rig's names in braces filled in. Raises ConfigError."""
    text = re.sub(r"\$\{(\w+)\}", lambda name: _OF_THE_RIG.get(name[1], name[1]), path.read_text(encoding="utf-8"))
    return check_source(parse_toml(text, path))


def generated_files(root: Path) -> dict[Path, str]:
    """The text that each generated file should have, by its path below `root`."""
    files: dict[str, str] = {f"deploy/{RULES_FILE}": udev_rules()}
    for name in board_names():
        board = load_board(name)
        drawing, lines = f"board-{name}.svg", board_bill(board.parts)
        files[f"{_FOLDER}/{drawing}"] = board_drawing(name, board).render()
        origin = f"`hardware/boards/{name}.toml`"
        files[f"{_FOLDER}/board-{name}.md"] = bill_markdown(board.board.model, origin, [drawing], lines)
        files[f"{_FOLDER}/board-{name}.csv"] = bill_csv(lines)
    for path in sorted((repository() / "hardware" / "poles").glob("*.toml")):
        pole, stem = kit_pole(path), f"pole-{path.stem}"
        origin, names, lines = f"hardware/poles/{path.name}", [], pole_bill(pole)
        for number, sheet in enumerate(pole_drawings(origin, pole), 1):
            names.append(f"{stem}.svg" if number == 1 else f"{stem}-{number}.svg")
            files[f"{_FOLDER}/{names[-1]}"] = sheet.render()
        files[f"{_FOLDER}/{stem}.md"] = bill_markdown(f"Pole {pole.pole.gateway}", f"`{origin}`", names, lines)
        files[f"{_FOLDER}/{stem}.csv"] = bill_csv(lines)
    return {root / name: text for name, text in files.items()}


def main(arguments: list[str], root: Path | None = None) -> int:
    """Write the stale files below `root` (this repository), or with `--check` only name them; the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m hardware.drawings.made [--check]", file=sys.stderr)
        return 2
    root = root or repository()
    files = generated_files(root)
    stale = [path for path, text in files.items() if not path.is_file() or path.read_bytes() != text.encode()]
    left = [path for path in sorted((root / _FOLDER).glob("*")) if path not in files]
    for path in stale:
        print(f"{'stale' if arguments else 'written'}: {path.relative_to(root)}")
        if not arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[path].encode())
    for path in left:
        print(f"{'stale' if arguments else 'removed'}: {path.relative_to(root)}")
        if not arguments:
            path.unlink()
    if arguments and (stale or left):
        print("run `make gen` and commit the result")
    return 1 if arguments and (stale or left) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

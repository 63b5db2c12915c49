"""Writing what is made from profiles and boards: `python -m gateway_agent.profiles.tables [--check]`, for `make gen`.

Made are the register tables in docs/devices.md, the table of modems in docs/modems.md, the whole of docs/node-map.md,
docs/node-codes.md, docs/objects.md and protocols/node_map.py, and the pins of each board in firmware/boards, those of
the default board in firmware/node/board_pins.py as well. With `--check` nothing is written: the names of the stale
files are printed and the exit code is 1 if there are any.
"""

import sys
from itertools import takewhile
from pathlib import Path

from gateway_agent.boards.pins_module import pins_modules
from gateway_agent.modem.document import modems_table
from gateway_agent.profiles.device_document import device_sections
from gateway_agent.profiles.load import load_profile, profile_directory, profile_names
from gateway_agent.profiles.node_codes_document import node_codes_document
from gateway_agent.profiles.node_map_document import node_map_document
from gateway_agent.profiles.node_map_module import node_map_module
from gateway_agent.uplink.objects import objects_file, objects_path
from gateway_agent.uplink.objects_document import objects_document

_OWN_NODE = "gatepost-node"
_BEGIN = "<!-- made by `make gen` from hardware/devices; do not edit below -->\n"
_BEGIN_MODEMS = "<!-- made by `make gen` from hardware/modems; do not edit below -->\n"


def generated_files(root: Path) -> dict[Path, str]:
    """The text that each generated file should have, by its path; `root` is the repository."""
    node = load_profile(_OWN_NODE)
    protocols = profile_directory().parents[1] / "protocols"
    devices, modems = root / "docs" / "devices.md", root / "docs" / "modems.md"
    profiles = {name: load_profile(name) for name in profile_names() if name != _OWN_NODE}
    heads = {name: head_comment((profile_directory() / f"{name}.toml").read_text("utf-8")) for name in profiles}
    return {
        devices: _hand_written(devices, _BEGIN) + _BEGIN + "\n" + device_sections(profiles, heads),
        modems: _hand_written(modems, _BEGIN_MODEMS) + _BEGIN_MODEMS + "\n" + modems_table(),
        root / "docs" / "node-map.md": node_map_document(node),
        root / "docs" / "objects.md": objects_document(objects_file(), profiles, _head_lines(objects_path())),
        root / "docs" / "node-codes.md": node_codes_document(protocols),
        root / "protocols" / "node_map.py": node_map_module(node),
        **{root / place: text for place, text in pins_modules().items()},
    }


def head_comment(text: str) -> str:
    """The comment at the head of a profile as one paragraph."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _head_lines(path: Path) -> str:
    """The comment at the head of a file as it stands there, without its marks and its last paragraph, which is for
    whoever writes the file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line.removeprefix("#").removeprefix(" ") for line in takewhile(lambda line: line.startswith("#"), lines)]
    return "\n".join(head).rpartition("\n\n")[0]


def stale_files(root: Path) -> list[Path]:
    """The generated files that are missing or differ from what the profiles give."""
    return [
        path
        for path, text in generated_files(root).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str], root: Path | None = None) -> int:
    """Write the stale files below `root` (this repository), or with `--check` only name them; the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m gateway_agent.profiles.tables [--check]", file=sys.stderr)
        return 2
    root = root or profile_directory().parents[1]
    texts = generated_files(root)
    stale = stale_files(root)
    for path in stale:
        print(f"{'stale' if arguments else 'written'}: {path.relative_to(root)}")
        if not arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
    if arguments and stale:
        print("run `make gen` and commit the result")
    return 1 if arguments and stale else 0


def _hand_written(path: Path, mark: str) -> str:
    """The part of a document above the mark, which people write."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text.partition(mark)[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Node files: what they order, and what is said of those that are wrong."""

from pathlib import Path

import pytest

from gateway_agent.config import load_pole
from gateway_agent.provision import node_table
from gateway_agent.toml_source import ConfigError
from hardware.flash.node_file import read_node_file

HARDWARE = Path(__file__).parents[3] / "hardware"


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_orders_a_node_of_the_example_pole() -> None:
    order = read_node_file(HARDWARE / "nodes/example.toml", None)
    pole = load_pole(HARDWARE / "poles/example.toml")
    assert order.terminal == "110108-0004711"
    assert (order.board, order.table) == (pole.node("lamp_node").board, node_table(pole, "lamp_node"))


def test_keys_and_update_key_come_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "a.key").write_text("ab" * 32)
    (tmp_path / "b.key").write_text("cd" * 32)
    (tmp_path / "update.key").write_bytes(bytes(384))
    text = '[node]\nterminal = "T-1"\nkey_file = "a.key"\nbroadcast_key_file = "b.key"\nupdate_key = "update.key"\n'
    order = read_node_file(write(tmp_path, text), "kc868-a16")
    assert (order.node_key, order.broadcast_key) == (b"\xab" * 32, b"\xcd" * 32)
    assert (order.update_key, order.table, order.board) == (bytes(384), None, "kc868-a16")


@pytest.mark.parametrize(
    ("text", "board", "told"),
    [
        (
            '[node]\nterminal = ""\n',
            "esp32-devkitc",
            r"node.toml:2: the terminal code is empty; write the code as it stands",
        ),
        ('[node]\nterminal = "Mast 12"\n', "esp32-devkitc", r"'Mast 12' is no terminal code"),
        ('[node]\nterminal = "T"\npole = "p.toml"\n', None, r":3: pole stands without name; add name"),
        ('[node]\nterminal = "T"\nname = "lamp"\n', None, r":3: name stands without pole"),
        ('[node]\nterminal = "T"\n', None, r"no pole is named.*--board"),
        ('[node]\nterminal = "T"\nkey_file = "no.key"\n', "esp32-devkitc", r":3: the key file .* cannot be read"),
        ('[node]\nterminal = "T"\nupdate_key = "node.toml"\n', "esp32-devkitc", r":3: .* holds no public keys"),
        ('[node]\nterminal = "T"\npole = "POLE"\nname = "lamp"\n', None, r":4: .* has no node lamp; its nodes are: "),
        ('[node]\nterminal = "T"\npole = "POLE"\nname = "lamp_node"\n', "kc868-a16", r":4: lamp_node is a esp32-"),
        ('[node]\nterminal = "T"\nterminals = 1\n', "esp32-devkitc", r":3: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, board: str | None, told: str) -> None:
    path = write(tmp_path, text.replace("POLE", str(HARDWARE / "poles/example.toml")))
    with pytest.raises(ConfigError, match=told):
        read_node_file(path, board)

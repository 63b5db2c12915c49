"""What is made from the profiles is fresh, and staleness is told."""

import re
from array import array
from pathlib import Path

import pytest

from gateway_agent.profiles import load_profile, tables
from gateway_agent.profiles.load import profile_directory
from gateway_agent.profiles.node_codes_document import untold_constants
from protocols import frame, node_map, node_table, node_table_layout, quality
from tests.firmware.sensor_tables import pole_of, table_and_slots

ROOT = profile_directory().parents[1]


def copy_of_generated_files(folder: Path) -> None:
    for path in tables.generated_files(ROOT):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")


def test_the_generated_files_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert tables.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_a_stale_file_is_named_and_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_of_generated_files(tmp_path)
    stale = tmp_path / "protocols" / "node_map.py"
    stale.write_text("IDENTITY = 1\n", encoding="utf-8")
    assert tables.main(["--check"], tmp_path) == 1
    assert "stale: protocols/node_map.py" in capsys.readouterr().out
    assert stale.read_text(encoding="utf-8") == "IDENTITY = 1\n"


def test_what_people_wrote_above_the_mark_is_kept(tmp_path: Path) -> None:
    copy_of_generated_files(tmp_path)
    document = tmp_path / "docs" / "devices.md"
    document.write_text("# Mine\n\n" + document.read_text(encoding="utf-8") + "\nstale", encoding="utf-8")
    (tmp_path / "docs" / "node-map.md").unlink()
    assert tables.main([], tmp_path) == 0
    assert tables.main(["--check"], tmp_path) == 0
    assert document.read_text(encoding="utf-8").startswith("# Mine\n\n# Devices\n")
    assert not document.read_text(encoding="utf-8").endswith("stale")


def test_other_words_are_refused() -> None:
    assert tables.main(["--chekc"]) == 2


def test_the_node_map_has_the_addresses_of_the_profile() -> None:
    blocks = load_profile("gatepost-node").blocks
    for name, block in blocks.items():
        assert getattr(node_map, name.upper()) == block.address
        assert getattr(node_map, f"{name.upper()}_REGISTERS") == block.registers
        at = block.address
        for field in block.fields:
            assert getattr(node_map, f"{name}_{field.name}".upper()) == at
            at += field.registers
    assert node_map.EVENT == 0x0108
    assert node_map.EVENT_REGISTERS == 10
    assert node_map.SLOT == 0x0200
    assert node_map.SLOT_COUNT == node_table_layout.MAX_SLOTS


def test_every_number_of_a_node_stands_in_the_document_with_its_meaning() -> None:
    marks = {"NO_SLOT", "LEVEL_UNKNOWN", "RESUME", "FAULT_COUNT", "ALARM_COUNT", "NO_ALARM"}
    assert {name.partition(".")[2] for name in untold_constants(ROOT / "protocols")} == marks


def test_what_the_nodes_page_points_at_is_there() -> None:
    text = (ROOT / "docs" / "node.md").read_text(encoding="utf-8")
    codes = (ROOT / "docs" / "node-codes.md").read_text(encoding="utf-8")
    headings = {head.lower().replace(" ", "-").replace("'", "") for head in re.findall(r"(?m)^## (.+)$", codes)}
    links = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", text)
    assert len(links) > 20
    for file, anchor in links:
        assert (ROOT / "docs" / file).exists(), file
        assert not anchor or (file == "node-codes.md" and anchor in headings), anchor
    for name in set(re.findall(r'_(?:FILE|NAME) = "([a-z]+)"', _node_sources())):
        assert f"`{name}.a\\|b`" in text, name


def _node_sources() -> str:
    """The sources of the modules that keep two copies of something."""
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "firmware" / "node").glob("*.py")]
    return "\n".join(text for text in texts if "two_copies" in text)


def test_the_worked_example_of_a_serial_sensor_reads_the_frame_that_it_is_made_for(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
    profile = tmp_path / "example-d1.toml"
    profile.write_text(text.split("How to add a serial sensor")[1].split("```toml\n")[1].split("```")[0])
    table, slots = table_and_slots(pole_of((str(profile), {})))
    frame_at = frame.frame_at(table, 0)
    printed = bytes.fromhex("A5 5A 00 23 01 02 26")
    assert frame.find(table, frame_at, printed, len(printed)) == 0
    values, qualities = array("i", [0, 0]), bytearray(2)
    start = table[frame_at + node_table_layout.FRAME_ORIGIN]
    for slot in slots.values():
        node_table.decode_point(table, slot, printed, start, values, qualities)
    assert (values[slots["dust"]], values[slots["temperature"]]) == (35, 258)
    assert list(qualities) == [quality.GOOD] * 2

"""Drawings, bills and rules are fresh, staleness is told, and the bills count what the pole has."""

import csv
from pathlib import Path

import pytest

from gateway_agent.boards import load_board
from gateway_agent.config.load import load_pole
from hardware.drawings import made
from hardware.drawings.bill import board_bill, pole_bill, rows, totals
from tests.hardware.drawings.test_drawings import greatest_pole

EXAMPLE = made.repository() / "hardware" / "poles" / "example.toml"


def test_the_generated_files_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert made.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_stale_missing_and_orphaned_files_are_named_and_then_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made.main([], tmp_path) == 0
    wiring = tmp_path / "hardware" / "wiring"
    (wiring / "pole-demo.svg").write_text("old", encoding="utf-8")
    (wiring / "board-esp32-devkitc.csv").unlink()
    (wiring / "pole-gone.svg").write_text("nobody makes me", encoding="utf-8")
    capsys.readouterr()
    assert made.main(["--check"], tmp_path) == 1
    told = capsys.readouterr().out
    for name in ("pole-demo.svg", "board-esp32-devkitc.csv", "pole-gone.svg"):
        assert f"stale: hardware/wiring/{name}" in told
    assert (wiring / "pole-demo.svg").read_text(encoding="utf-8") == "old"
    assert made.main([], tmp_path) == 0
    assert made.main(["--check"], tmp_path) == 0
    assert not (wiring / "pole-gone.svg").exists()


def test_other_words_are_refused() -> None:
    assert made.main(["--chekc"]) == 2


def test_the_bill_of_a_pole_has_every_device_and_the_ends_of_every_bus() -> None:
    pole = load_pole(EXAMPLE)
    lines = pole_bill(pole)
    by_part = {line.part: line for line in lines}
    assert by_part["RS-485 adapter"].quantity == 2
    assert by_part["Node"].quantity == 2
    assert by_part["Level probe"].model == "QDY30A"
    assert by_part["RS-485 to TTL module"].quantity == 1
    assert "Relay module" not in by_part
    assert "Modem" not in by_part
    assert sum(line.quantity for line in lines) == int(totals(lines)[0].split()[0])


def test_the_bill_of_the_greatest_pole_counts_nodes_modem_and_outputs_of_the_lamp() -> None:
    lines = {(line.part, line.model): line for line in pole_bill(greatest_pole())}
    assert sum(line.quantity for (part, _), line in lines.items() if part == "Node") == 32
    assert lines["Modem", "Quectel EC800"].quantity == 1
    assert sum(line.quantity for (part, _), line in lines.items() if part == "Antenna") == 1
    assert sum(line.quantity for (part, _), line in lines.items() if part in ("Relay module", "0-10 V stage")) == 2


def test_currents_are_summed_and_brought_to_the_rail() -> None:
    told = totals(board_bill(load_board("esp32-devkitc").parts))
    assert "At 5 V DC: 500 mA at most, as far as the currents above are known." in told
    assert "Through converters of 85% that is 123 mA from the rail of 24 V." in told


def test_the_table_for_a_spreadsheet_has_the_lines_of_the_page() -> None:
    lines = pole_bill(load_pole(EXAMPLE))
    text = (made.repository() / "hardware" / "wiring" / "pole-example.csv").read_text(encoding="utf-8")
    head, *table = csv.reader(text.splitlines())
    assert head[:4] == ["pos", "qty", "part", "model"]
    assert [tuple(row) for row in table] == list(rows(lines))

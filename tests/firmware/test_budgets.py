"""The limits of firmware/budgets.toml, on the two nodes of the demo with all their devices."""

import tomllib
from pathlib import Path

import pytest

from gateway_agent.boards.load import DEFAULT_BOARD
from hardware.bundle.boards import board_number, board_sources
from hardware.bundle.bundle_writer import make_bundle
from hardware.bundle.firmware_files import firmware_files, source_version
from tests.firmware import demo_nodes
from tests.firmware.update_bench import signing_key

BUDGETS = tomllib.loads((Path(__file__).parents[2] / "firmware/budgets.toml").read_text(encoding="utf-8"))
MINUTES = 40


@pytest.mark.parametrize("case", demo_nodes.CASES)
def test_a_node_stays_within_its_heap(tmp_path: Path, case: str) -> None:
    figures = demo_nodes.day(tmp_path, case, MINUTES)
    print({metric: round(value) for metric, value in figures.items()})
    assert figures["heap_peak_day_bytes"] <= BUDGETS[case]["heap_peak_day_bytes"]
    assert figures["heap_growth_day_bytes"] <= BUDGETS[case]["heap_growth_day_bytes"]


@pytest.mark.parametrize("case", demo_nodes.CASES)
def test_neither_polls_nor_events_take_heap(tmp_path: Path, case: str) -> None:
    assert demo_nodes.heap_per_poll(tmp_path, case) <= BUDGETS[case]["heap_per_poll_bytes"]
    assert demo_nodes.heap_per_event(tmp_path, case) <= BUDGETS[case]["heap_per_event_bytes"]


def test_an_update_is_no_longer_than_it_may_be() -> None:
    files = firmware_files(None, board_sources(DEFAULT_BOARD))
    made = make_bundle(files, source_version(), (0, 0, 0), board_number(DEFAULT_BOARD), signing_key())
    assert len(made.content) <= BUDGETS["bundle"]["bundle_bytes"]

"""A small dose of each fault of a node but those of an update; `make faults ARGS=node` runs them wholly."""

import pytest

from tests.faults import node_event, node_fuzz_modbus, node_fuzz_serial, node_gateway_gone, node_littlefs, node_settings
from tests.faults.node import Case, Row, cases, is_clean

DOSES = {
    "settings cut": lambda: node_settings.settings_cut(every=40),
    "events cut": lambda: node_event.event_cut(every=30),
    "settings on littlefs": lambda: node_littlefs.settings_on_littlefs(every=4),
    "events on littlefs": lambda: node_littlefs.events_on_littlefs(every=4),
    "Modbus frames": lambda: node_fuzz_modbus.fuzz(frames=1_000),
    "forged writes": lambda: node_fuzz_modbus.forge(frames=500),
    "gateway gone": lambda: node_gateway_gone.gateway_gone(days=2),
    "no clock at night": lambda: node_gateway_gone.no_clock((0,)),
}
CONTROLS = {
    "settings on littlefs": lambda: node_littlefs.settings_on_littlefs_control(every=4),
    "events cut": lambda: node_event.event_cut_control(every=40),
    "events on littlefs": lambda: node_littlefs.events_on_littlefs_control(every=4),
    "Modbus frames": lambda: node_fuzz_modbus.fuzz_control(frames=300),
    "serial frames": lambda: node_fuzz_serial.run("dose", node_fuzz_serial.SENSORS[:2], 1_000, trusting=True),
    "gateway gone": lambda: node_gateway_gone.gateway_gone(has_schedule=False, days=1),
}


@pytest.mark.parametrize("dose", DOSES)
def test_a_node_survives(dose: str) -> None:
    row: Row = DOSES[dose]()
    print(row)
    assert is_clean(row), row


def test_a_node_survives_serial_frames() -> None:
    """The heap is not judged by so few: what is made once is still being made."""
    row = node_fuzz_serial.run("dose", node_fuzz_serial.SENSORS, 1_000)
    print(row)
    assert (row["survived"], row["crashed"], row["lost"], row["wrong"]) == (row["tried"], 0, 0, 0), row


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_is_caught(control: str) -> None:
    row: Row = CONTROLS[control]()
    print(row)
    assert not is_clean(row), row


def test_every_case_has_a_control_beside_it() -> None:
    known: dict[str, Case] = cases()
    assert {name for name in known if not name.endswith("-control") and f"{name}-control" not in known} == set()

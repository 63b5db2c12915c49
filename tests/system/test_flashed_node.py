"""From an order to a node that answers: real esptool, simulated ESP32, and the firmware on a real MicroPython from the
file system and the NVS that were written."""

from hardware.flash.file_system import node_files
from hardware.flash.layout import read_back
from hardware.rig.esp32.chip import SimulatedChip
from hardware.rig.esp32.in_thread import BoardThread
from hardware.rig.esp32.node_application import NodeApplication
from protocols import factory_record
from tests.faults._flash_world import MAC, flash, holds, job

MACHINES_MICROPYTHON = "v1.27.0"
"""What the rig's machine is, and a node's report tells."""


def test_a_board_is_flashed_and_its_node_comes_up_as_ordered(tmp_path):
    work = job("ota", micropython=MACHINES_MICROPYTHON)
    application = NodeApplication(tmp_path / "node", MAC)
    chip = SimulatedChip()
    with BoardThread(chip, tmp_path / "port", application=application, attended=True) as board:
        result = flash(work, board).result
        machine = application.machine
    assert result.problem is None, result.problem
    assert all(check.is_right for check in result.checks)
    assert result.report["terminal"] == work.order.terminal
    assert machine is not None
    assert not machine.running, "the cable was pulled"

    assert holds(chip, work)
    found = read_back(bytes(chip.memory.content))
    assert found.table == work.plan.table
    assert found.files == node_files(work.order, work.application)
    record = found.nvs[(factory_record.NVS_NAMESPACE, factory_record.NVS_KEY)]
    assert isinstance(record, bytes)
    assert factory_record.field(record, factory_record.NODE_KEY) == work.order.node_key

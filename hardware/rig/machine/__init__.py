"""The node machine: the official MicroPython virtual machine under Node.js, dressed as an ESP32, on the rig's clock."""

from hardware.rig.machine.flash import build_flash, lay_copy
from hardware.rig.machine.lockstep import MachineError
from hardware.rig.machine.node_machine import NodeMachine, Nvs, package_files, run_script

__all__ = ["MachineError", "NodeMachine", "Nvs", "build_flash", "lay_copy", "package_files", "run_script"]

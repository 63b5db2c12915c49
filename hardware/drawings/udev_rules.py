"""deploy/99-gatepost.rules: names that stay for the serial ports of a gateway, made from hardware/modems and
hardware/parts/usb.toml.

udev(7): each line is a list of KEY OP "VALUE"; `==` compares, `=` and `+=` set. ModemManager leaves alone what has
ID_MM_DEVICE_IGNORE (the device) or ID_MM_PORT_IGNORE (the port).
"""

import importlib.resources
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway_agent.modem.dialect import UsbId, load_modem, modem_names
from gateway_agent.toml_source import TomlModel, load_toml, validate

RULES_FILE = "99-gatepost.rules"

_HEAD = """\
# Made by `make gen` from hardware/modems and hardware/parts/usb.toml; do not edit. How to install it: README.md.
#
# /dev/gatepost/serial-<number>  an adapter or a board, by the serial number of its chip
# /dev/gatepost/serial-<path>    one without a number (CH340), by the USB socket that it is in
# /dev/gatepost-modem            the port of the modem that takes AT commands
#
# All of them belong to the group dialout, and ModemManager leaves them alone.

ACTION=="remove", GOTO="gatepost_end"

# FTDI adapters gather bytes for 16 ms before they hand them on; polls want 1 ms.
SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", ATTR{latency_timer}="1"
"""


class Chip(TomlModel):
    """`[[chips]]` of hardware/parts/usb.toml."""

    name: str
    vendor: UsbId
    product: UsbId
    has_serial: bool
    source: Annotated[str, Field(min_length=1)]
    mark: Literal["C", "K"]


class Chips(TomlModel):
    """The whole file."""

    chips: Annotated[tuple[Chip, ...], Strict(False)]


def load_chips() -> tuple[Chip, ...]:
    """The chips. Raises ConfigError."""
    path = Path(str(importlib.resources.files("hardware").joinpath("parts", "usb.toml")))
    return validate(Chips, load_toml(path)).chips


def udev_rules() -> str:
    """The text of the file."""
    lines = [_HEAD]
    for chip in load_chips():
        by = "$env{ID_SERIAL_SHORT}" if chip.has_serial else "$env{ID_PATH}"
        known = 'ENV{ID_SERIAL_SHORT}=="?*"' if chip.has_serial else 'ENV{ID_PATH}=="?*"'
        lines.append(f"# {chip.name} ({_sure(chip.mark)})")
        lines += _left_alone(chip.vendor, chip.product)
        lines.append(f'{_port(chip.vendor, chip.product)}, {known}, SYMLINK+="gatepost/serial-{by}"')
        lines.append("")
    for name in modem_names():
        modem = load_modem(name)
        if modem.usb is None:
            continue
        usb = modem.usb
        told = "" if usb.at_interface else ": which port takes AT commands is not known, see docs/modems.md"
        lines.append(f"# {modem.modem.name} ({_sure(usb.mark)}){told}")
        for product in usb.products:
            lines += _left_alone(usb.vendor, product)
            if usb.at_interface:
                number = f'ENV{{ID_USB_INTERFACE_NUM}}=="{usb.at_interface}"'
                lines.append(f'{_port(usb.vendor, product)}, {number}, SYMLINK+="gatepost-modem"')
        lines.append("")
    return "\n".join([*lines, 'LABEL="gatepost_end"', ""])


def _sure(mark: str) -> str:
    return "from a source" if mark == "C" else "usual, compare with udevadm info"


def _port(vendor: str, product: str) -> str:
    return f'SUBSYSTEM=="tty", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"'


def _left_alone(vendor: str, product: str) -> Iterator[str]:
    ids = f'ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}"'
    yield f'SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_device", {ids}, ENV{{ID_MM_DEVICE_IGNORE}}="1"'
    yield f'{_port(vendor, product)}, GROUP="dialout", MODE="0660", ENV{{ID_MM_PORT_IGNORE}}="1"'

"""Serial ports: which one the node hangs on, whether it is there, and opening it to talk to the node."""

import os
from dataclasses import dataclass

import serial
from serial.tools import list_ports

from hardware.flash.problem import FlashProblem, Kind

CONSOLE_BAUD = 115200
"""At which a node's console talks (protocols/spec/console.md)."""
_WRITE_TIMEOUT_S = 2.0
_BRIDGES = {
    (0x10C4, 0xEA60): "CP210x",
    (0x1A86, 0x7523): "CH340",
    (0x1A86, 0x55D4): "CH9102",
    (0x0403, 0x6001): "FT232",
    (0x0403, 0x6015): "FT231X",
}
"""USB bridges that stand on boards with an ESP32, by vendor and product (their data sheets)."""
_PLUG_IN = "plug the node in with a USB cable that carries data, not power only; on Linux `dmesg | tail` names its port"


@dataclass(frozen=True, slots=True)
class FoundPort:
    """A USB serial port: its name and what it says of itself."""

    name: str
    description: str


def is_url(port: str) -> bool:
    """Whether pyserial takes it as an address and not as a device of this computer."""
    return "://" in port


def has_lines(port: str) -> bool:
    """Whether the chip can be reset over it: a plain socket carries data alone."""
    return not port.startswith("socket://")


def is_there(port: str) -> bool:
    """Whether a device is plugged in under this name; an address counts as there."""
    return is_url(port) or os.name == "nt" or os.path.exists(port)


def usb_ports() -> list[FoundPort]:
    """USB serial ports of this computer, bridges known from boards with an ESP32 first."""
    found = []
    for port in list_ports.comports():
        if port.vid is not None:
            bridge = _BRIDGES.get((port.vid, port.pid))
            found.append((bridge is None, port.device, bridge or port.description or "USB serial"))
    return [FoundPort(name, description) for _, name, description in sorted(found)]


def find_port() -> str:
    """The port of the only node that is plugged in. Raises FlashProblem(NO_PORT) for none or several."""
    found = usb_ports()
    if not found:
        raise FlashProblem(Kind.NO_PORT, "no USB serial port was found", _PLUG_IN)
    if len(found) > 1:
        names = ", ".join(f"{port.name} ({port.description})" for port in found)
        raise FlashProblem(
            Kind.NO_PORT, f"{len(found)} USB serial ports were found: {names}", "say which one with --port"
        )
    return found[0].name


def open_console(port: str) -> serial.SerialBase:
    """Open the port to talk to the running node, without pulling its reset lines. Raises FlashProblem."""
    try:
        line = serial.serial_for_url(port, CONSOLE_BAUD, timeout=0.1, do_not_open=True)
        if not is_url(port):
            line.exclusive = True
            line.write_timeout = _WRITE_TIMEOUT_S
        line.dtr = False
        line.rts = False
        line.open()
    except (OSError, ValueError, serial.SerialException) as error:
        raise FlashProblem(
            Kind.PORT_TAKEN if is_there(port) else Kind.CABLE,
            f"{port} cannot be opened to ask the node ({error})",
            "plug the cable in again, close what else uses the port, and run this again",
        ) from error
    return line

"""One output line of the kernel's GPIO character device, by its version 2 interface.

Source: Linux include/uapi/linux/gpio.h (GPIO_V2, since Linux 5.10). A line is named as the board names it
(`GPIO17` on a Raspberry Pi, see `gpioinfo`) or as `gpiochip0:17`. The published bindings would do the same three calls;
they are LGPL and need a compiled library, so these calls stand here.
"""

import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

_CHIP_INFO = struct.Struct("=32s32sI")
_LINE_INFO = struct.Struct("=32s32sIIQ160s16x")
_LINE_REQUEST = struct.Struct("=256s32sQI20x240sII20xi")
_LINE_VALUES = struct.Struct("=QQ")
_FLAG_OUTPUT = 1 << 3


def _ioctl_number(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | 0xB4 << 8 | number


GET_CHIP_INFO = _ioctl_number(2, 0x01, _CHIP_INFO.size)
GET_LINE_INFO = _ioctl_number(3, 0x05, _LINE_INFO.size)
GET_LINE = _ioctl_number(3, 0x07, _LINE_REQUEST.size)
SET_VALUES = _ioctl_number(3, 0x0F, _LINE_VALUES.size)

Ioctl = Callable[[int, int, bytearray], int]


def _kernel_ioctl(descriptor: int, number: int, argument: bytearray) -> int:
    return int(fcntl.ioctl(descriptor, number, argument, True))


class GpioLine:
    """An output line. `open` takes it from the kernel, `set` drives it, `close` gives it back (it becomes an input)."""

    def __init__(self, name: str, ioctl: Ioctl = _kernel_ioctl, devices: Path = Path("/dev")) -> None:
        self.name = name
        self._ioctl = ioctl
        self._devices = devices
        self._descriptor: int | None = None

    def open(self) -> None:
        """Take the line as an output that is low. Raises OSError when it is unknown, in use or not permitted."""
        chip_path, offset = self._find()
        chip = os.open(chip_path, os.O_RDWR | os.O_CLOEXEC)
        try:
            request = bytearray(
                _LINE_REQUEST.pack(offset.to_bytes(4, "little"), b"gatepost rs485", _FLAG_OUTPUT, 0, b"", 1, 0, 0)
            )
            self._ioctl(chip, GET_LINE, request)
        finally:
            os.close(chip)
        self._descriptor = _LINE_REQUEST.unpack(request)[-1]

    def set(self, high: bool) -> None:
        """Drive the line high or low; nothing happens when it is not open."""
        if self._descriptor is not None:
            self._ioctl(self._descriptor, SET_VALUES, bytearray(_LINE_VALUES.pack(int(high), 1)))

    def close(self) -> None:
        """Lower the line and give it back to the kernel."""
        if self._descriptor is not None:
            self.set(False)
            os.close(self._descriptor)
            self._descriptor = None

    def _find(self) -> tuple[Path, int]:
        chip, colon, number = self.name.partition(":")
        if colon and number.isdecimal():
            return self._devices / chip, int(number)
        for path in sorted(self._devices.glob("gpiochip*")):
            offset = self._offset_in(path)
            if offset is not None:
                return path, offset
        raise FileNotFoundError(f"no GPIO chip has a line named {self.name!r}")

    def _offset_in(self, path: Path) -> int | None:
        chip = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            info = bytearray(_CHIP_INFO.size)
            self._ioctl(chip, GET_CHIP_INFO, info)
            for offset in range(_CHIP_INFO.unpack(info)[2]):
                line = bytearray(_LINE_INFO.pack(b"", b"", offset, 0, 0, b""))
                self._ioctl(chip, GET_LINE_INFO, line)
                if _LINE_INFO.unpack(line)[0].rstrip(b"\0").decode("ascii", "replace") == self.name:
                    return offset
        finally:
            os.close(chip)
        return None

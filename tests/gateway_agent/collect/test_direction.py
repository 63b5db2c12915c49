"""Direction of the transceiver: RTS by the kernel, GPIO by us, the latter against a stand-in for the kernel's calls."""

import asyncio
import os
import pty
import struct
from pathlib import Path

import pytest
import serial

from gateway_agent.collect import gpio_line
from gateway_agent.collect.direction import AutoDirection, DirectionError, GpioDirection, RtsDirection, direction_for
from gateway_agent.collect.gpio_line import GpioLine
from gateway_agent.config import BusConfig
from hardware.rig.clock import RigClock, run_virtual


class FakeKernel:
    """Two lines named ID_SDA and GPIO17 on one chip; remembers what line 1 was set to, and when."""

    def __init__(self) -> None:
        self.levels: list[tuple[float, int]] = []
        self.taken: list[int] = []
        self.busy = False

    def ioctl(self, descriptor: int, number: int, argument: bytearray) -> int:
        if number == gpio_line.GET_CHIP_INFO:
            struct.pack_into("=32s32sI", argument, 0, b"gpiochip0", b"pinctrl", 2)
        elif number == gpio_line.GET_LINE_INFO:
            (offset,) = struct.unpack_from("=I", argument, 64)
            struct.pack_into("=32s", argument, 0, (b"ID_SDA", b"GPIO17")[offset])
        elif number == gpio_line.GET_LINE:
            if self.busy:
                raise OSError(16, "Device or resource busy")
            (offset,) = struct.unpack_from("=I", argument, 0)
            (flags,) = struct.unpack_from("=Q", argument, 288)
            (lines,) = struct.unpack_from("=I", argument, 560)
            assert (flags, lines) == (8, 1)
            self.taken.append(offset)
            struct.pack_into("=i", argument, 588, os.dup(descriptor))
        elif number == gpio_line.SET_VALUES:
            bits, mask = struct.unpack("=QQ", argument)
            assert mask == 1
            loop = asyncio.get_running_loop()
            self.levels.append((loop.time(), bits))
        return 0


@pytest.fixture
def chip(tmp_path: Path) -> Path:
    (tmp_path / "gpiochip0").touch()
    return tmp_path


@pytest.mark.parametrize(("name", "offset"), [("GPIO17", 1), ("gpiochip0:0", 0)])
def test_a_gpio_line_is_high_exactly_while_a_frame_goes_out(chip: Path, name: str, offset: int) -> None:
    kernel = FakeKernel()

    async def main(_clock: RigClock) -> None:
        direction = GpioDirection(GpioLine(name, kernel.ioctl, chip))
        direction.prepare(serial.Serial())
        direction.sending(0.008)
        await asyncio.sleep(1)
        direction.close()

    run_virtual(main)
    assert kernel.taken == [offset]
    assert [level for _, level in kernel.levels] == [0, 1, 0, 0]
    assert kernel.levels[2][0] == pytest.approx(0.0082)


def test_a_gpio_line_that_is_taken_or_unknown_is_told_with_the_mend(chip: Path) -> None:
    kernel = FakeKernel()
    kernel.busy = True
    for name in ("GPIO17", "GPIO99"):
        with pytest.raises(DirectionError, match=rf"GPIO line {name} cannot be used .* check gpio_line"):
            GpioDirection(GpioLine(name, kernel.ioctl, chip)).prepare(serial.Serial())


def test_the_kernel_structures_have_the_sizes_of_the_header() -> None:
    """Sizes and request numbers as Linux include/uapi/linux/gpio.h gives them on 64-bit machines."""
    numbers = (gpio_line.GET_CHIP_INFO, gpio_line.GET_LINE_INFO, gpio_line.GET_LINE, gpio_line.SET_VALUES)
    assert numbers == (0x8044B401, 0xC100B405, 0xC250B407, 0xC010B40F)


def test_a_driver_without_rts_control_is_told_with_the_mend() -> None:
    master, slave = pty.openpty()
    try:
        with (
            serial.Serial(os.ttyname(slave)) as port,
            pytest.raises(DirectionError, match=r'cannot switch direction by RTS .* set rs485 = "auto"'),
        ):
            RtsDirection().prepare(port)
    finally:
        os.close(master)
        os.close(slave)


def test_each_setting_has_its_way_of_turning() -> None:
    kinds = {
        setting: type(direction_for(BusConfig(name="pole", port="x", rs485=setting, gpio_line="GPIO17")))
        for setting in ("auto", "rts", "gpio")
    }
    assert kinds == {"auto": AutoDirection, "rts": RtsDirection, "gpio": GpioDirection}

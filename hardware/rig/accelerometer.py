"""The accelerometer ST LIS3DH behind a node machine's I2C bus, as far as a cover's tilt needs it.

Data sheet DocID17530 rev 2: WHO_AM_I 0x33, results left-justified in 16 bits, low byte first; 12 bits of 1 mg each at
+-2 g and high resolution. A sensor that was not set up (CTRL_REG1) shows nothing but zeros, as one that has just got
its power does.

To try it: `Lis3dh(machine).turn(15.0)`. Where it hurts: it is set to one vector at a time; a shaking cover is a caller
that calls often.
"""

from math import cos, radians, sin

from hardware.rig.machine import NodeMachine

_WHO_AM_I, _CTRL_REG1, _OUT_X_L = 0x0F, 0x20, 0x28
_LIS3DH = 0x33
_RATE_BITS = 0xF0
_REGISTERS = 256
_FULL_MG = 2047


class Lis3dh:
    """A sensor at `address` of a machine; it lies flat, its z axis up, until `turn` or `point` moves it."""

    def __init__(self, machine: NodeMachine, address: int = 0x18) -> None:
        self._machine = machine
        self._address = address
        self._registers = bytearray(_REGISTERS)
        self._registers[_WHO_AM_I] = _LIS3DH
        self._vector = (0, 0, 1000)
        self._is_plugged = True
        machine.on_i2c = self._written
        self._show()

    @property
    def is_set_up(self) -> bool:
        """Whether the node has started its conversions."""
        return bool(self._registers[_CTRL_REG1] & _RATE_BITS)

    def point(self, x_mg: int, y_mg: int, z_mg: int) -> None:
        """Let it feel this, in thousandths of g."""
        self._vector = (x_mg, y_mg, z_mg)
        self._show()

    def turn(self, degrees: float) -> None:
        """Turn it about its x axis, away from lying flat."""
        self.point(0, round(1000 * sin(radians(degrees))), round(1000 * cos(radians(degrees))))

    def unplug(self) -> None:
        """It does not answer any more."""
        self._is_plugged = False
        self._machine.set_i2c(self._address, None)

    def plug(self) -> None:
        """It answers again, and has forgotten how it was set up."""
        self._is_plugged = True
        self._registers[_CTRL_REG1] = 0
        self._show()

    def _written(self, address: int, register: int, data: bytes) -> None:
        if address == self._address:
            self._registers[register : register + len(data)] = data
            self._show()

    def _show(self) -> None:
        if not self._is_plugged:
            return
        for axis, value in enumerate(self._vector):
            shown = max(-_FULL_MG, min(_FULL_MG, value)) << 4 if self.is_set_up else 0
            at = _OUT_X_L + 2 * axis
            self._registers[at : at + 2] = (shown & 0xFFFF).to_bytes(2, "little")
        self._machine.set_i2c(self._address, bytes(self._registers))

"""The accelerometer ST LIS3DH on I2C: gravity in thousandths of g.

Data sheet DocID17530 rev 2: WHO_AM_I 0x0F holds 0x33; CTRL_REG1 (0x20) 0x27 is 10 readings a second on all axes;
CTRL_REG4 (0x23) 0x88 is block data update, +-2 g, high resolution: 12 bits, left-justified, 1 mg each; OUT_X_L is 0x28,
and bit 7 of the address moves on to the next register by itself. A sensor that has lost its power meanwhile answers,
but measures nothing: it shows three zeros, which gravity never does, and is set up again.
"""

from micropython import const

from node import board

_WHO_AM_I = const(0x0F)
_LIS3DH = const(0x33)
_CTRL_REG1 = const(0x20)
_TEN_HERTZ = const(0x27)
_CTRL_REG4 = const(0x23)
_FINE = const(0x88)
_OUT_ALL = const(0xA8)


class Lis3dh:
    """The sensor at `address`; `x`, `y` and `z` are those of the last `read` that was True."""

    def __init__(self, sda: int, scl: int, address: int) -> None:
        self.x = 0
        self.y = 0
        self.z = 0
        self._i2c = board.open_i2c(sda, scl)
        self._address = address
        self._is_set = False
        self._one = bytearray(1)
        self._six = bytearray(6)

    def read(self) -> bool:
        """Take a reading; False when the sensor is silent, measures nothing, or is another one. Sets it up when new."""
        try:
            if not self._is_set and not self._set_up():
                return False
            self._i2c.readfrom_mem_into(self._address, _OUT_ALL, self._six)
        except OSError:
            self._is_set = False
            return False
        self.x = self._axis(0)
        self.y = self._axis(2)
        self.z = self._axis(4)
        if self.x == self.y == self.z == 0:
            self._is_set = False
        return self._is_set

    def _set_up(self) -> bool:
        self._i2c.readfrom_mem_into(self._address, _WHO_AM_I, self._one)
        if self._one[0] != _LIS3DH:
            return False
        self._write(_CTRL_REG1, _TEN_HERTZ)
        self._write(_CTRL_REG4, _FINE)
        self._is_set = True
        return True

    def _write(self, register: int, value: int) -> None:
        self._one[0] = value
        self._i2c.writeto_mem(self._address, register, self._one)

    def _axis(self, at: int) -> int:
        raw = self._six[at] | self._six[at + 1] << 8
        return (raw - 0x10000 if raw & 0x8000 else raw) >> 4

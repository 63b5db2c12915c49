"""The lamp of a simulated driver: it takes the driver's value and reaches it after a fade."""

from bisect import bisect_right

from gateway_agent.profiles.point import LampDriver
from hardware.rig.register_image import HOLDING, RegisterImage

_FADE_SHARE = 0.6
"""Share of the profile's `settle_ms` that a fade takes."""


class LampOutput:
    """`raw` is the driver's present value, `wanted` the one that was written last.

    It begins with full light, the power-on level of a DALI gear.
    """

    def __init__(self, driver: LampDriver, image: RegisterImage) -> None:
        self.driver = driver
        self.raw = driver.curve[100]
        self.wanted = self.raw
        self.settle_s = driver.settle_ms / 1000
        self.fade_s = self.settle_s * _FADE_SHARE
        self._image = image
        image.add(driver.unit_offset, HOLDING, driver.address, self.raw)

    @property
    def level_pct(self) -> float:
        """Linear light output of the present value, 0.0 to 100.0: the profile's curve read backwards."""
        return _level(self.driver.curve, self.raw)

    def takes(self, unit_offset: int, address: int) -> bool:
        """Whether this is the register that takes the driver's value."""
        return unit_offset == self.driver.unit_offset and address == self.driver.address

    def write(self, value: int) -> bool:
        """Begin to fade to `value`; False when the driver knows no such value."""
        if value > max(self.driver.curve):
            return False
        self.wanted = value
        self._image.write(self.driver.unit_offset, HOLDING, self.driver.address, value)
        return True

    def arrive(self, value: int) -> None:
        """End the fade to `value`."""
        self.raw = value


def _level(curve: tuple[int, ...], raw: int) -> float:
    level = bisect_right(curve, raw) - 1
    if level < 0:
        return 0.0
    if level == 100:
        return 100.0
    return level + (raw - curve[level]) / (curve[level + 1] - curve[level])

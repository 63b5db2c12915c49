"""The settings of a simulated device: registers that are written once, at commissioning."""

from gateway_agent.profiles.model import Profile
from gateway_agent.profiles.writes import ConfigurationSection
from hardware.rig.register_image import HOLDING, RegisterImage


class DeviceSettings:
    """What was written to a device's guarded registers, and what it means for unit id and baud rate.

    Such registers can be written with FC 06 or 16 and read back with FC 03. `unit_id` and `baud` are None until
    somebody writes them.
    """

    def __init__(self, profile: Profile, image: RegisterImage) -> None:
        self.unit_id: int | None = None
        self.baud: int | None = None
        self._image = image
        self._sections: dict[tuple[int, int], ConfigurationSection] = {}
        for section in profile.configuration.values():
            register = section.register_at
            if register.address is None:
                continue
            for address in range(register.address, register.address + (2 if register.type == "f32" else 1)):
                self._sections[register.unit_offset, address] = section
                image.add(register.unit_offset, HOLDING, address)

    def takes(self, unit_offset: int, address: int) -> bool:
        """Whether this register is a setting."""
        return (unit_offset, address) in self._sections

    def write(self, unit_offset: int, address: int, value: int) -> None:
        """Write one register of a setting; KeyError when it is none."""
        section = self._sections[unit_offset, address]
        self._image.write(unit_offset, HOLDING, address, value)
        if section.register_at.type == "f32":
            return
        if section.sets == "unit-id":
            self.unit_id = value
        elif section.sets == "baud":
            self.baud = _meaning(section, value)


def _meaning(section: ConfigurationSection, value: int) -> int | None:
    if section.codes is None:
        return value
    return next((int(means) for means, code in section.codes.items() if code == value and means.isdecimal()), None)

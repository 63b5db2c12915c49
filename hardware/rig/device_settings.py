"""The settings of a simulated device: registers that are written once, at commissioning."""

import struct
from collections.abc import Sequence

from gateway_agent.profiles.model import Profile
from gateway_agent.profiles.sources import REGISTER_COUNTS
from gateway_agent.profiles.writes import ConfigurationSection
from hardware.rig.register_image import HOLDING, RegisterImage


class DeviceSettings:
    """What was written to a device's guarded registers, and what it means for unit id and baud rate.

    Such registers can be written with FC 06 or 16 and read back with FC 03; the one of the unit id holds `unit` at
    first, all others 0. `unit_id` and `baud` are None until somebody writes them.
    """

    def __init__(self, profile: Profile, image: RegisterImage, unit: int) -> None:
        self.unit_id: int | None = None
        self.baud: int | None = None
        self._image = image
        self._sections: dict[tuple[int, int], tuple[int, ConfigurationSection]] = {}
        for section in profile.configuration.values():
            register = section.register_at
            if register.address is None:
                continue
            for address in range(register.address, register.address + REGISTER_COUNTS[register.type]):
                self._sections[register.unit_offset, address] = (register.address, section)
                image.add(register.unit_offset, HOLDING, address)
            if section.sets == "unit-id":
                words = struct.pack(">f", unit) if register.type == "f32" else struct.pack(">H", unit)
                for index, (word,) in enumerate(struct.iter_unpack(">H", words)):
                    image.write(register.unit_offset, HOLDING, register.address + index, word)

    def takes(self, unit_offset: int, address: int) -> bool:
        """Whether this register is part of a setting."""
        return (unit_offset, address) in self._sections

    def write(self, unit_offset: int, address: int, values: Sequence[int]) -> None:
        """Write neighbouring registers of settings; KeyError when one of them is none."""
        touched = {}
        for index, value in enumerate(values):
            first, section = self._sections[unit_offset, address + index]
            self._image.write(unit_offset, HOLDING, address + index, value)
            touched[first] = section
        for first, section in touched.items():
            self._apply(section, self._number(unit_offset, first, section))

    def _number(self, unit_offset: int, first: int, section: ConfigurationSection) -> float:
        """What the registers of a setting hold, as a number."""
        kind = section.register_at.type
        data = self._image.read(unit_offset, HOLDING, first, REGISTER_COUNTS[kind]) or b""
        if kind == "f32":
            (number,) = struct.unpack(">f", data)
            return float(number)
        return int.from_bytes(data, "big", signed=kind in ("s16", "s32"))

    def _apply(self, section: ConfigurationSection, number: float) -> None:
        if section.sets == "unit-id" and number in range(1, 256):
            self.unit_id = int(number)
        elif section.sets == "baud":
            for means, code in (section.codes or {}).items():
                if code == number and means.isdecimal():
                    self.baud = int(means)

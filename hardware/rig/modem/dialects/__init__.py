"""The firmware of the emulated modules, one dialect a module of this package."""

from hardware.rig.modem.dialects.quectel_nb import QuectelNb
from hardware.rig.modem.dialects.quectel_qi import QuectelQi
from hardware.rig.modem.firmware import Firmware

DIALECTS: dict[str, type[Firmware]] = {
    "quectel_nb": QuectelNb,
    "quectel_qi": QuectelQi,
}

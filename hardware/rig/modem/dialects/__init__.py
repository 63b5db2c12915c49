"""The firmware of the emulated modules, one dialect a module of this package."""

from hardware.rig.modem.dialects.ml307 import Ml307
from hardware.rig.modem.dialects.neul import Neul
from hardware.rig.modem.dialects.quectel_nb import QuectelNb
from hardware.rig.modem.dialects.quectel_qi import QuectelQi
from hardware.rig.modem.dialects.sim800 import Sim800
from hardware.rig.modem.dialects.simcom import Simcom
from hardware.rig.modem.dialects.simcom_nb import SimcomNb
from hardware.rig.modem.firmware import Firmware

DIALECTS: dict[str, type[Firmware]] = {
    "neul": Neul,
    "quectel_nb": QuectelNb,
    "quectel_qi": QuectelQi,
    "ml307": Ml307,
    "simcom_nb": SimcomNb,
    "simcom": Simcom,
    "sim800": Sim800,
}

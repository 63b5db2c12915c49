"""What the firmware of an emulated module runs on."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hardware.rig.clock import RigClock
from hardware.rig.modem.console import Console
from hardware.rig.modem.faults import ModemFaults
from hardware.rig.modem.models import Model
from hardware.rig.modem.radio import Radio
from hardware.rig.modem.sim import Sim
from hardware.rig.modem.wording import Wording


@dataclass
class Body:
    """The module that a firmware runs on. `restart(cause)` and `power_off()` end this firmware's life."""

    model: Model
    console: Console
    radio: Radio
    sim: Sim
    faults: ModemFaults
    wording: Wording
    counters: Counter[str]
    random: Random
    restart: Callable[[str], None]
    power_off: Callable[[], None]
    set_baud: Callable[[int], None]
    clock: RigClock
    kept: dict[str, Any] = field(default_factory=dict)

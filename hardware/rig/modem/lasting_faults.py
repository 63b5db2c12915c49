"""What the faults that last do to the card, the radio and the port of an emulated modem."""

from collections.abc import Callable

from hardware.rig.modem.radio import Radio
from hardware.rig.modem.sim import CME_FAILURE, CME_WRONG, Sim
from hardware.rig.modem.uart import Uart

_PIN = "1234"


class LastingFaults:
    """`change(name, is_on)` is called when one begins or ends; `look_again` tells the module's network of it."""

    def __init__(self, uart: Uart, radio: Radio, sim: Sim, look_again: Callable[[], None]) -> None:
        self._uart = uart
        self._radio = radio
        self._sim = sim
        self._look_again = look_again
        self._own_pin = sim.pin

    def change(self, name: str, is_on: bool) -> None:
        """A lasting fault begins or ends."""
        sim = self._sim
        if name == "silence":
            self._radio.silent = is_on
        elif name == "unplugged":
            (self._uart.unplug if is_on else self._uart.replug)()
        elif name == "sim-absent":
            sim.present = not is_on
        elif name == "sim-dead":
            sim.dead = CME_FAILURE if is_on else 0
        elif name == "sim-wrong":
            sim.dead = CME_WRONG if is_on else 0
        elif name == "sim-pin":
            sim.pin = self._own_pin or _PIN if is_on else self._own_pin
            sim.unlocked = not is_on
        self._look_again()

"""An emulated modem with its UART, its radio and a serial port of this computer: all that a rig needs.

modem = PortedModem("bc660k", "nbiot-bad", url="pole-7", seed=3)      # inside a running loop
modem.start()                                                         # and the agent opens modem.path
modem.close()
"""

from pathlib import Path

from hardware.rig.clock import RigClock
from hardware.rig.modem.emulator import Emulator
from hardware.rig.modem.faults import ModemFaults
from hardware.rig.modem.models import MODELS
from hardware.rig.modem.radio import Radio
from hardware.rig.modem.radio_profiles import RadioProfile
from hardware.rig.modem.sim import Sim
from hardware.rig.modem.uart import Uart


class PortedModem:
    """`url`: a port `rig://URL` of this process (virtual time); `link`: a pseudo-terminal below that symbolic link.

    `path` is what the agent opens. Raises ValueError for a model, radio or fault that there is not.
    """

    def __init__(
        self,
        model: str,
        radio: str | RadioProfile,
        *,
        url: str = "",
        link: Path | None = None,
        seed: int = 0,
        sim: Sim | None = None,
        rates: dict[str, float] | None = None,
        names: dict[str, str] | None = None,
        clock: RigClock | None = None,
    ) -> None:
        if (link is None) == (not url):
            raise ValueError("a modem has one port: give it a url or a link")
        # Until the host has set a rate, its end has the module's.
        self.uart = Uart(MODELS[model].baud) if model in MODELS else Uart()
        self.radio = Radio(radio, seed, names)
        self.faults = ModemFaults(rates, seed)
        self.emulator = Emulator(model, self.uart, self.radio, sim=sim, faults=self.faults, seed=seed, clock=clock)
        port = self.uart.as_url(url) if link is None else self.uart.as_pty(link)
        self.path = str(port.path)

    def start(self) -> None:
        """Give it supply; it boots by itself."""
        self.emulator.start()

    def close(self) -> None:
        """Take everything down; what is under way is lost."""
        self.emulator.stop()
        self.uart.close()
        self.radio.close()

"""Line settings that a device may listen at, and how long bytes take with them.

A class of its own beside the configuration's, for a device can stand at a rate that no `pole.toml` may ask for.
"""

from dataclasses import dataclass

RATES = (9600, 19200, 4800, 2400, 115200, 38400, 57600, 1200, 14400)
"""Bits per second, the usual ones first; 14400 is what an XY-MD02 can be set to."""
PARITIES = ("N", "E", "O")
_FLOOR_BAUD = 19200
_FLOOR_S = 0.00175


@dataclass(frozen=True, slots=True)
class Setting:
    """Bits per second, parity N, E or O, and one or two stop bits; always eight data bits.

    Where `is_known` is False, a box on the way sets the line, and these figures only say how long to wait.
    """

    baud: int
    parity: str = "N"
    stop_bits: int = 1
    is_known: bool = True

    @property
    def byte_s(self) -> float:
        """Seconds that one byte takes."""
        return (9 + (self.parity != "N") + self.stop_bits) / self.baud

    @property
    def silence_s(self) -> float:
        """Seconds of silence that end a frame; Modbus over Serial Line V1.02, 2.5.1.1."""
        return _FLOOR_S if self.baud > _FLOOR_BAUD else 3.5 * self.byte_s

    def __str__(self) -> str:
        """As technicians write it, for example `9600 8N1`."""
        if not self.is_known:
            return "as its box is set"
        return f"{self.baud} 8{self.parity}{self.stop_bits}"


def set_by_a_box() -> Setting:
    """The one setting of a line that a box on the way sets; waits are those of 2400 bits per second."""
    return Setting(2400, is_known=False)


def all_settings() -> list[Setting]:
    """Every rate with every parity, those without parity first.

    One stop bit does for all: a receiver looks at the first one only.
    """
    return [Setting(baud, parity) for parity in PARITIES for baud in RATES]

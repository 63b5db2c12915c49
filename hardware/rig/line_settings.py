"""How characters travel on a serial line: baud rate, parity, stop bits, and what a listener with others hears.

A character is a start bit, eight data bits with the least significant first, an optional parity bit, and one or two
stop bits (Modbus over Serial Line V1.02, section 2.5.1).
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

_QUIET_CHARACTERS = 3.5
_QUIET_FLOOR_S = 0.00175
_QUIET_FLOOR_BAUD = 19200


@dataclass(frozen=True)
class LineSettings:
    """Baud rate, parity ("N", "E" or "O") and stop bits (1 or 2) of one end of a line.

    Raises ValueError for anything else.
    """

    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1

    def __post_init__(self) -> None:
        """Refuse what no UART can do."""
        if self.baud <= 0:
            raise ValueError(f"a baud rate is a positive number, not {self.baud}")
        if self.parity not in ("N", "E", "O"):
            raise ValueError(f'parity is "N", "E" or "O", not "{self.parity}"')
        if self.stop_bits not in (1, 2):
            raise ValueError(f"stop bits are 1 or 2, not {self.stop_bits}")

    @cached_property
    def character_bits(self) -> int:
        """Bits from the start bit to the last stop bit: 10, 11 or 12."""
        return 9 + (self.parity != "N") + self.stop_bits

    @cached_property
    def byte_s(self) -> float:
        """Seconds that one character takes."""
        return self.character_bits / self.baud

    @cached_property
    def quiet_s(self) -> float:
        """Seconds of silence that end a Modbus frame: 3.5 characters, above 19200 baud 1.75 ms (V1.02, 2.5.1.1)."""
        if self.baud > _QUIET_FLOOR_BAUD:
            return _QUIET_FLOOR_S
        return _QUIET_CHARACTERS * self.byte_s

    def understands(self, sender: "LineSettings") -> bool:
        """Whether this end reads what `sender` sends; the number of stop bits only changes the pace."""
        return self.baud == sender.baud and self.parity == sender.parity


def heard_as(data: bytes, sender: LineSettings, listener: LineSettings) -> bytes:
    """What a UART set to `listener` receives when `data` is sent with `sender`, sampled bit by bit.

    A character with a wrong parity or stop bit arrives as 0x00, which is what a driver that checks them hands on.
    """
    levels = _levels(data, sender)
    step = sender.baud / listener.baud
    received = bytearray()
    position = 0
    while True:
        start = _next_fall(levels, position)
        if start is None:
            return bytes(received)
        if _sample(levels, start + 0.5 * step):
            position = start + 1
            continue
        value = 0
        for bit in range(8):
            value |= _sample(levels, start + (1.5 + bit) * step) << bit
        at = 9.5
        good = True
        if listener.parity != "N":
            odd = _sample(levels, start + at * step)
            good = (value.bit_count() + odd) % 2 == (listener.parity == "O")
            at += 1
        stop = _sample(levels, start + at * step)
        received.append(value if good and stop else 0)
        position = ceil(start + at * step)


def _levels(data: bytes, sender: LineSettings) -> list[int]:
    levels = []
    for value in data:
        levels.append(0)
        levels.extend((value >> bit) & 1 for bit in range(8))
        if sender.parity != "N":
            levels.append((value.bit_count() + (sender.parity == "O")) % 2)
        levels.extend([1] * sender.stop_bits)
    return levels


def _sample(levels: list[int], position: float) -> int:
    index = int(position)
    return levels[index] if index < len(levels) else 1


def _next_fall(levels: list[int], position: int) -> int | None:
    for index in range(position, len(levels)):
        if not levels[index] and (index == 0 or levels[index - 1]):
            return index
    return None

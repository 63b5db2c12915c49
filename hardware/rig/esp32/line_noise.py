"""What a line does to bytes: garbage at a wrong or too high rate, and now and then a bit turned over."""

from random import Random

from hardware.rig.esp32.faults import ChipFaults

_RATE_TOLERANCE = 0.04
_BITS = 8


class LineNoise:
    """One line, both directions."""

    def __init__(self, faults: ChipFaults) -> None:
        self._faults = faults
        self._random = Random(faults.line_seed)
        self.errors = 0

    def carry(self, data: bytes, host_baud: int | None, chip_baud: int | None) -> bytes:
        """`data` as it arrives; a rate that is None cannot be told and fits."""
        if not data:
            return data
        if not self._fits(host_baud, chip_baud):
            return self._random.randbytes(len(data))
        return self._disturb(data) if self._faults.line_error_rate else data

    def _fits(self, host_baud: int | None, chip_baud: int | None) -> bool:
        most = self._faults.max_baud
        if most is not None and any(baud is not None and baud > most for baud in (host_baud, chip_baud)):
            return False
        return host_baud is None or chip_baud is None or abs(host_baud - chip_baud) <= _RATE_TOLERANCE * chip_baud

    def _disturb(self, data: bytes) -> bytes:
        """Turn bits over; the way to the next is drawn, so that a quiet line costs nothing."""
        spoilt = bytearray(data)
        place = int(self._random.expovariate(self._faults.line_error_rate))
        while place < len(spoilt) * _BITS:
            spoilt[place // _BITS] ^= 1 << place % _BITS
            self.errors += 1
            place += 1 + int(self._random.expovariate(self._faults.line_error_rate))
        return bytes(spoilt)

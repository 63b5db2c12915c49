"""Answers that are well formed and wrong: right length, right checksum, not what was asked for.

A master that trusts the checksum alone takes them for readings. `device.wrong = WrongAnswers(7, "short", share=0.1)`.
"""

from collections import Counter
from random import Random

from hardware.rig.modbus_side import BUSY, READ_HOLDING, READ_INPUT, exception

KINDS = ("function", "unit", "short", "previous", "busy")
"""Another function code, another unit id, one register too few, the answer before this one, an exception "busy"."""


class WrongAnswers:
    """Makes `share` of a device's answers wrong, each in one of `kinds`, from a seed. `hits` counts them by kind."""

    def __init__(self, seed: int, *kinds: str, share: float = 1.0) -> None:
        unknown = set(kinds) - set(KINDS)
        if unknown or not kinds:
            raise ValueError(
                f"kinds of wrong answers are {', '.join(KINDS)}, not {', '.join(sorted(unknown)) or 'none'}"
            )
        self._random = Random(seed)
        self._kinds = kinds
        self._share = share
        self._previous: tuple[int, bytes] | None = None
        self.hits: Counter[str] = Counter()

    def spoil(self, unit: int, pdu: bytes) -> tuple[int, bytes]:
        """Unit id and PDU that are sent in place of the right ones."""
        previous, self._previous = self._previous, (unit, pdu)
        if self._random.random() >= self._share:
            return unit, pdu
        kind = self._random.choice(self._kinds)
        spoilt = self._spoilt(kind, unit, pdu, previous)
        if spoilt != (unit, pdu):
            self.hits[kind] += 1
        return spoilt

    def _spoilt(self, kind: str, unit: int, pdu: bytes, previous: tuple[int, bytes] | None) -> tuple[int, bytes]:
        if kind == "unit":
            return unit % 247 + 1, pdu
        if kind == "busy":
            return unit, exception(pdu[0] & 0x7F, BUSY)
        if kind == "previous" and previous is not None:
            return previous
        if pdu[0] in (READ_HOLDING, READ_INPUT):
            if kind == "function":
                return unit, bytes([READ_HOLDING + READ_INPUT - pdu[0]]) + pdu[1:]
            if kind == "short" and pdu[1] > 2:
                return unit, bytes([pdu[0], pdu[1] - 2]) + pdu[2:-2]
        return unit, pdu

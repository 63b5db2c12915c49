"""What a scan has found, as values: devices, whoever speaks unasked, and what is wrong with the line."""

from dataclasses import dataclass
from enum import Enum

from gateway_agent.scan.fingerprint import Match
from gateway_agent.scan.setting import Setting


class Standing(Enum):
    """How sure it is that one device, and one alone, has an id; the value is the wording for people."""

    ONE = "one device"
    TWO = "two devices on this id"
    DAMAGED = "answers arrive damaged"


@dataclass(frozen=True, slots=True)
class Found:
    """Something that answers: its line setting and unit ids, what it may be, and how its answers came.

    `asked` questions were put to it to see whether it is alone, `damaged` of their answers did not come whole.
    """

    setting: Setting
    unit: int
    units: int
    standing: Standing
    matches: tuple[Match, ...]
    asked: int
    damaged: int

    @property
    def model(self) -> str:
        """The model in words, as far as it is known."""
        if not self.matches:
            return "not recognised" if self.standing is Standing.ONE else "cannot be told"
        return " or ".join(match.fingerprint.model for match in self.matches)

    @property
    def profile(self) -> str | None:
        """The name of the profile where there is one likeliest."""
        return self.matches[0].fingerprint.name if len(self.matches) == 1 else None

    @property
    def ids(self) -> str:
        """The unit ids, `1` or `1-4`."""
        return str(self.unit) if self.units == 1 else f"{self.unit}-{self.unit + self.units - 1}"

    @property
    def _is_at_factory(self) -> bool:
        return any(self.setting == match.fingerprint.factory for match in self.matches)

    @property
    def remark(self) -> str:
        """What to know about it, and what to do; empty when there is nothing."""
        if self.standing is Standing.TWO:
            return "two devices on this id: unplug one, give the other a new id, plug it in again"
        if self.standing is Standing.DAMAGED:
            return f"{self.damaged} of {self.asked} answers damaged: see the line's signs below"
        if self.matches and self.setting.is_known and not self._is_at_factory:
            return f"set to {self.setting}, leaves the factory at {self.matches[0].fingerprint.factory}"
        return ""


@dataclass(frozen=True, slots=True)
class Talker:
    """Something that sends without being asked. `model` is empty when its bytes are like no known sensor's."""

    setting: Setting
    model: str
    bytes_heard: int


@dataclass(frozen=True, slots=True)
class Sign:
    """Something about the line: a short name for programs, what was seen, and what to do."""

    name: str
    what: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is: what it does now, questions put in this step, and of how many."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Result:
    """All that a scan has found; `is_whole` is False when it was ended early. `bus_s` is the line's time, in seconds.

    `plain_s` is what asking every id at every rate and parity would have taken, waiting each time as long as the
    slowest known model may take; `found_s` when the last device was found.
    """

    found: tuple[Found, ...]
    talkers: tuple[Talker, ...]
    signs: tuple[Sign, ...]
    questions: int
    bus_s: float
    found_s: float
    plain_s: float
    is_whole: bool

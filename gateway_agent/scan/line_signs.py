"""What is wrong with the line itself, told from the pattern of what comes back and what is damaged."""

from dataclasses import dataclass

from gateway_agent.scan.findings import Sign
from gateway_agent.scan.setting import Setting

_LEAST_SHARE = 0.05
_GROWS = 2.0
_LEAST_QUESTIONS = 6
_NEARLY_ALL = 0.8


@dataclass(frozen=True, slots=True)
class Tally:
    """Questions at one setting with short or long answers, and how many of these came damaged or not at all."""

    setting: Setting
    answer_bytes: int
    asked: int
    failed: int

    @property
    def share(self) -> float:
        """Which part failed, 0.0 to 1.0."""
        return self.failed / self.asked if self.asked else 0.0


@dataclass(slots=True)
class FirstSounds:
    """What followed the questions of the first step: how many were put at how many rates, and how many brought a few
    bytes that are no answer, or a real one."""

    rates: set[int]
    asked: int = 0
    noisy: int = 0
    answered: int = 0
    echoed: int = 0

    @property
    def is_swapped(self) -> bool:
        """Whether bytes follow nearly every question at more than one rate, and never an answer.

        With A and B swapped the receiver sees the idle line as one long break, so that it takes up a 0x00 or 0xFF
        whenever a driver lets go of the line, whatever the rate.
        """
        enough = self.asked >= _LEAST_QUESTIONS and len(self.rates) > 1
        return enough and not self.answered and self.noisy >= _NEARLY_ALL * self.asked


def sign_of_first_sounds(sounds: FirstSounds) -> list[Sign]:
    """Swapped wires, and an adapter that hears itself."""
    signs = []
    if sounds.is_swapped:
        signs.append(
            Sign(
                "swapped",
                f"after {sounds.noisy} of {sounds.asked} questions, at every rate, came bytes that are no answer",
                "swap A and B at the adapter and scan again; if it stays so, look for a missing bias on the line",
            )
        )
    if sounds.asked and sounds.echoed >= _NEARLY_ALL * sounds.asked:
        signs.append(Sign("echo", "the adapter hears what it sends itself", "nothing: the scan has allowed for it"))
    return signs


def signs_of_damage(tallies: list[Tally]) -> list[Sign]:
    """Reflections of a line without termination, or noise, from how the share of failures goes with length and rate."""
    asked, failed = sum(tally.asked for tally in tallies), sum(tally.failed for tally in tallies)
    if not asked or failed / asked < _LEAST_SHARE:
        return []
    seen = f"{failed} of {asked} answers did not come whole"
    if _grows_with_rate(tallies):
        return [
            Sign(
                "termination",
                f"{seen}, the more the higher the rate",
                "put 120 ohm between A and B at both ends of the cable and nowhere else; shorten stubs; lower the rate",
            )
        ]
    if _grows_with_length(tallies):
        return [
            Sign(
                "noise",
                f"{seen}, long ones more than short ones",
                "check 120 ohm at both ends, the common ground wire and the shield; keep the cable away from mains",
            )
        ]
    return [
        Sign(
            "unsteady",
            f"{seen}, short ones as well as long ones",
            "check loose clamps, the bias of the line, and a second master; then the supply of the device",
        )
    ]


def _grows_with_rate(tallies: list[Tally]) -> bool:
    rates = sorted({tally.setting.baud for tally in tallies})
    if len(rates) < 2:
        return False
    return _share(tallies, rates[-1:]) > _GROWS * _share(tallies, rates[:1])


def _share(tallies: list[Tally], rates: list[int]) -> float:
    chosen = [tally for tally in tallies if tally.setting.baud in rates]
    return sum(tally.failed for tally in chosen) / max(1, sum(tally.asked for tally in chosen))


def _grows_with_length(tallies: list[Tally]) -> bool:
    lengths = sorted({tally.answer_bytes for tally in tallies})
    if len(lengths) < 2:
        return False
    middle = lengths[len(lengths) // 2]
    short = [tally for tally in tallies if tally.answer_bytes < middle]
    long = [tally for tally in tallies if tally.answer_bytes >= middle]
    shares = [sum(t.failed for t in part) / max(1, sum(t.asked for t in part)) for part in (short, long)]
    return shares[1] > _GROWS * shares[0]

"""Recognising a device's model by what its profile says: which registers answer, and whether their values can be.

Each profile is weighed against what the device answers, in bits: a value that lies in a point's range counts for as
much as it would be unlikely in a register of any content; a register that ought to be there and is refused counts
against. The register that holds the unit id, where a profile names one, and fixed fields are marks that count for more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import log2
from pathlib import Path

from gateway_agent.profiles.decode import decode
from gateway_agent.profiles.load import load_profile, profile_names
from gateway_agent.profiles.model import Profile
from gateway_agent.profiles.point import Point, RegisterSource
from gateway_agent.profiles.requests import Request
from gateway_agent.profiles.resolve import resolve
from gateway_agent.profiles.sources import REGISTER_COUNTS
from gateway_agent.scan.question import Kind, Question, Verdict
from gateway_agent.scan.setting import Setting
from protocols import modbus, quality
from protocols import registers as wire

Ask = Callable[[Question], Awaitable[Verdict]]

_LAST_UNIT = 255
_TRIES = 4
_MOST_REQUESTS = 4
_ENOUGH_BITS = 10.0
_LEAD_BITS = 4.0
_ANSWERED_BITS = 3.0
_REFUSED_BITS = -10.0
_MISFIT_BITS = -4.0
_ZERO_BITS = 0.5
_MOST_BITS = 8.0
_CODE_BITS = 4.0
_UNIT_MARK_BITS = 10.0
_FIXED_MARK_BITS = 16.0


@dataclass(frozen=True, slots=True)
class Mark:
    """Registers that tell a model apart: they hold `expected`, or the unit id where that is None."""

    function: int
    address: int
    count: int
    is_float: bool
    expected: int | None
    bits: float


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is known of a model: its profile's name, factory setting, unit id, and what to ask it.

    `units` is how many unit ids in a row one such device takes; `choices` are the other settings that it can have.
    """

    name: str
    profile: Profile
    factory: Setting
    unit: int
    units: int
    choices: tuple[Setting, ...]
    requests: tuple[Request, ...]
    marks: tuple[Mark, ...]
    reply_s: float
    gap_s: float

    @property
    def model(self) -> str:
        """The model as its profile writes it."""
        return self.profile.device.model

    def first_question(self, unit: int) -> Question:
        """The question that such a device answers most surely."""
        if self.requests:
            request = self.requests[0]
            return Question(unit, request.function, request.address, request.count)
        mark = self.marks[0]
        return Question(unit, mark.function, mark.address, mark.count)


@dataclass(frozen=True, slots=True)
class Match:
    """A model and the evidence for it in bits."""

    fingerprint: Fingerprint
    bits: float


def load_fingerprints(folder: Path | None = None) -> list[Fingerprint]:
    """The fingerprint of every profile that comes with Gatepost, or lies in `folder`, and speaks Modbus.

    One in the folder takes the place of one that comes with Gatepost and has its name. Raises ConfigError.
    """
    profiles: dict[str, Profile] = {name: load_profile(name) for name in profile_names()}
    profiles |= {} if folder is None else {path.stem: load_profile(path) for path in sorted(folder.glob("*.toml"))}
    made = [fingerprint_of(name, profile) for name, profile in profiles.items() if profile.device.serial is not None]
    return [fingerprint for fingerprint in made if fingerprint.requests or fingerprint.marks]


def fingerprint_of(name: str, profile: Profile) -> Fingerprint:
    """The fingerprint of a profile, its options at their defaults. ValueError for one without a Modbus line."""
    line, timing = profile.device.serial, profile.device.timing
    if line is None or timing is None:
        raise ValueError(f"profile {name} has no Modbus line")
    resolved = resolve(profile)
    bauds = (line.baud, *line.baud_choices)
    parities = (line.parity, *line.parity_choices)
    offsets = [point.register.unit_offset for point in resolved.points if point.register is not None]
    return Fingerprint(
        name=name,
        profile=profile,
        factory=Setting(line.baud, line.parity),
        unit=line.unit_id,
        units=1 + max(offsets, default=0),
        choices=tuple(Setting(baud, parity) for parity in parities for baud in bauds),
        requests=tuple(resolved.requests()[:_MOST_REQUESTS]),
        marks=tuple(_marks(profile)),
        reply_s=timing.reply_timeout_ms / 1000,
        gap_s=timing.gap_ms / 1000,
    )


async def recognise(ask: Ask, unit: int, fingerprints: list[Fingerprint]) -> list[Match]:
    """The models that the device at `unit` may be, the likeliest first; empty when it is like none.

    More than one comes back where the evidence does not tell them apart. `ask` gives the device the silence that it
    needs between two questions; a question is asked once, unless its answer comes damaged.
    """
    answers: dict[Question, Verdict] = {}

    async def once(question: Question) -> Verdict:
        if question not in answers:
            answers[question] = await ask(question)
            for _ in range(_TRIES - 1):
                if answers[question].kind is Kind.DAMAGED:
                    answers[question] = await ask(question)
        return answers[question]

    matches = [Match(fingerprint, await _evidence(once, unit, fingerprint)) for fingerprint in fingerprints]
    matches.sort(key=lambda match: -match.bits)
    best = matches[0].bits if matches else 0.0
    return [match for match in matches if match.bits >= _ENOUGH_BITS and match.bits > best - _LEAD_BITS]


async def _evidence(ask: Ask, unit: int, fingerprint: Fingerprint) -> float:
    bits = 0.0
    for request in fingerprint.requests:
        at = unit + request.unit_offset
        if at > _LAST_UNIT:
            return 2 * _REFUSED_BITS
        verdict = await ask(Question(at, request.function, request.address, request.count))
        if verdict.kind is not Kind.GOOD:
            bits += _REFUSED_BITS
            if bits <= 2 * _REFUSED_BITS:
                return bits
            continue
        bits += _ANSWERED_BITS
        for point in request.points:
            bits += _point_bits(point, verdict.registers, request.address)
    for mark in fingerprint.marks:
        verdict = await ask(Question(unit, mark.function, mark.address, mark.count))
        fits = verdict.kind is Kind.GOOD and _mark_value(mark, verdict.registers) == (mark.expected or unit)
        bits += mark.bits if fits else -mark.bits / 2
    return bits


def _marks(profile: Profile) -> list[Mark]:
    marks = []
    for setting in profile.configuration.values():
        register = setting.register_at
        if setting.sets == "unit-id" and register.address is not None:
            is_float, count = register.type == "f32", REGISTER_COUNTS[register.type]
            marks.append(Mark(register.function, register.address, count, is_float, None, _UNIT_MARK_BITS))
    for block in profile.blocks.values():
        first = block.fields[0] if block.fields else None
        if first is not None and first.fixed and first.type == "u16":
            marks.append(Mark(modbus.READ_HOLDING_REGISTERS, block.address, 1, False, first.fixed, _FIXED_MARK_BITS))
    return marks


def _mark_value(mark: Mark, registers: tuple[int, ...]) -> int | None:
    if mark.is_float:
        return wire.f32_to_scaled(registers[0], registers[1], 0)
    return registers[0]


def _point_bits(point: Point, registers: tuple[int, ...], address: int) -> float:
    """How much an answer speaks for the point being what the profile says."""
    value, meaning = decode(point, registers, address)
    if meaning in (quality.RANGE, quality.INVALID):
        return _MISFIT_BITS
    source = point.register
    if value is None or source is None:
        return 0.0
    codes = _CODE_BITS * sum(lookup is not None for lookup in (source.decimals, source.unit_code, source.status))
    if _is_zero(source, registers, address):
        return min(_ZERO_BITS + codes, _MOST_BITS)
    rare = source.width - log2(max(1, point.high - point.low + 1))
    return min(max(rare, _ZERO_BITS) + codes, _MOST_BITS)


def _is_zero(source: RegisterSource, registers: tuple[int, ...], address: int) -> bool:
    return not any(registers[source.address - address : source.address - address + source.count])

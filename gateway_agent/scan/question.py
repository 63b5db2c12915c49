"""One read request, and what the bytes that came after it say."""

from dataclasses import dataclass, replace
from enum import Enum

from protocols import modbus, rtu

_HEAD_BYTES = 3
_REFUSAL_BYTES = 5


class Kind(Enum):
    """What came after a question; the value is the wording for people."""

    SILENT = "no answer"
    GOOD = "an answer"
    REFUSED = "a refusal"
    TWO = "two answers"
    DAMAGED = "damaged bytes"

    @property
    def is_answer(self) -> bool:
        """Whether a device has answered, and one alone."""
        return self in (Kind.GOOD, Kind.REFUSED)


@dataclass(frozen=True, slots=True)
class Question:
    """Read `count` registers of `unit` from `address` with function 3 or 4."""

    unit: int
    function: int
    address: int
    count: int

    def frame(self) -> bytes:
        """The whole RTU frame."""
        buffer = bytearray(rtu.READ_REQUEST_BYTES)
        rtu.build_read(buffer, self.unit, self.function, self.address, self.count)
        return bytes(buffer)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What bytes after a question mean. `registers` belong to a good answer; `strangers` are the units whose right
    frames were heard though somebody else was asked; `noise` are bytes that belong to no frame; `is_echoed` says that
    the adapter hears what it sends; `refusal` is the exception code of a refusal. `late_units` and `late_noise` are the
    same of what came before the question was sent.
    """  # fmt: skip

    kind: Kind
    registers: tuple[int, ...] = ()
    strangers: tuple[int, ...] = ()
    noise: bytes = b""
    is_echoed: bool = False
    refusal: int = 0
    late_units: tuple[int, ...] = ()
    late_noise: bytes = b""


def judge(heard: bytes, question: Question, late: bytes = b"") -> Verdict:
    """What `heard`, the bytes after `question` in their order, says about the unit that was asked.

    `late` are the bytes that came before it was sent, which say something about units that were asked earlier.
    """
    verdict = _judge(heard, question)
    if not late:
        return verdict
    frames, noise = _frames(late)
    return replace(verdict, late_units=tuple(frame[0] for frame in frames), late_noise=noise)


def _judge(heard: bytes, question: Question) -> Verdict:
    sent = question.frame()
    is_echoed = heard.startswith(sent)
    rest = heard[len(sent) :] if is_echoed else heard
    frames, noise = _frames(rest)
    own = [frame for frame in frames if _answers(frame, question)]
    strangers = tuple(frame[0] for frame in frames if frame[0] != question.unit)
    if len(own) > 1:
        return Verdict(Kind.TWO, (), strangers, noise, is_echoed)
    if not own:
        kind = Kind.DAMAGED if rest and not strangers else Kind.SILENT
        return Verdict(kind, (), strangers, noise, is_echoed)
    frame = own[0]
    if frame[1] & modbus.EXCEPTION_FLAG:
        return Verdict(Kind.REFUSED, (), strangers, noise, is_echoed, frame[2])
    registers = tuple(rtu.get_u16(frame, _HEAD_BYTES + 2 * index) for index in range(question.count))
    return Verdict(Kind.GOOD, registers, strangers, noise, is_echoed)


def _answers(frame: bytes, question: Question) -> bool:
    if frame[0] != question.unit:
        return False
    if frame[1] == question.function:
        return frame[2] == 2 * question.count
    return frame[1] == question.function | modbus.EXCEPTION_FLAG


def _frames(heard: bytes) -> tuple[list[bytes], bytes]:
    """The right answers to reads among the bytes, and all other bytes."""
    frames, noise = [], bytearray()
    at = 0
    while at < len(heard):
        length = _length_at(heard, at)
        if length and at + length <= len(heard) and rtu.is_sealed(heard, at, at + length):
            frames.append(heard[at : at + length])
            at += length
        else:
            noise.append(heard[at])
            at += 1
    return frames, bytes(noise)


def _length_at(heard: bytes, at: int) -> int:
    """How long an answer to a read would be that begins here, 0 when none can."""
    if at + _REFUSAL_BYTES > len(heard):
        return 0
    function = heard[at + 1]
    if function & ~modbus.EXCEPTION_FLAG not in (modbus.READ_HOLDING_REGISTERS, modbus.READ_INPUT_REGISTERS):
        return 0
    if function & modbus.EXCEPTION_FLAG:
        return _REFUSAL_BYTES
    count = heard[at + 2]
    return _HEAD_BYTES + count + 2 if count and count % 2 == 0 else 0

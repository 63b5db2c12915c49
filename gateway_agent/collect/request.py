"""What is asked of a device and what can come of it: requests, answers, and why there is no answer."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gateway_agent.errors import GatepostError
from protocols import modbus, quality

_REFERENCE_TYPE = 6  # MB 6.14


class Fault(Enum):
    """Why an exchange on the line gave no answer that counts; the value is the wording for people."""

    SILENT = "no answer"
    DAMAGED = "damaged answer"
    WRONG_UNIT = "answer of another unit"
    WRONG_FUNCTION = "answer to another function"
    WRONG_COUNT = "answer with another number of registers"
    EXCEPTION = "refused by the device"
    TWO_ANSWERS = "two different answers to one request"
    LATE = "answer after the reply timeout"
    OUT_OF_STEP = "answers belong to earlier requests"
    BUSY_LINE = "the line does not become quiet"
    PORT_DOWN = "the serial port is not open"


_MENDS = {
    Fault.SILENT: "check power, A/B, unit id",
    Fault.DAMAGED: "check baud and parity, A/B, a second device with this unit id",
    Fault.WRONG_UNIT: "check the unit ids on this bus, a second master",
    Fault.WRONG_FUNCTION: "check a second device with this unit id, a second master",
    Fault.WRONG_COUNT: "check the profile, a second device with this unit id",
    Fault.EXCEPTION: "check that the profile is the one of this model",
    Fault.TWO_ANSWERS: "check for a second device with this unit id",
    Fault.LATE: "raise the reply timeout",
    Fault.OUT_OF_STEP: "raise the reply timeout, check for a second master",
    Fault.BUSY_LINE: "something sends all the time, find it by unplugging one by one",
}


class NoAnswerError(GatepostError):
    """An exchange failed: `fault` says how, `detail` says what was seen (for people), `exception_code` what the device
    gave as its reason (0 if none)."""

    def __init__(self, fault: Fault, detail: str = "", exception_code: int = 0) -> None:
        super().__init__(f"{fault.value}: {detail}" if detail else fault.value)
        self.fault = fault
        self.detail = detail
        self.exception_code = exception_code

    def advice(self) -> str:
        """The sentence for who stands at the pole: what happened, what to do, and what was seen."""
        mend = _MENDS.get(self.fault)
        if mend is None:
            return str(self)
        return f"{self.fault.value}: {mend}" + (f" ({self.detail})" if self.detail else "")

    @property
    def quality(self) -> int:
        """The number of `protocols.quality` that the points of this exchange get."""
        return quality.NO_ANSWER if self.fault in (Fault.SILENT, Fault.PORT_DOWN) else quality.BAD_ANSWER


@dataclass(frozen=True, slots=True)
class Read:
    """Ask `unit` for `count` registers from `address` with function 3 or 4."""

    unit: int
    function: int
    address: int
    count: int

    @property
    def request_bytes(self) -> int:
        """Length of the request frame."""
        return 8

    @property
    def answer_bytes(self) -> int:
        """Length of a good answer frame: unit, function, byte count, registers, CRC."""
        return 5 + 2 * self.count

    @property
    def answer_head(self) -> bytes:
        """The bytes with which a good answer begins."""
        return bytes((self.unit, self.function, 2 * self.count))


@dataclass(frozen=True, slots=True)
class Write:
    """Write `count` registers of `unit` from `address` with function 16.

    `registers` is called when the request goes out, with the unix time in milliseconds at which its last bit will be
    on the line, so that a time can be written. `content` is the SHA-256 of the file that the write puts into force, for
    the tag of a node with a key.
    """

    unit: int
    address: int
    count: int
    registers: Callable[[int], list[int]]
    content: bytes = b""

    @property
    def function(self) -> int:
        """Always Write Multiple Registers: its answer differs from its request, so an echo confirms nothing."""
        return modbus.WRITE_MULTIPLE_REGISTERS

    @property
    def request_bytes(self) -> int:
        """Length of the request frame."""
        return 9 + 2 * self.count

    @property
    def answer_bytes(self) -> int:
        """Length of a good answer frame: unit, function, address, count, CRC."""
        return 8

    @property
    def answer_head(self) -> bytes:
        """The bytes with which a good answer begins."""
        return bytes((self.unit, self.function)) + self.address.to_bytes(2, "big") + self.count.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Write `count` registers of every node from `address` with function 16 to unit 0; nobody answers.

    `registers` is called as that of `Write`. The answer that comes of it is empty.
    """

    address: int
    count: int
    registers: Callable[[int], list[int]]
    unit: int = modbus.BROADCAST_UNIT
    function: int = modbus.WRITE_MULTIPLE_REGISTERS

    @property
    def request_bytes(self) -> int:
        """Length of the request frame."""
        return 9 + 2 * self.count

    @property
    def answer_bytes(self) -> int:
        """Nothing comes back."""
        return 0

    @property
    def answer_head(self) -> bytes:
        """Nothing comes back: what is heard is noise."""
        return b""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """Read `count` registers (1 to 121) of file `file` of `unit` from register `record` on; function 20, one group."""

    unit: int
    file: int
    record: int
    count: int
    function: int = modbus.READ_FILE_RECORD

    @property
    def request_bytes(self) -> int:
        """Length of the request frame."""
        return 12

    @property
    def answer_bytes(self) -> int:
        """Length of a good answer frame: unit, function, two lengths, reference type, registers, CRC."""
        return 7 + 2 * self.count

    @property
    def answer_head(self) -> bytes:
        """The bytes with which a good answer begins. File and record are not among them."""
        return bytes((self.unit, self.function, 2 + 2 * self.count, 1 + 2 * self.count, _REFERENCE_TYPE))


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write `data` (2 to 244 bytes, an even number) to file `file` of `unit` from register `record` on; function 21.

    The answer repeats the request, so where an adapter hears what it sends it confirms nothing.
    """

    unit: int
    file: int
    record: int
    data: bytes
    function: int = modbus.WRITE_FILE_RECORD

    @property
    def count(self) -> int:
        """Registers to write."""
        return len(self.data) // 2

    @property
    def request_bytes(self) -> int:
        """Length of the request frame."""
        return 12 + len(self.data)

    @property
    def answer_bytes(self) -> int:
        """Length of a good answer frame, as long as the request."""
        return self.request_bytes

    @property
    def answer_head(self) -> bytes:
        """The bytes with which a good answer begins: all of it but the CRC."""
        group = b"".join(number.to_bytes(2, "big") for number in (self.file, self.record, self.count))
        head = bytes((self.unit, self.function, 7 + len(self.data), _REFERENCE_TYPE))
        return head + group + self.data


Ask = Read | Write | Broadcast | ReadFile | WriteFile


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: the registers of a read (empty for a write) and when it was complete, by the monotonic clock.

    `transmission_ms` is how long the answer itself was on the line, so that `monotonic_ms - transmission_ms` is when
    the device began to give it. Unix time is told when what was read is handed on (`clock.unix_at`).
    """

    registers: tuple[int, ...]
    monotonic_ms: int
    transmission_ms: int

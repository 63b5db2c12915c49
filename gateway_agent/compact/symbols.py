"""What records are made of: bits, numbers, times and texts, in the contexts that all channels share.

telemetry.md, "The state" and "The records". Each is given what shall be written, which a Decoder takes no notice of,
and gives what was written or read. Raises FormatError for what is beyond the limits, on both sides.
"""

from gateway_agent.compact.limits import END_MS, LARGEST, MAX_DETAIL, MAX_STEPS, MAX_TEXT
from gateway_agent.compact.range_coder import NUMBER_CONTEXTS, Coder
from gateway_agent.compact.state import SHARED_BITS, State
from gateway_agent.uplink.errors import FormatError

# Where the contexts stand among the shared ones: the order is that of the page, and part of the format.
(IS_TELEMETRY, FOLLOWS, TRUSTED, HAS_QUALITY, SCHEDULED, SAME_TIME, AT_DUE, WHOLE_S, LATER, KNOWN_TEXT) = range(10)
(IS_ALARM, HAS_NUMBER, HAS_STATE, IS_RAISED, HAS_LEVEL, LITERAL) = range(10, 16)


def _numbers(index: int) -> int:
    return SHARED_BITS + index * NUMBER_CONTEXTS


(COUNT, GAP, CLASS, GROUP, SECONDS, LENGTH, NAME, VALUE, FIRST, EXPONENT, WINDOWS) = map(_numbers, range(11))
(EMPTY, LEAST, SPREAD, TOTAL, WINDOW_COUNT, RANGES, RANGE, ASKED, SENT, QUALITY, LEVEL, STATE) = map(
    _numbers, range(11, 23)
)


class Symbols:
    """Says them with a coder; the contexts of `state` learn on the way. `steps` is the work so far."""

    def __init__(self, coder: Coder, state: State) -> None:
        self.coder = coder
        self.state = state
        self.steps = 0
        self._shared = state.shared
        self._names = _names_of(state)
        self._name_numbers = {name: number for number, name in enumerate(self._names)}

    def bit(self, at: int, bit: bool) -> int:
        """One of the shared bits."""
        return self.coder.bit(self._shared, at, 1 if bit else 0)

    def number(self, at: int, value: int) -> int:
        """One of the shared numbers, from 0 on."""
        return self.coder.number(self._shared, at, value)

    def integer(self, at: int, value: int) -> int:
        """One of the shared numbers, with a sign."""
        read = self.coder.number(self._shared, at, value << 1 if value >= 0 else (-value << 1) - 1)
        return -(read + 1 >> 1) if read & 1 else read >> 1

    def value(self, at: int, value: int) -> int:
        """One of the shared numbers, with a sign, where it is one that a value may be."""
        read = self.integer(at, value)
        if not -LARGEST <= read <= LARGEST:
            raise FormatError("a value of more than 63 bits and a sign")
        return read

    def time(self, time_ms: int) -> int:
        """A time, as what it is after or before the last."""
        last = self.state.time_ms
        after = time_ms - last
        is_later = self.bit(LATER, after >= 0)
        distance = abs(after)
        if self.bit(WHOLE_S, distance % 1000 == 0):
            distance = 1000 * self.number(SECONDS, distance // 1000)
        else:
            seconds = self.number(SECONDS, distance // 1000)
            distance = 1000 * seconds + self.coder.raw(distance % 1000, 10)
        return self.checked(last + distance if is_later else last - distance)

    def checked(self, time_ms: int) -> int:
        """The time, where it can be one."""
        if not 0 <= time_ms < END_MS:
            raise FormatError("a time beyond what a time can be")
        return time_ms

    def step(self, count: int) -> None:
        """Count so many steps of the work that a batch makes."""
        self.steps += count
        if self.steps > MAX_STEPS:
            raise FormatError(f"a batch takes at most {MAX_STEPS} steps")

    def detail(self, detail: str) -> str:
        """A text, of which the beginning is sent."""
        return self.text(detail[:MAX_DETAIL])

    def text(self, text: str) -> str:
        """A text, by its number where it is one of the table's names."""
        number = self._name_numbers.get(text, -1)
        if self.bit(KNOWN_TEXT, number >= 0):
            number = self.number(NAME, number)
            if number >= len(self._names):
                raise FormatError(f"name {number} is not in the table")
            return self._names[number]
        data = text.encode()
        length = self.number(LENGTH, len(data))
        if length > MAX_TEXT:
            raise FormatError(f"a text has at most {MAX_TEXT} bytes")
        read = bytes(self.coder.raw(data[at] if at < len(data) else 0, 8) for at in range(length))
        try:
            return read.decode()
        except UnicodeDecodeError as error:
            raise FormatError("a text that is not UTF-8") from error


def _names_of(state: State) -> tuple[str, ...]:
    """Names that texts may be given by number: none, then devices and points of the table."""
    names: dict[str, None] = {"": None}
    for channel in state.table.channels:
        names[channel.point.partition("/")[0]] = None
    for channel in state.table.channels:
        names[channel.point] = None
    return tuple(names)

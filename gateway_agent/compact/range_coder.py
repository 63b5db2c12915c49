"""A binary adaptive range coder: each bit costs what its probability says, and teaches it. telemetry.md, "The coder".

Encoder and Decoder have the same methods and walk the same way: an encoder writes the value that it is given, a decoder
takes no notice of it, and both return what was written. A model is a list of ints, one context each: probability of a
one in 65536ths times 64, plus how much the context has learned. Range and low are those of 32 bits with carry.
"""

from typing import Protocol

from gateway_agent.uplink.errors import FormatError

NEW = 32768 << 6
"""A context that knows nothing: both bits are as likely, nothing learned."""
_LEARNED_MOST = 63
RATES = tuple(131072 // (2 * count + 3) for count in range(_LEARNED_MOST)) + (131072 // (2 * _LEARNED_MOST + 3),)
"""By how much learned: which part of the distance, in 65536ths, a context moves towards the bit it saw."""
_TOP = 1 << 24
_BITS_32 = (1 << 32) - 1

NUMBER_CONTEXTS = 32
"""Contexts of one number: 16 for its size, 16 for the bit after its first."""
SIGNED_CONTEXTS = 2 * 3 + NUMBER_CONTEXTS
"""Contexts of one signed number: is it zero, and its sign, by what the caller knows of it (3); then its magnitude."""
LARGEST_BITS = 80
"""Bits of the longest number."""
_MOST_LEFT_OUT = 16
"""Zeros at the end of a batch that are not sent, at most: a decoder that needs more bytes than that has a cut batch."""


class Coder(Protocol):
    """What Encoder and Decoder have in common."""

    def bit(self, model: list[int], at: int, bit: int) -> int:
        """One bit in the context `at`."""
        ...

    def raw(self, value: int, bits: int) -> int:
        """`bits` bits that nothing is known of."""
        ...

    def number(self, model: list[int], at: int, value: int) -> int:
        """A number from 0 on, in NUMBER_CONTEXTS contexts from `at` on."""
        ...

    def signed(self, model: list[int], at: int, value: int, hint: int) -> int:
        """Any integer, in SIGNED_CONTEXTS contexts; `hint` (0 to 2) is what both sides know of it."""
        ...


class Encoder:
    """Writes; `finish` gives the bytes."""

    def __init__(self) -> None:
        self._low = 0
        self._range = _BITS_32
        self._cache = 0
        self._pending = 0
        self._out = bytearray()
        self._is_first = True

    def bit(self, model: list[int], at: int, bit: int) -> int:
        """One bit in the context `at`."""
        state = model[at]
        learned = state & 63
        one = state >> 6
        bound = (self._range >> 16) * one
        if bit:
            self._range = bound
            one += (65536 - one) * RATES[learned] >> 16
        else:
            self._low += bound
            self._range -= bound
            one -= one * RATES[learned] >> 16
        model[at] = one << 6 | (learned if learned == 63 else learned + 1)
        while self._range < _TOP:
            self._range <<= 8
            self._shift()
        return bit

    def raw(self, value: int, bits: int) -> int:
        """`bits` bits that nothing is known of."""
        for shift in range(bits - 1, -1, -1):
            self._range >>= 1
            if not value >> shift & 1:
                self._low += self._range
            if self._range < _TOP:
                self._range <<= 8
                self._shift()
        return value

    @property
    def size(self) -> int:
        """Bytes that have come out so far."""
        return len(self._out) + self._pending

    def number(self, model: list[int], at: int, value: int) -> int:
        """A number from 0 on. Raises FormatError for others."""
        if not 0 <= value < 1 << LARGEST_BITS:
            raise FormatError(f"{value} is not a number from 0 on of at most {LARGEST_BITS} bits")
        more = value + 1
        bits = more.bit_length() - 1
        for index in range(bits):
            self.bit(model, at + min(index, 15), 1)
        self.bit(model, at + min(bits, 15), 0)
        if bits:
            self.bit(model, at + 16 + min(bits, 15), more >> (bits - 1) & 1)
            if bits > 1:
                self.raw(more & ((1 << (bits - 1)) - 1), bits - 1)
        return value

    def signed(self, model: list[int], at: int, value: int, hint: int) -> int:
        """Any integer."""
        if value == 0:
            self.bit(model, at + hint, 1)
        else:
            self.bit(model, at + hint, 0)
            self.bit(model, at + 3 + hint, 1 if value > 0 else 0)
            self.number(model, at + 6, abs(value) - 1)
        return value

    def finish(self) -> bytes:
        """The bytes that say all that was written, without zeros at their end: a decoder reads zeros after them."""
        self._low = _roundest(self._low, self._range)
        for _ in range(5):
            self._shift()
        shortest = _shortest(len(self._out))
        return bytes(self._out[:shortest] + self._out[shortest:].rstrip(b"\0"))

    def _shift(self) -> None:
        low = self._low
        if low < 0xFF000000 or low > _BITS_32:
            carry = low >> 32
            if self._is_first:
                self._is_first = False
            else:
                self._out.append(self._cache + carry & 255)
            if self._pending:
                self._out += bytes((255 + carry & 255,)) * self._pending
                self._pending = 0
            self._cache = low >> 24 & 255
        else:
            self._pending += 1
        self._low = (low & 0x00FFFFFF) << 8


def _roundest(low: int, size: int) -> int:
    """Of the numbers from `low` to `low + size - 1` the one with the most zero bits at its end."""
    for zeros in range(32, 0, -1):
        value = (low + (1 << zeros) - 1) >> zeros << zeros
        if value < low + size:
            return value
    return low


def _shortest(length: int) -> int:
    """To how many bytes a body of `length` may shrink when zeros at its end are left out."""
    return max(0, length - _MOST_LEFT_OUT)


class Decoder:
    """Reads what an Encoder wrote; raises FormatError where that cannot be."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 4
        self._range = _BITS_32
        self._code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def bit(self, model: list[int], at: int, bit: int) -> int:
        """One bit in the context `at`."""
        state = model[at]
        learned = state & 63
        one = state >> 6
        bound = (self._range >> 16) * one
        if self._code < bound:
            self._range = bound
            one += (65536 - one) * RATES[learned] >> 16
            bit = 1
        else:
            self._code -= bound
            self._range -= bound
            one -= one * RATES[learned] >> 16
            bit = 0
        model[at] = one << 6 | (learned if learned == 63 else learned + 1)
        while self._range < _TOP:
            self._next()
        return bit

    def raw(self, value: int, bits: int) -> int:
        """`bits` bits that nothing is known of."""
        value = 0
        for _ in range(bits):
            self._range >>= 1
            if self._code < self._range:
                value = value << 1 | 1
            else:
                self._code -= self._range
                value <<= 1
            if self._range < _TOP:
                self._next()
        return value

    def number(self, model: list[int], at: int, value: int) -> int:
        """A number from 0 on."""
        bits = 0
        while self.bit(model, at + min(bits, 15), 0):
            bits += 1
            if bits > LARGEST_BITS:
                raise FormatError(f"a number of more than {LARGEST_BITS} bits")
        if not bits:
            return 0
        more = 2 | self.bit(model, at + 16 + min(bits, 15), 0)
        if bits > 1:
            more = more << (bits - 1) | self.raw(0, bits - 1)
        return more - 1

    def signed(self, model: list[int], at: int, value: int, hint: int) -> int:
        """Any integer."""
        if self.bit(model, at + hint, 0):
            return 0
        is_positive = self.bit(model, at + 3 + hint, 0)
        magnitude = self.number(model, at + 6, 0) + 1
        return magnitude if is_positive else -magnitude

    def finish(self) -> None:
        """Everything was read. Raises FormatError where these are not the bytes that Encoder.finish gives: of all
        bodies that say the same bits, one is right."""
        data = self._data
        if self._at < len(data):
            raise FormatError(f"{len(data) - self._at} bytes too many")
        if len(data) > _shortest(self._at) and not data[-1]:
            raise FormatError("zero bytes at the end of the batch, which are left out")
        # `_code` is how far the number that came stands above `low`; both are known but for what was shifted out.
        came = int.from_bytes(data[self._at - 4 : self._at].ljust(4, b"\0"), "big")
        low = came - self._code & _BITS_32
        if _roundest(low, self._range) & _BITS_32 != came:
            raise FormatError("the batch does not end as it would be written")

    def _next(self) -> None:
        at = self._at
        self._range <<= 8
        self._code = (self._code << 8 | (self._data[at] if at < len(self._data) else 0)) & _BITS_32
        self._at = at + 1
        if at >= len(self._data) + _MOST_LEFT_OUT:
            raise FormatError("the batch is cut short")

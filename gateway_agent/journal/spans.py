"""Sets of whole numbers as ranges: which sequences have left the journal, whatever their number."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Spans:
    """Ranges (first, last), ends included, ascending and never touching."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._firsts, self._lasts, strict=True))

    def __len__(self) -> int:
        """How many ranges there are."""
        return len(self._firsts)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    @property
    def total(self) -> int:
        """How many numbers there are."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def add(self, first: int, last: int) -> None:
        """Take in first to last; what overlaps or touches becomes one range."""
        low = bisect_right(self._firsts, first) - 1
        if low < 0 or self._lasts[low] < first - 1:
            low += 1
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        """Take out first to last."""
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        if low < high:
            kept = [(self._firsts[low], first - 1), (last + 1, self._lasts[high - 1])]
            kept = [(left, right) for left, right in kept if left <= right]
            self._firsts[low:high] = [left for left, _ in kept]
            self._lasts[low:high] = [right for _, right in kept]

    def touches(self, first: int, last: int) -> bool:
        """Whether any number from first to last, ends included, is in the set."""
        at = bisect_right(self._firsts, last) - 1
        return first <= last and at >= 0 and self._lasts[at] >= first

    def gaps(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The ranges between first and last, ends included, that are not in the set."""
        free = first
        for low, high in self:
            if low > last:
                break
            if low > free:
                yield free, low - 1
            free = max(free, high + 1)
        if free <= last:
            yield free, last

    def copy(self) -> "Spans":
        """Another set with the same numbers."""
        other = Spans()
        other._firsts, other._lasts = self._firsts[:], self._lasts[:]
        return other


def ranges_of(numbers: Iterable[int]) -> Spans:
    """The numbers as ranges."""
    spans = Spans()
    first: int | None = None
    last = 0
    for number in sorted(numbers):
        if first is None:
            first = last = number
        elif number <= last + 1:
            last = number
        else:
            spans.add(first, last)
            first = last = number
    if first is not None:
        spans.add(first, last)
    return spans

"""Windows that thinned readings became, said with a coder: telemetry.md, "Windows"."""

from collections.abc import Sequence

from gateway_agent.compact.limits import LARGEST, MAX_RANGES, MAX_WINDOWS
from gateway_agent.compact.symbols import (
    CLASS,
    EMPTY,
    EXPONENT,
    LEAST,
    NAME,
    RANGE,
    RANGES,
    SPREAD,
    TOTAL,
    WINDOW_COUNT,
    WINDOWS,
    Symbols,
)
from gateway_agent.compact.table import KINDS
from gateway_agent.records import Thinned, Window
from gateway_agent.uplink.errors import FormatError


def walk_windows(said: Symbols, thinned: Thinned | None, span_s: int) -> Thinned:
    """The windows of `span_s` seconds that readings of one channel became, and the sequences that they replace."""
    first = None if thinned is None else thinned.windows[0]
    point, kind, exponent = _channel(said, first)
    count = said.number(WINDOWS, 0 if thinned is None else len(thinned.windows) - 1) + 1
    if count > MAX_WINDOWS:
        raise FormatError(f"a record has at most {MAX_WINDOWS} windows")
    said.step(count)
    windows: list[Window] = []
    time_ms = said.time(0 if first is None else first.time_ms)
    said.state.time_ms = time_ms
    least = 0
    for index in range(count):
        given = None if thinned is None else thinned.windows[index]
        if index:
            between = 0 if given is None else (given.time_ms - time_ms) // (1000 * span_s) - 1
            time_ms = said.checked(time_ms + 1000 * span_s * (said.number(EMPTY, between) + 1))
        members = said.number(WINDOW_COUNT, 0 if given is None else given.count - 1) + 1
        least += said.integer(LEAST, 0 if given is None else given.least - least)
        greatest = least + said.number(SPREAD, 0 if given is None else given.greatest - given.least)
        if least < -LARGEST or greatest > LARGEST:
            raise FormatError("a value of more than 63 bits and a sign")
        low = members * least
        total = low + said.integer(TOTAL, 0 if given is None else given.total - low)
        windows.append(Window(point, time_ms, span_s, exponent, kind, least, greatest, total, members))
    return Thinned(tuple(windows), _replaces(said, None if thinned is None else thinned.replaces))


def _channel(said: Symbols, window: Window | None) -> tuple[str, str, int]:
    table = said.state.table
    number = -1
    if window is not None:
        number = table.numbers.get((window.point, window.kind, window.exponent), -1)
    number = said.number(NAME, number + 1) - 1
    if number >= len(table.channels):
        raise FormatError(f"channel {number} is not in the table")
    if number >= 0:
        channel = table.channels[number]
        return channel.point, channel.kind, channel.exponent
    point = said.text("" if window is None else window.point)
    kind = said.number(CLASS, 0 if window is None else KINDS.index(window.kind))
    exponent = said.integer(EXPONENT, 0 if window is None else window.exponent)
    if kind >= len(KINDS) or abs(exponent) > 18:
        raise FormatError("a window of an unknown kind, or an exponent beyond 18")
    return point, KINDS[kind], exponent


def _replaces(said: Symbols, given: Sequence[tuple[int, int]] | None) -> tuple[tuple[int, int], ...]:
    count = said.number(RANGES, 0 if given is None else len(given))
    if count > MAX_RANGES:
        raise FormatError(f"a record replaces at most {MAX_RANGES} ranges")
    said.step(count)
    ranges: list[tuple[int, int]] = []
    before = 0
    for index in range(count):
        low, high = (0, 0) if given is None else given[index]
        low = before + said.integer(RANGE, low - before)
        high = low + said.number(RANGE, high - low)
        if not 0 <= low <= high <= LARGEST:
            raise FormatError("a record replaces sequences from 0 on")
        before = high
        ranges.append((low, high))
    return tuple(ranges)

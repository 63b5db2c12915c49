"""A chart of bytes a reading on the air, by batch interval and mode, as SVG; a logarithmic scale, targets as dashes."""

from collections.abc import Iterator, Mapping
from math import log10

Series = Mapping[str, Mapping[str, float]]
"""For each mode the value of each interval."""

_WIDTH, _HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 168, 56, 56
_TICKS = (0.2, 0.5, 1, 2, 5, 10, 20, 50)
_COLOURS = {"compact": "#0b6e4f", "compact-self": "#4f9d69", "deflated-json": "#b5651d", "senml": "#5b5f97"}
_LABEL_APART = 18
_INK, _PALE = "#1f2933", "#d7dde4"


def chart(values: Series, targets: Mapping[str, float], title: str) -> str:
    """The file's text. `targets` are of some intervals; all modes have the same intervals."""
    intervals = list(next(iter(values.values())))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
            f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13" fill="{_INK}">',
            f"<title>{title}</title>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            f'<text x="{_LEFT}" y="26" font-size="16" font-weight="bold">{title}</text>',
            *_axes(intervals),
            *_targets(intervals, targets),
            *_lines(intervals, values),
            "</svg>",
            "",
        ]
    )


def _axes(intervals: list[str]) -> Iterator[str]:
    for tick in _TICKS:
        y = _y(tick)
        yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="{_PALE}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    for interval in intervals:
        name = f"{interval.removesuffix('min')} min"
        yield f'<text x="{_x(intervals, interval):.1f}" y="{_HEIGHT - _BOTTOM + 22}" text-anchor="middle">{name}</text>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield f'<text x="{middle:.1f}" y="{_HEIGHT - 10}" text-anchor="middle">from one batch to the next</text>'


def _targets(intervals: list[str], targets: Mapping[str, float]) -> Iterator[str]:
    for interval, target in targets.items():
        x, y = _x(intervals, interval), _y(target)
        yield f'<line x1="{x - 22:.1f}" y1="{y:.1f}" x2="{x + 22:.1f}" y2="{y:.1f}" stroke="{_INK}" stroke-width="2"/>'
    x, y = _WIDTH - _RIGHT + 14, _TOP + 12
    yield f'<line x1="{x}" y1="{y - 4}" x2="{x + 22}" y2="{y - 4}" stroke="{_INK}" stroke-width="2"/>'
    yield f'<text x="{x + 28}" y="{y}" font-size="11">target of compact</text>'


def _lines(intervals: list[str], values: Series) -> Iterator[str]:
    labels = _labels({mode: each[intervals[-1]] for mode, each in values.items()})
    for mode, each in values.items():
        colour = _COLOURS.get(mode, _INK)
        places = [(_x(intervals, interval), _y(each[interval])) for interval in intervals]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        for (x, y), interval in zip(places, intervals, strict=True):
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
            if mode != "compact-self":
                below = mode == "compact"
                yield (
                    f'<text x="{x:.1f}" y="{y + (19 if below else -9):.1f}" text-anchor="middle" font-size="11" '
                    f'fill="{colour}">{each[interval]:.3g}</text>'
                )
        x = _WIDTH - _RIGHT + 14
        yield f'<text x="{x}" y="{labels[mode]:.1f}" fill="{colour}" font-weight="bold">{mode}</text>'


def _labels(ends: Mapping[str, float]) -> dict[str, float]:
    """Heights of the modes' names at the right, moved apart where they would touch."""
    heights: dict[str, float] = {}
    floor = 0.0
    for mode in sorted(ends, key=lambda mode: -ends[mode]):
        floor = heights[mode] = max(_y(ends[mode]) + 4, floor + _LABEL_APART)
    return heights


def _x(intervals: list[str], interval: str) -> float:
    step = (_WIDTH - _LEFT - _RIGHT) / len(intervals)
    return _LEFT + step * (intervals.index(interval) + 0.5)


def _y(value: float) -> float:
    low, high = log10(_TICKS[0]), log10(_TICKS[-1])
    share = (log10(max(value, _TICKS[0])) - low) / (high - low)
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

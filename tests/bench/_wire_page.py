"""Writes the figures in docs/wire.md, and docs/wire.svg, from the lines of `make bench ARGS=wire` and `make faults`.

`make wire` measures first, some minutes; `make wire ARGS="FILE ..."` takes the JSON lines of runs kept in files.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench import wire
from tests.bench._wire_chart import chart
from tests.faults import uplink

ROOT = Path(__file__).parents[2]
PAGE, CHART = ROOT / "docs/wire.md", ROOT / "docs/wire.svg"
TARGETS = {"1min": 3.2, "5min": 0.95, "15min": 0.55, "60min": 0.40}
"""Bytes on the air for a reading, compact, with security and acknowledged."""
SENML_TARGET = 15.0
CPU_TARGET_S = 0.02
"""Processor seconds of the gateway for 1,000 readings."""

Row = dict[str, object]
Figures = dict[str, dict[str, float]]
"""For each case its metrics."""

_TITLE = "Bytes on the air for one reading: headers, security and answers included"
_INTERVALS = tuple(wire.INTERVALS)


def main(words: list[str]) -> None:
    """Rewrite the figures of the page, and the chart, from the lines of kept runs, or from runs of now."""
    rows = list(_kept(words)) if words else list(_measure())
    figures: Figures = {}
    for row in rows:
        if row["group"] == "wire":
            figures.setdefault(str(row["case"]), {})[str(row["metric"])] = float(str(row["value"]))
    faults = [row for row in rows if row["group"] == "faults" and str(row["case"]).startswith("uplink/")]
    heads = ("batches each", "target", "measured")
    sections = {
        "figures": _measured(figures),
        "targets": _table(heads, "lrr", _against_targets(figures)),
        "cost": _costs(figures),
        **({"faults": _faults(faults)} if faults else {}),
    }
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), sections), encoding="utf-8")
    on_air = {mode: {each: _figure(figures, mode, each, "", _ON_AIR) for each in _INTERVALS} for mode in _DRAWN}
    CHART.write_text(chart(on_air, TARGETS, _TITLE), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} and {CHART.relative_to(ROOT)} written")


_DRAWN = ("senml", wire.PEER, "compact-self", "compact")
_ON_AIR, _PAYLOAD = "on_air_bytes_per_reading", "payload_bytes_per_reading"
_WORKLOADS = {
    "": "The synthetic pole, seed 1 (34,128 readings in 24 hours)",
    "/seed2": "The same with seed 2",
    "/beijing": "A recorded year of air (hourly rows, read as one a minute: 101,757 readings, steps of an hour)",
}


def fill(text: str, sections: Mapping[str, Iterable[str]]) -> str:
    """The page with the lines between `<!-- name -->` and `<!-- end -->` replaced, for each section by its name."""
    for name, lines in sections.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"{PAGE.relative_to(ROOT)}: put {begin.strip()} and {end} around the section {name}")
        text = before + begin + "\n".join(["", *lines, "", end]) + after
    return text


def _measured(figures: Figures) -> Iterator[str]:
    for number, (suffix, what) in enumerate(_WORKLOADS.items()):
        if f"compact/15min{suffix}" in figures:
            yield from ["", f"{what}:", ""][number == 0 :]
            yield from _by_interval(figures, suffix)


def _by_interval(figures: Figures, suffix: str) -> Iterator[str]:
    heads = ("on air (payload)", *(f"{_minutes(each)}" for each in _INTERVALS), "setting up")
    rows = []
    for mode in wire.MODES:
        cells = [_on_air(figures, f"{mode}/{each}{suffix}") for each in _INTERVALS]
        setup = _figure(figures, mode, "15min", suffix, "setup_bytes")
        rows.append((f"`{mode}`", *cells, f"{setup:,.0f}"))
    yield from _table(heads, "l" + "r" * (len(heads) - 1), rows)


def _on_air(figures: Figures, case: str) -> str:
    """On air and payload, or nothing where the case was not measured."""
    found = figures.get(case)
    return "" if found is None else f"{found[_ON_AIR]:.2f} ({found[_PAYLOAD]:.2f})"


def _against_targets(figures: Figures) -> Iterator[tuple[str, ...]]:
    for interval, target in TARGETS.items():
        found = _figure(figures, "compact", interval, "", _ON_AIR)
        yield _minutes(interval), f"{target:.2f}", f"{found:.3f}"
    found = _figure(figures, "senml", "15min", "", _ON_AIR)
    yield "SenML-CBOR, 15 min", f"{SENML_TARGET:.1f}", f"{found:.2f}"


def _costs(figures: Figures) -> Iterator[str]:
    heads = ("mode", "interval", "writing, s", "reading, s", "writing, KiB", "reading, KiB")
    rows = [
        (
            f"`{mode}`",
            _minutes(interval),
            f"{_figure(figures, mode, interval, '', 'encode_cpu_s_per_1000'):.4f}",
            f"{_figure(figures, mode, interval, '', 'decode_cpu_s_per_1000'):.4f}",
            f"{_figure(figures, mode, interval, '', 'encode_peak_bytes') / 1024:.0f}",
            f"{_figure(figures, mode, interval, '', 'decode_peak_bytes') / 1024:.0f}",
        )
        for mode in wire.MODES
        for interval in ("1min", "15min", "60min")
    ]
    yield from _table(heads, "ll" + "r" * 4, rows)


def _faults(rows: Sequence[Row]) -> Iterator[str]:
    keys = ("tried", "survived", "lost", "duplicated", "wrong")
    cells = [(f"`{row['case']}`", *(f"{row[key]:,}" for key in keys)) for row in rows]
    yield from _table(("case", *keys), "l" + "r" * len(keys), cells)
    for row in rows:
        by_loss = {key: value for key, value in row.items() if key.startswith(_BY_LOSS)}
        if by_loss and not str(row["case"]).endswith("-control"):
            yield from ["", "A batch each minute at so many datagrams lost, and half as many doubled:", ""]
            heads = ("datagrams lost", *(f"{key.removeprefix(_BY_LOSS).removesuffix('_pct')} %" for key in by_loss))
            values = [("bytes on the air for a reading", *(f"{value:.2f}" for value in by_loss.values()))]
            yield from _table(heads, "l" + "r" * len(by_loss), values)


_BY_LOSS = "on_air_bytes_per_reading_"


def _table(heads: Sequence[str], sides: str, rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join('--:' if side == 'r' else '---' for side in sides)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _figure(figures: Figures, mode: str, interval: str, suffix: str, metric: str) -> float:
    case = f"{mode}/{interval}{suffix}"
    if metric not in figures.get(case, {}):
        raise SystemExit(f"{metric} of {case} is missing: give the lines of a whole run, or none to measure now")
    return figures[case][metric]


def _minutes(interval: str) -> str:
    return f"{interval.removesuffix('min')} min"


def _kept(words: Sequence[str]) -> Iterator[Row]:
    for word in words:
        for line in Path(word).read_text(encoding="utf-8").splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def _measure() -> Iterator[Row]:
    for group, rows in (("wire", wire.run([])), ("faults", uplink.run([]))):
        for row in rows:
            told: Row = {"group": group, **row}
            print(json.dumps(told), flush=True)
            yield told


if __name__ == "__main__":
    main(sys.argv[1:])

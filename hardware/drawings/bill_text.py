"""A bill of material as Markdown and as CSV."""

import csv
import io
from collections.abc import Sequence

from hardware.drawings.bill import COLUMNS, Line, rows, totals


def bill_markdown(title: str, origin: str, drawings: Sequence[str], lines: Sequence[Line]) -> str:
    """The page with the drawings above the table; `drawings` are file names beside it."""
    text = [f"# {title}", "", f"Made by `make gen` from {origin}; do not edit.", ""]
    text += [f"![Wiring, sheet {number}]({name})" for number, name in enumerate(drawings, 1)]
    text += ["", "## Bill of material", "", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    text += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows(lines)]
    text += ["", *totals(lines), ""]
    return "\n".join(text)


def bill_csv(lines: Sequence[Line]) -> str:
    """The table alone, for a spreadsheet: comma between cells, one line a row."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows(lines))
    return target.getvalue()

"""Progress of a case, for a person: a bar on stderr from the third second on, and only when that is a terminal."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_SHOWN_AFTER_S = 2.0

OnProgress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Show nothing; the `OnProgress` of a test."""


@contextmanager
def shown(case: str) -> Iterator[OnProgress]:
    """Give what a case calls with how much is done, and of how much; takes the bar away again at the end."""
    bar = Progress(
        TextColumn(case),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    task = bar.add_task(case, total=None)
    timer = threading.Timer(_SHOWN_AFTER_S, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        timer.cancel()
        timer.join()
        bar.stop()

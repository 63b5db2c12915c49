"""A progress bar on standard error while a fault case runs, where a person looks; nothing where none does."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def told_progress(case: str, items: Iterable[Item], total: int | None = None) -> Iterator[Item]:
    """Yield the items and show how far it is; `total` where the items do not tell how many they are."""
    console = Console(stderr=True)
    yield from track(items, case, total=total, console=console, disable=not console.is_terminal, transient=True)

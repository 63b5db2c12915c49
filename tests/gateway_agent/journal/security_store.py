"""A journal as OSCORE contexts see it."""

from pathlib import Path

from gateway_agent.clock import SystemClock
from gateway_agent.journal import Journal


def journal_store(path: Path, vfs: str | None = None) -> Journal:
    """The journal at `path`, a new one where there is none."""
    return Journal.open(path, SystemClock(), vfs=vfs)


async def new_journal(path: Path) -> Path:
    """A new journal at `path`, closed."""
    await journal_store(path).close()
    return path

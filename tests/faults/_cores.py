"""Work for all cores: machines block their process, so each core gets one of its own."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from tests.faults._progress import OnProgress

Result = TypeVar("Result")


def on_all_cores(work: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], on_progress: OnProgress) -> list[Result]:
    """What `work(*job)` gives for each job, in their order; all of it must be such that pickle takes it."""
    found: list[Result] = []
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        for result in pool.map(work, *zip(*jobs, strict=True)):
            found.append(result)
            on_progress(len(found), len(jobs))
    return found

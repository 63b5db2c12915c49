"""Long cases in lots, each kept when it is done: a run that was ended goes on where it was.

Lots are kept in `.faults_cache/` of the folder in which it runs, under the case and a digest of the code that it runs;
other code begins anew. When all lots are done and told, they are removed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tests.faults._progress import OnProgress

_FOLDER = Path(".faults_cache")
_ROOT = Path(__file__).parents[2]

Lot = dict[str, Any]


def in_lots(
    case: str, work: Callable[[int], Lot], lots: int, on_progress: OnProgress, sources: Sequence[str], at_once: int
) -> list[Lot]:
    """What `work(number)` gives for each lot, `at_once` at a time; plain values, as JSON has them.

    `sources` are folders or files of the repository on which the results depend.
    """
    folder = _FOLDER / f"{case.replace('/', '-')}-{_digest(sources)}"
    folder.mkdir(parents=True, exist_ok=True)
    kept = {number: folder / f"{number}.json" for number in range(lots)}
    waiting = [number for number, path in kept.items() if not path.exists()]
    on_progress(lots - len(waiting), lots)
    with ProcessPoolExecutor(at_once) as pool:
        running = {pool.submit(work, number): number for number in waiting}
        for done, finished in enumerate(as_completed(running), lots - len(waiting) + 1):
            path = kept[running[finished]]
            new = path.with_suffix(".new")
            new.write_text(json.dumps(finished.result()), encoding="utf-8")
            os.replace(new, path)
            on_progress(done, lots)
    found = [json.loads(path.read_text(encoding="utf-8")) for path in kept.values()]
    shutil.rmtree(folder)
    return found


def _digest(sources: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        place = _ROOT / source
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]

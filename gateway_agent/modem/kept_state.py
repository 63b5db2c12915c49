"""What a modem's driver must not forget when the agent starts anew: how far the ladder was climbed, and PINs tried.

A JSON file, written whole each time. One that is missing is a new modem; one that cannot be read is treated as one in
which everything was tried already is not, so it is put aside and said so, and PINs are then not tried (`is_damaged`).
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from gateway_agent.modem.errors import ModemError
from gateway_agent.whole_file import write_whole

PinOutcome = Literal["tried", "accepted", "refused"]


class KeptStateError(ModemError):
    """The file is there and cannot be used; the text says which, why, and what to do."""

    def __init__(self, path: Path, problem: OSError) -> None:
        why = problem.strerror or str(problem)
        super().__init__(
            f"{path} tells what was done with the modem and which PINs were tried, and cannot be used ({why}); run as "
            "root or as the agent's user, or mend the file's owner"
        )


@dataclass(frozen=True, slots=True)
class Climb:
    """A rung that was taken: when, which, and why."""

    unix_ms: int
    rung: str
    reason: str


@dataclass
class KeptState:
    """See the module. `level` is the number of rungs that were taken since there was service last.

    `awaits_answer`: the trouble was one that leaves the data connection up, so that it alone is not service.
    """

    path: Path | None
    level: int = 0
    climbs: list[Climb] = field(default_factory=list)
    pins: dict[str, PinOutcome] = field(default_factory=dict)
    answered_ms: int | None = None
    awaits_answer: bool = False
    is_damaged: bool = False

    def save(self) -> None:
        """Have it on the disk when this returns. Raises OSError."""
        if self.path is None:
            return
        content = {
            "level": self.level,
            "climbs": [asdict(climb) for climb in self.climbs],
            "pins": self.pins,
            "answered_ms": self.answered_ms,
            "awaits_answer": self.awaits_answer,
            "is_damaged": self.is_damaged,
        }
        write_whole(self.path, json.dumps(content, indent=1).encode() + b"\n")
        if os.geteuid() == 0:
            # The doctor may be run as root, and the agent must be able to go on with what it has left.
            folder = self.path.parent.stat()
            os.chown(self.path, folder.st_uid, folder.st_gid)


def load_state(path: Path | None) -> KeptState:
    """The state in a file, or a new one. Raises KeptStateError for a file that cannot be read or put aside."""
    if path is None:
        return KeptState(path)
    try:
        return _state_in(path)
    except FileNotFoundError:
        return KeptState(path)
    except OSError as problem:
        raise KeptStateError(path, problem) from problem


def _state_in(path: Path) -> KeptState:
    try:
        return _state_of(path, json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError):
        path.replace(path.with_name(path.name + ".damaged"))
        damaged = KeptState(path, is_damaged=True)
        damaged.save()  # at once: whoever is started next finds no file that is damaged any more
        return damaged


def _state_of(path: Path, content: dict[str, Any]) -> KeptState:
    answered_ms = content["answered_ms"]
    return KeptState(
        path,
        int(content["level"]),
        [Climb(int(one["unix_ms"]), str(one["rung"]), str(one["reason"])) for one in content["climbs"]],
        {str(key): value for key, value in content["pins"].items()},
        None if answered_ms is None else int(answered_ms),
        bool(content["awaits_answer"]),
        bool(content["is_damaged"]),
    )


def pin_key(iccid: str, pin: str) -> str:
    """Under which a PIN of a SIM is remembered. No secret is kept by it: a PIN has four digits."""
    return hashlib.sha256(f"{iccid} {pin}".encode()).hexdigest()[:24]

"""Running a command in a pseudo-terminal of a given size and keeping what it shows."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.screens.terminal import Terminal

_READ = 65536


class CaptureError(Exception):
    """The command could not be run, or did not end in time."""


def capture(
    command: Sequence[str],
    *,
    columns: int = 100,
    lines: int = 40,
    timeout_s: float = 60,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    keys: bytes = b"",
) -> tuple[Terminal, int]:
    """What `command` shows in a terminal of this size, and its exit code; `keys` are typed at the beginning.

    Raises CaptureError when it does not end within `timeout_s`; it is ended then.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    surroundings = {**os.environ, **(environment or {}), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    surroundings |= {"COLUMNS": str(columns), "LINES": str(lines)}
    surroundings.pop("NO_COLOR", None)
    try:
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=surroundings, start_new_session=True
        )
    except OSError as error:
        os.close(ours)
        raise CaptureError(f"{command[0]} cannot be run: {error.strerror}") from error
    finally:
        os.close(theirs)
    terminal = Terminal(columns, lines)
    try:
        if keys:
            os.write(ours, keys)
        _drain(ours, terminal, time.monotonic() + timeout_s)
        return terminal, process.wait(timeout=10)
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        last = "\n".join(terminal.text().split("\n")[-20:])
        raise CaptureError(
            f"{' '.join(command)} did not end within {timeout_s:g} s; it showed last:\n{last}"
        ) from error
    finally:
        os.close(ours)


def _drain(ours: int, terminal: Terminal, until: float) -> None:
    """Feed the terminal until the other end is closed. Raises TimeoutError."""
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        ready, _, _ = select.select([ours], [], [], min(left, 1.0))
        if not ready:
            continue
        try:
            data = os.read(ours, _READ)
        except OSError:  # Linux says EIO when the last holder of the other end is gone
            return
        if not data:
            return
        terminal.feed(data)

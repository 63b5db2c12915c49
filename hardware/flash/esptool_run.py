"""Running esptool as a program of its own: one command, its progress while it runs, its failure as a FlashProblem.

The chip's serial protocol is Espressif's and esptool is its reference; it is GPL-2.0, so nothing of it is imported.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hardware.flash.esptool_words import file_of, percent_of, problem_of
from hardware.flash.ports import is_there
from hardware.flash.problem import FlashProblem, Kind

FIRST_BAUD = 115200
"""The rate at which a chip's ROM is greeted; everything else is agreed upon from there."""
_LONG_ATTEMPTS = 0
_LOOK_EVERY_S, _GONE_S = 0.25, 2.0
_BROKE_OFF, _NO_ANSWER = "A serial exception error occurred", "Failed to connect to the chip"
_OWN_SETTINGS = ("ESPTOOL_", "ESPRESSIF_")
_SECRETS = ("GATEPOST_",)
_KEPT_SETTING = "ESPTOOL_CFGFILE"

OnProgress = Callable[[str, float], None]
"""Called with a file's name and how much of it is written, 0 to 1."""


def no_progress(file: str, done: float) -> None:
    """Show nothing."""


class EsptoolProblem(FlashProblem):
    """esptool has failed; `output` is all that it said."""

    def __init__(self, problem: FlashProblem, output: str) -> None:
        self.output = output
        super().__init__(problem.kind, problem.what, problem.mend)


@dataclass(frozen=True, slots=True)
class Esptool:
    """How to reach a chip: a `port` as pyserial names it, and whether to use the loader that esptool brings along."""

    port: str
    use_stub: bool = True
    on_text: Callable[[str], None] | None = None

    def run(
        self,
        command: Sequence[str],
        *,
        before: str,
        after: str,
        timeout_s: float,
        chip: str = "esp32",
        baud: int = FIRST_BAUD,
        attempts: int = 4,
        on_progress: OnProgress = no_progress,
    ) -> str:
        """Run one command and return all that esptool has said. `before` and `after` are its resets.

        Attempts 0 ask until the chip answers or the time is over. Raises FlashProblem, mostly
        EsptoolProblem. Ends the program on the way out, whatever happens.
        """
        words = [sys.executable, "-u", "-m", "esptool", "--chip", chip, "--port", self.port, "--baud", str(baud)]
        words += ["--before", before, "--after", self._after(after), "--connect-attempts", str(attempts)]
        words += [] if self.use_stub else ["--no-stub"]
        program = subprocess.Popen(
            [*words, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=_environment(),
        )
        watch = _Watch(program, self.port, timeout_s)
        watch.start()
        try:
            output = self._listen(program, on_progress)
            program.wait()
        finally:
            watch.end()
            program.kill()
            program.wait()
        if watch.is_gone:
            raise EsptoolProblem(problem_of(_BROKE_OFF, self.port), output)
        if watch.is_late and attempts != _LONG_ATTEMPTS:
            raise EsptoolProblem(
                FlashProblem(
                    Kind.LINE,
                    f"the chip on {self.port} did not get done within {timeout_s:.0f} s",
                    "unplug it, plug it in again, and run this again with --baud 115200",
                ),
                output,
            )
        if program.returncode != 0:
            raise EsptoolProblem(problem_of(_NO_ANSWER if watch.is_late else output, self.port), output)
        return output

    def _after(self, after: str) -> str:
        """Without its own loader nothing of it can be kept running."""
        return "no-reset" if after == "no-reset-stub" and not self.use_stub else after

    def _listen(self, program: "subprocess.Popen[str]", on_progress: OnProgress) -> str:
        assert program.stdout is not None
        lines: list[str] = []
        file = ""
        with program.stdout:
            for line in program.stdout:
                lines.append(line)
                if self.on_text is not None:
                    self.on_text(line.rstrip("\n"))
                file = file_of(line) or file
                percent = percent_of(line)
                if percent is not None:
                    on_progress(file, percent / 100)
        return "".join(lines)


class _Watch(threading.Thread):
    """Ends the program when its time is over, or its port has been gone for a while: it would wait far longer."""

    def __init__(self, program: "subprocess.Popen[str]", port: str, timeout_s: float) -> None:
        super().__init__(name="esptool watch", daemon=True)
        self.is_late = False
        self.is_gone = False
        self._program = program
        self._port = port
        self._late_s = time.monotonic() + timeout_s
        self._is_over = threading.Event()

    def run(self) -> None:
        """Look now and then."""
        was_there, seen_s = is_there(self._port), time.monotonic()
        while not self._is_over.wait(_LOOK_EVERY_S):
            now_s = time.monotonic()
            if is_there(self._port):
                was_there, seen_s = True, now_s
            self.is_gone = was_there and now_s - seen_s > _GONE_S
            self.is_late = now_s > self._late_s
            if self.is_gone or self.is_late:
                self._program.kill()
                return

    def end(self) -> None:
        """Look no more."""
        self._is_over.set()
        self.join()


def _environment() -> dict[str, str]:
    """That of this process without a kit's password and settings that change what esptool does, with plain output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*_OWN_SETTINGS, *_SECRETS))}
    if _KEPT_SETTING in os.environ:
        kept[_KEPT_SETTING] = os.environ[_KEPT_SETTING]
    return {**kept, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200", "PYTHONUTF8": "1"}

"""Running esptool as a program of its own: one command, its progress while it runs, its failure as a FlashProblem.

The chip's serial protocol is Espressif's and esptool is its reference; it is GPL-2.0, so nothing of it is imported.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hardware.flash.esptool_words import file_of, percent_of, problem_of
from hardware.flash.problem import FlashProblem, Kind

FIRST_BAUD = 115200
"""The rate at which a chip's ROM is greeted; everything else is agreed upon from there."""
_LONG_ATTEMPTS = 0
_OWN_SETTINGS = ("ESPTOOL_", "ESPRESSIF_")
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
        is_late = threading.Event()
        timer = threading.Timer(timeout_s, _end, (program, is_late))
        timer.start()
        try:
            output = self._listen(program, on_progress)
            program.wait()
        finally:
            timer.cancel()
            program.kill()
            program.wait()
        if is_late.is_set() and attempts != _LONG_ATTEMPTS:
            raise FlashProblem(
                Kind.LINE,
                f"the chip on {self.port} did not get done within {timeout_s:.0f} s",
                "unplug it, plug it in again, and run this again with --baud 115200",
            )
        if program.returncode != 0:
            said = output if not is_late.is_set() else "Failed to connect to the chip"
            raise EsptoolProblem(problem_of(said, self.port), output)
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


def _end(program: "subprocess.Popen[str]", is_late: threading.Event) -> None:
    is_late.set()
    program.kill()


def _environment() -> dict[str, str]:
    """That of this process without settings of esptool that would change what it does, and with plain output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_SETTINGS)}
    if _KEPT_SETTING in os.environ:
        kept[_KEPT_SETTING] = os.environ[_KEPT_SETTING]
    return {**kept, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200", "PYTHONUTF8": "1"}

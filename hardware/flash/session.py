"""One board from its port to its result: who is it, may it be written, write, read back, start, ask, judge.

It always comes back with a result: what went wrong is in it, and a second run begins anew. The chip's ROM cannot be
overwritten, so no failure in the middle leaves a board that cannot be flashed again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from hardware.flash.chip_link import RATES, ChipLink
from hardware.flash.console import ConsoleError, NodeReport, Port, ask_node
from hardware.flash.efuses import Security
from hardware.flash.esptool_run import Esptool
from hardware.flash.esptool_words import Chip
from hardware.flash.images import CHIP
from hardware.flash.judge import is_waiting, judge, table_digest
from hardware.flash.orders import Job
from hardware.flash.ports import open_console
from hardware.flash.problem import FlashProblem, Kind
from hardware.flash.results import Check, FlashResult

PRESS_EN = "press EN (RST) once: this port cannot restart the node"
_FIRST_ASK_S, _ASK_S, _BETWEEN_S = 0.7, 8.0, 0.5
_BOOT_TEXT_KEPT = 4000
_CUT_OFF = FlashProblem(
    Kind.STOPPED, "writing had begun when this computer stopped", "flash this board once more: it may carry the code"
)


class Watcher(Protocol):
    """Who shows a person how far it is."""

    def step(self, name: str) -> None:
        """A step begins."""
        ...

    def progress(self, done: float) -> None:
        """The present step is done to this share, 0 to 1."""
        ...

    def tell(self, text: str) -> None:
        """A fact."""
        ...

    def advise(self, text: str) -> None:
        """Something that a person has to do now, or should know."""
        ...

    def tool_text(self, line: str) -> None:
        """A line of esptool."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """How to go about it.

    `with_bus` tells whether devices hang on the node's bus already. `start_wait_s` is how long a node may take from its
    start to its first answer, `bus_wait_s` until all its devices were asked; `boot_wait_s` how long a hand may take for
    the button BOOT, 0 where nobody is there to press it. `choose` hears the MAC before anything is written and says
    which order the board gets; it raises FlashProblem(TWICE) for a board that must not get it. `begins` gets the result
    that holds if nothing more is ever heard of this try, when the first byte is about to be written.
    """

    port: str
    first_baud: int = RATES[0]
    use_stub: bool = True
    with_bus: bool = True
    start_wait_s: float = 40.0
    bus_wait_s: float = 30.0
    boot_wait_s: float = 60.0
    choose: Callable[[str, Job], Job] = field(default=lambda mac, job: job)
    begins: Callable[[FlashResult], None] = field(default=lambda result: None)


@dataclass(slots=True)
class _Standing:
    """What is known so far."""

    job: Job
    chip: Chip = field(default_factory=lambda: Chip("", "", "", None))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_s: float = field(default_factory=time.monotonic)
    security: Security | None = None
    baud: int = 0
    is_written: bool = False
    checks: tuple[Check, ...] = ()
    report: dict[str, str] = field(default_factory=dict)


def flash_node(job: Job, settings: Settings, watcher: Watcher) -> FlashResult:
    """Flash one board as `job` says and return what came of it; problems are in the result, Ctrl-C too."""

    def go(standing: _Standing) -> None:
        link = _flash(settings, watcher, standing)
        watcher.step("start")
        if not link.has_lines:
            watcher.advise(PRESS_EN)
        _ask(settings, watcher, standing)

    return _try(_Standing(job), settings, go)


def check_node(job: Job, settings: Settings, watcher: Watcher, mac: str) -> FlashResult:
    """Ask a node that runs already, and judge it as after flashing; `mac` is the board's if it is known, else "".

    The result is about the board that answered. One that answers for this terminal carries its identity, so that what
    was found counts, as after writing.
    """
    standing = _Standing(job, Chip("", "", mac, None))

    def go(standing: _Standing) -> None:
        watcher.step("ask")
        _ask(settings, watcher, standing)
        standing.chip = Chip("", "", standing.report.get("mac", mac), None)
        standing.is_written = standing.report.get("terminal") == job.order.terminal

    return _try(standing, settings, go)


def _try(standing: _Standing, settings: Settings, go: Callable[[_Standing], None]) -> FlashResult:
    problem: FlashProblem | None = None
    try:
        go(standing)
        problem = _verdict(standing.checks)
    except FlashProblem as met:
        problem = met
    except KeyboardInterrupt:
        problem = FlashProblem(Kind.STOPPED, "it was stopped with Ctrl-C", "run the same command again")
    except OSError as error:
        problem = FlashProblem(
            Kind.FILES,
            f"this computer could not go on ({error})",
            "make room on its disk, and run the same command again",
        )
    return _result(standing, settings, problem)


def _result(standing: _Standing, settings: Settings, problem: FlashProblem | None) -> FlashResult:
    job = standing.job
    return FlashResult(
        terminal=job.order.terminal,
        board=job.order.board,
        problem=problem,
        mac=standing.chip.mac or standing.report.get("mac", ""),
        chip=standing.chip.model,
        flash_bytes=standing.chip.flash_bytes or 0,
        security=standing.security.words if standing.security else "",
        port=settings.port,
        baud=standing.baud,
        is_written=standing.is_written,
        at=standing.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=round(time.monotonic() - standing.began_s, 1),
        image=job.image.name,
        image_sha256=job.image.sha256,
        application=job.application.version_text,
        table=table_digest(job.order.table),
        checks=standing.checks,
        report=standing.report,
        kit=job.kit,
    )


def look(job: Job, settings: Settings, watcher: Watcher) -> tuple[Chip, Security]:
    """Who the chip is and whether it may be written, and start it again; writes nothing. Raises FlashProblem."""
    standing = _Standing(job)
    link = _link(settings, watcher)
    _look(link, watcher, standing, is_last=True)
    assert standing.security is not None
    return standing.chip, standing.security


def _flash(settings: Settings, watcher: Watcher, standing: _Standing) -> ChipLink:
    link = _link(settings, watcher)
    try:
        _look(link, watcher, standing)
        standing.job = settings.choose(standing.chip.mac, standing.job)
    except FlashProblem:
        if standing.chip.mac:
            link.let_go(PRESS_EN)
        raise
    pieces = standing.job.plan.pieces
    watcher.step("write")
    standing.is_written = True
    settings.begins(_result(standing, settings, _CUT_OFF))
    standing.baud = link.write(pieces, settings.first_baud, watcher.progress)
    watcher.step("verify")
    link.verify(pieces)
    return link


def _link(settings: Settings, watcher: Watcher) -> ChipLink:
    tool = Esptool(settings.port, settings.use_stub, watcher.tool_text)
    return ChipLink(tool, watcher.advise, watcher.tell, settings.boot_wait_s)


def _look(link: ChipLink, watcher: Watcher, standing: _Standing, *, is_last: bool = False) -> None:
    job = standing.job
    watcher.step("chip")
    chip = standing.chip = link.identify()
    size = f"{chip.flash_bytes >> 20} MB flash" if chip.flash_bytes else "flash of unknown size"
    watcher.tell(f"{chip.model}, MAC {chip.mac}, {size}")
    if chip.family != CHIP:
        raise FlashProblem(
            Kind.WRONG_CHIP,
            f"this board has an {chip.family}, and {job.order.board} has an {CHIP}; nothing was written",
            "take the board that was ordered",
        )
    if chip.flash_bytes is None:
        raise FlashProblem(
            Kind.BAD_FLASH, "the flash does not tell its size; nothing was written", "take another module: it is broken"
        )
    if chip.flash_bytes < job.plan.flash_bytes:
        raise FlashProblem(
            Kind.SMALL_FLASH,
            f"the module has {chip.flash_bytes >> 20} MB of flash, and the image needs {job.plan.flash_bytes >> 20} MB;"
            " nothing was written",
            "take a module with more flash",
        )
    standing.security = link.read_security(is_last=is_last)
    watcher.tell(standing.security.words)
    standing.security.check()


def _ask(settings: Settings, watcher: Watcher, standing: _Standing) -> None:
    """Ask the started node until it answers and has asked its devices, and judge it."""
    port = open_console(settings.port)
    heard: list[str] = []
    try:
        report = _first_report(port, settings, heard)
        watcher.step("ask")
        late_s = time.monotonic() + settings.bus_wait_s
        while settings.with_bus and is_waiting(report) and time.monotonic() < late_s:
            time.sleep(_BETWEEN_S)
            report = ask_node(port, timeout_s=_ASK_S)
    except ConsoleError as error:
        raise _not_started(heard, standing.is_written) from error
    except OSError as error:
        raise FlashProblem(
            Kind.CABLE,
            "the connection broke off while the node was asked",
            "plug the cable in again and run the same command again",
        ) from error
    finally:
        port.close()
    standing.report = report.fields
    mac = standing.chip.mac or report.fields.get("mac", "")
    standing.checks = judge(standing.job, mac, report, with_bus=settings.with_bus)


def _first_report(port: Port, settings: Settings, heard: list[str]) -> NodeReport:
    """The first whole report; each question waits longer, for a node that is still loading has not heard it."""
    late_s = time.monotonic() + settings.start_wait_s
    patience_s = _FIRST_ASK_S
    while True:
        try:
            return ask_node(port, timeout_s=patience_s, on_text=heard.append)
        except ConsoleError:
            if time.monotonic() > late_s:
                raise
            patience_s = min(2 * patience_s, _ASK_S)


def _not_started(heard: list[str], is_written: bool) -> FlashProblem:
    lines = [line.strip() for line in "".join(heard)[-_BOOT_TEXT_KEPT:].splitlines() if line.strip()]
    said = f"; the last that came was: {lines[-1][:120]}" if lines else "; nothing came from it at all"
    return FlashProblem(
        Kind.NOT_STARTED,
        f"the node {'was written and verified, but ' if is_written else ''}does not answer{said}",
        f"press EN once and run this again; if it stays, {'take another board' if is_written else 'flash it again'}",
    )


def _verdict(checks: tuple[Check, ...]) -> FlashProblem | None:
    """What is wrong with a node that answers; None when every check is right."""
    wrong = [check for check in checks if not check.is_right]
    if not checks:
        return FlashProblem(Kind.NODE, "nothing was checked", "run this again")
    if not wrong:
        return None
    told = ", ".join(f"{check.name}: {check.told}" for check in wrong)
    return FlashProblem(Kind.NODE, f"the node runs, but is not right ({told})", wrong[0].mend)

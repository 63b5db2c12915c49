"""What an uplink has done since the start, and whether the platform answers."""

import logging
from dataclasses import dataclass

log = logging.getLogger("gatepost.uplink")


@dataclass
class UplinkCounters:
    """Since the start. `unconfirmed_batches` were sent without waiting for an answer, `lost_batches` of them did not
    arrive. `problem` is None while the platform answers, else a sentence; `clock_offset_ms` is the
    platform's clock minus ours at its last answer; `last_answer_ms` is when that was (unix milliseconds)."""

    exchanges: int = 0
    unconfirmed_batches: int = 0
    lost_batches: int = 0
    failures: int = 0
    refusals: int = 0
    acknowledged_records: int = 0
    acknowledged_readings: int = 0
    stray_acknowledgements: int = 0
    set_aside_records: int = 0
    problem: str | None = None
    last_answer_ms: int | None = None
    clock_offset_ms: int | None = None

    def note_problem(self, problem: str) -> None:
        """An exchange has not got on; each problem is logged once."""
        if problem != self.problem:
            log.warning("%s. What is stored stays stored; it is tried again.", problem)
        self.problem = problem

    def note_failure(self, problem: str) -> None:
        """An exchange has failed."""
        self.failures += 1
        self.note_problem(problem)

    def note_success(self, url: str) -> None:
        """The platform has answered."""
        if self.problem is not None:
            log.info("%s answers again", url)
        self.problem = None

"""What the log is told about one device: each trouble when it begins, and its end, without filling the disk."""

from gateway_agent.collect.request import Fault

_SAME_AGAIN_MS = 600_000


class Complaints:
    """Decides what is worth a line: a fault is told when it begins or takes another's place.

    The same fault is told again after ten minutes at the earliest, so that a device that answers now and then does not
    write two lines at each of its polls. Times are monotonic milliseconds.
    """

    def __init__(self) -> None:
        self._present: Fault | None = None
        self._told_ms: dict[Fault, int] = {}
        self._is_told = False

    def is_news(self, fault: Fault, now_ms: int) -> bool:
        """Note that something failed; whether that is to be told."""
        if fault is self._present:
            return False
        self._present = fault
        told_ms = self._told_ms.get(fault)
        if told_ms is not None and now_ms - told_ms < _SAME_AGAIN_MS:
            return False
        self._told_ms[fault] = now_ms
        self._is_told = True
        return True

    def is_over(self) -> bool:
        """Note that all is well; whether something had been told that is to be taken back."""
        was_told, self._is_told = self._is_told, False
        self._present = None
        return was_told

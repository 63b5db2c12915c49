"""What can go wrong with a modem, by name, and the script that says when.

`ModemFaults(rates={"glued": 0.01}, seed=3)` lets each opportunity strike with that probability; `inject(name)` lets the
next opportunity strike for certain. Faults that last (`LASTING`) begin at once and end with `clear(name)`, after
`for_s` seconds, or with what their sentence says. `hits` counts what has struck.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random

FAULTS = {
    "slow-boot": "The next start of the module takes four times as long.",
    "echo": "Echo is on again, though the host has switched it off.",
    "urc-inside": "Unsolicited lines stand inside an answer, between its lines and before its OK.",
    "urc-lost": "An unsolicited line is never said; what it would have carried is lost with it.",
    "lost-first": "The first two characters of a line from the module are lost.",
    "lost-input": "The first three characters of a command are lost on their way to the module.",
    "glued": "Two lines of the module stand on one, with no line end between them.",
    "truncated": "A line of the module ends early.",
    "garbage": "A few bytes of noise stand before a line of the module.",
    "overrun": "A stretch of bytes in the middle of what the module says is lost, as when the host's FIFO overflows.",
    "short-payload": "Bytes of a payload are lost on their way; the module waits a minute for as many more.",
    "late-answer": "A command is answered so late that the host has given it up; meanwhile nothing is taken.",
    "stray-ok": "An OK that nobody has asked for stands on the line, just after a command has come.",
    "no-answer": "A command is carried out, or not, and nothing at all is answered.",
    "buffer-full": "The module has no room for a payload and says so in its family's words.",
    "busy": "The module is busy with something else and refuses a send or an open with its family's error.",
    "send-fail": "The module takes a payload and then says that it could not be sent.",
    "cme-3": "A command is refused with CME error 3 until the data connection is made again.",
    "sleep": "The module has fallen asleep: what is sent to it vanishes, and the activity on the line wakes it up.",
    "denied": "Lasting: the network refuses the module (registration 3).",
    "searching": "Lasting: the module searches for ever (registration 2).",
    "unknown": "Lasting: registration says 4, unknown, until the radio is switched off and on (CFUN 0, CFUN 1).",
    "radio-stuck": "Lasting: the module searches until it is reset by command, power key or supply.",
    "sim-absent": "Lasting: no SIM (CME error 10).",
    "sim-pin": "Lasting: the SIM asks for its PIN (CME error 11), which is set and tried as on a real one.",
    "sim-dead": "Lasting: the SIM fails (CME error 13).",
    "sim-wrong": "Lasting: the SIM is wrong (CME error 15).",
    "pdp-drop": "The network takes the data connection away.",
    "socket-closed": "The network closes a socket.",
    "reboot": "The module restarts by itself.",
    "reboot-in-send": "The module restarts in the middle of the next send.",
    "deaf": "Lasting: nothing is answered any more until power key or supply.",
    "latched": "Lasting: nothing is answered until the supply has been off for ten seconds.",
    "silence": "Lasting: everything is sent and nothing ever comes back, though the module is registered.",
    "unplugged": "Lasting: the serial port is gone from the host.",
}
"""The names of all faults, with a sentence each."""

LASTING = frozenset(name for name, sentence in FAULTS.items() if sentence.startswith("Lasting"))
AT_ONCE = ("pdp-drop", "socket-closed", "echo", "sleep", "reboot")
"""Faults that happen, once, when they are injected, or with a command where a rate is set."""


class ModemFaults:
    """The script of one emulator. `rates`: probability of a fault at each opportunity, by name."""

    def __init__(self, rates: Mapping[str, float] | None = None, seed: int = 0) -> None:
        self.rates = dict(rates or {})
        for name in self.rates:
            _known(name)
            if name in LASTING:
                raise ValueError(f'"{name}" is a fault that lasts: it has no rate, begin it with inject("{name}")')
        self.random = Random(f"faults/{seed}")
        self.hits: Counter[str] = Counter()
        self.on_change: Callable[[str, bool], None] | None = None
        self.on_event: Callable[[str], None] | None = None
        self._armed: Counter[str] = Counter()
        self._lasting: dict[str, asyncio.TimerHandle | None] = {}

    def inject(self, name: str, *, for_s: float | None = None, times: int = 1) -> None:
        """Let a fault happen: a lasting one from now on (`for_s` seconds), another at its next `times` opportunities.

        ValueError for a name that is not in `FAULTS`.
        """
        _known(name)
        if name in LASTING:
            self._begin(name, for_s)
        elif name in AT_ONCE and self.on_event is not None:
            self.hits[name] += 1
            self.on_event(name)
        else:
            self._armed[name] += times

    def clear(self, name: str) -> None:
        """End a lasting fault, or forget one that was to strike."""
        _known(name)
        self._armed.pop(name, None)
        if name in self._lasting:
            timer = self._lasting.pop(name)
            if timer is not None:
                timer.cancel()
            if self.on_change is not None:
                self.on_change(name, False)

    def clear_all(self) -> None:
        """End every fault, and set every rate to nothing."""
        self.rates.clear()
        for name in FAULTS:
            self.clear(name)

    def lasts(self, name: str) -> bool:
        """Whether a lasting fault is on."""
        return name in self._lasting

    def strikes(self, name: str) -> bool:
        """Asked at each opportunity of a fault: whether it happens now."""
        if self._armed[name] > 0:
            self._armed[name] -= 1
        elif not (self.rates.get(name) and self.random.random() < self.rates[name]):
            return False
        self.hits[name] += 1
        return True

    def _begin(self, name: str, for_s: float | None) -> None:
        known = self._lasting.get(name)
        if known is not None:
            known.cancel()
        is_new = name not in self._lasting
        timer = None
        if for_s is not None:
            timer = asyncio.get_running_loop().call_later(for_s, self.clear, name)
        self._lasting[name] = timer
        if is_new:
            self.hits[name] += 1
            if self.on_change is not None:
                self.on_change(name, True)


def _known(name: str) -> None:
    if name not in FAULTS:
        raise ValueError(f'there is no fault "{name}": take one of {", ".join(FAULTS)}')

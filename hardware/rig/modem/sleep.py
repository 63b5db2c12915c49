"""When an emulated module sleeps: light sleep after a rest, power saving (PSM) after the active timer, and back.

In light sleep the network still pages the module; in power saving it does not, until the host speaks or the periodic
update (T3412) makes the module listen for a moment. 3GPP TS 23.682, 4.5.4.
"""

import asyncio
from collections.abc import Callable
from typing import Any

_AWAKE_S = 5.0
"""How long a module stays awake after a command, whatever its timers say."""
_WAKE_S = 0.1


class Sleep:
    """The timers. `fall(reachable)` and `wake()` are called when they are due; `kept` has what CPSMS has set."""

    def __init__(self, kept: dict[str, Any], fall: Callable[[bool], None], wake: Callable[[], None]) -> None:
        self._kept = kept
        self._fall = fall
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._light: asyncio.TimerHandle | None = None
        self._saving: asyncio.TimerHandle | None = None
        self._update: asyncio.TimerHandle | None = None
        self._waking: asyncio.TimerHandle | None = None

    def rest_begins(self, light_s: float | None, is_registered: bool) -> None:
        """A command or a connection has ended: from now on the module rests."""
        self.stop()
        if light_s is not None:
            self._light = self._loop.call_later(light_s, self._fall, True)
        if self._kept.get("psm") and is_registered:
            self._saving = self._loop.call_later(max(self._kept["t3324_s"], _AWAKE_S), self._save)

    def line_is_active(self) -> None:
        """Something is on the line: the module wakes up by it, a moment later."""
        if self._waking is None:
            self._waking = self._loop.call_later(_WAKE_S, self._wake)

    def stop(self) -> None:
        """Forget every timer."""
        for timer in (self._light, self._saving, self._update, self._waking):
            if timer is not None:
                timer.cancel()
        self._light = self._saving = self._update = self._waking = None

    def _save(self) -> None:
        self._fall(False)
        if self._kept.get("t3412_s"):
            self._update = self._loop.call_later(self._kept["t3412_s"], self._wake)

"""A machine's clock that a test moves."""

from hardware.rig.clock import RigClock


class SteppedClock:
    """The rig's clock, off by `off_ms`; `is_trusted` is what the kernel says of it."""

    def __init__(self, clock: RigClock, off_ms: int = 0, is_trusted: bool = False) -> None:
        self.off_ms = off_ms
        self.is_trusted = is_trusted
        self._clock = clock

    def unix_ms(self) -> int:
        return self._clock.unix_ms() + self.off_ms

    def monotonic_ms(self) -> int:
        return self._clock.monotonic_ms()

    def boot_id(self) -> str:
        return "one boot"

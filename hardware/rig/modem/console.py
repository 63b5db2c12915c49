"""A module's side of its UART: bytes become command lines or payloads, lines become bytes, with their faults.

Lines go out in the verbose form of V.250 (empty line end, text, line end). Unsolicited lines go out at once, also in
the middle of a command, but wait while the module takes a payload.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from hardware.rig.modem.faults import ModemFaults
from hardware.rig.modem.request import Refused
from hardware.rig.modem.uart import UartEnd
from hardware.rig.modem.wording import Wording

_END = b"\r\n"
_GLUE_S = 0.1
_LOST_INPUT, _LOST_OUTPUT = 3, 2
_OVERRUN_FROM = 16
_NOISE = b"\x00\xff\xfe\x80\x15\xc3"
_PATIENCE_S = 60.0


class Console:
    """`on_line(text)` gets each command line that holds an "AT"; `say`, `urc`, `raw` and `prompt` answer.

    `line_limit`: a longer command line is thrown away with `on_overflow`. `chatter()` gives an unsolicited line without
    meaning, or "".
    """

    def __init__(
        self, end: UartEnd, faults: ModemFaults, wording: Wording, counters: Counter[str], line_limit: int
    ) -> None:
        self.echo = True
        self.is_muted = False
        self.on_line: Callable[[str], None] = _ignore
        self.on_overflow: Callable[[], None] = _nothing
        self.chatter: Callable[[], str] = str
        self._end = end
        self._faults = faults
        self._wording = wording
        self._counters = counters
        self._line_limit = line_limit
        self._line = bytearray()
        self._wanted = 0
        self._payload = bytearray()
        self._lost_bytes = 0
        self._payload_done: asyncio.Future[bytes] | None = None
        self._waiting: list[tuple[str, bytes]] = []
        self._held_end: asyncio.TimerHandle | None = None

    def receive(self, data: bytes) -> None:
        """Take bytes from the host."""
        position = 0
        while position < len(data):
            if self._payload_done is not None:
                position = self._take_payload(data, position)
            else:
                position = self._take_line(data, position)

    def say(self, text: str) -> None:
        """Say one line of an answer."""
        if self._faults.strikes("urc-inside"):
            aside = self.chatter()
            if aside:
                self._write_line(aside)
        if not self.is_muted:
            self._write_line(text)

    def urc(self, text: str, raw: bytes = b"") -> None:
        """Say an unsolicited line, and the bytes that follow it directly."""
        if self._faults.strikes("urc-lost"):
            return
        self._counters["unsolicited"] += 1
        if self._payload_done is not None:
            self._waiting.append((text, raw))
            return
        self._write_line(text)
        if raw:
            self.raw(raw)

    def raw(self, data: bytes) -> None:
        """Say bytes as they are."""
        self._end_line()
        self._send(data)

    async def prompt(self, count: int) -> bytes:
        """Ask for `count` bytes and wait for them, at most a minute; Refused without them, or while nothing is said."""
        if self.is_muted:
            raise Refused
        self._end_line()
        self._end.send(self._wording.prompt)
        self._payload.clear()
        self._wanted = count
        self._payload_done = asyncio.get_running_loop().create_future()
        self._lost_bytes = 1 + self._faults.random.randrange(count) if self._faults.strikes("short-payload") else 0
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._payload_done
        except TimeoutError:
            raise Refused from None
        finally:
            self._payload_done = None
            for text, raw in self._waiting:
                self._write_line(text)
                if raw:
                    self.raw(raw)
            self._waiting.clear()

    def reset(self) -> None:
        """Forget everything, as a module does that loses its supply; what is being said stops."""
        if self._held_end is not None:
            self._held_end.cancel()
            self._held_end = None
        self._end.silence()
        self._line.clear()
        self._waiting.clear()
        self._lost_bytes = 0

    def _take_payload(self, data: bytes, position: int) -> int:
        if self._lost_bytes:
            lost = min(self._lost_bytes, len(data) - position)
            self._lost_bytes -= lost
            position += lost
        piece = data[position : position + self._wanted - len(self._payload)]
        self._payload += piece
        if self._wording.echoes_payload and self.echo:
            self._end.send(piece)
        if len(self._payload) == self._wanted and self._payload_done is not None:
            done, self._payload_done = self._payload_done, None
            if not done.done():
                done.set_result(bytes(self._payload))
        return position + len(piece)

    def _take_line(self, data: bytes, position: int) -> int:
        at = data.find(b"\r", position)
        end = len(data) if at < 0 else at + 1
        piece = data[position:end]
        self._line += piece
        if self.echo:
            self._end_line()
            self._end.send(piece)
        if at >= 0:
            line, self._line = bytes(self._line), bytearray()
            self._have_line(line)
        elif len(self._line) > 2 * self._line_limit:
            del self._line[self._line_limit + 1 :]
        return end

    def _have_line(self, line: bytes) -> None:
        if self._faults.strikes("lost-input"):
            line = line[_LOST_INPUT:]
        text = line.decode("latin-1").strip()
        start = text.upper().find("AT")
        if start < 0:
            self._counters["unreadable"] += bool(text)
            return
        if len(line) > self._line_limit:
            self._counters["overlong"] += 1
            self.on_overflow()
            return
        self.on_line(text[start:])

    def _write_line(self, text: str) -> None:
        data = text.encode("latin-1")
        faults = self._faults
        if faults.strikes("lost-first"):
            data = data[_LOST_OUTPUT:]
        if len(data) > 1 and faults.strikes("truncated"):
            data = data[: faults.random.randrange(1, len(data))]
        if faults.strikes("garbage"):
            data = bytes(faults.random.choice(_NOISE) for _ in range(faults.random.randint(1, 6))) + data
        if self._held_end is not None:
            # Glued: this line follows the one before directly.
            self._held_end.cancel()
            self._held_end = None
            self._send(data + _END)
            return
        blank = _END if self._wording.blank_line and text.startswith("+") else b""
        if faults.strikes("glued"):
            self._send(_END + blank + data)
            self._held_end = asyncio.get_running_loop().call_later(_GLUE_S, self._end_line)
        else:
            self._send(_END + blank + data + _END)

    def _send(self, data: bytes) -> None:
        if len(data) > _OVERRUN_FROM and self._faults.strikes("overrun"):
            lost = self._faults.random.randint(4, len(data) // 2)
            start = self._faults.random.randrange(len(data) - lost)
            data = data[:start] + data[start + lost :]
        self._end.send(data)

    def _end_line(self) -> None:
        if self._held_end is not None:
            self._held_end.cancel()
            self._held_end = None
            self._end.send(_END)


def _ignore(_line: str) -> None:
    """Until somebody listens."""


def _nothing() -> None:
    """Until somebody listens."""

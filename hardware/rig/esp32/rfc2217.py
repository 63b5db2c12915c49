"""The server's side of RFC 2217 (Telnet Com Port Control Option), as much of it as pyserial's `rfc2217://` uses.

Telnet is RFC 854. Escapes are searched for, so that a flash image passes in pieces and not byte by byte.
"""

from collections.abc import Callable

_IAC, _DONT, _DO, _WONT, _WILL, _SB, _SE = 255, 254, 253, 252, 251, 250, 240
_BINARY, _ECHO, _SUPPRESS_GO_AHEAD, _COM_PORT = 0, 1, 3, 44
_KNOWN = (_BINARY, _ECHO, _SUPPRESS_GO_AHEAD, _COM_PORT)
_SET_BAUDRATE, _SET_CONTROL, _ANSWER = 1, 5, 100
_DTR_ON, _DTR_OFF, _RTS_ON, _RTS_OFF = 8, 9, 11, 12


class ComPortServer:
    """One connection. `on_data` gets the serial bytes, `on_lines` (DTR, RTS) at each change, `reply` what to send."""

    def __init__(
        self,
        on_data: Callable[[bytes], None],
        on_lines: Callable[[bool, bool], None],
        reply: Callable[[bytes], None],
    ) -> None:
        self.baud: int | None = None
        self._on_data = on_data
        self._on_lines = on_lines
        self._reply = reply
        self._rest = b""
        self._dtr = False
        self._rts = False

    @staticmethod
    def escape(data: bytes) -> bytes:
        """Serial bytes as they go over the connection."""
        return data.replace(b"\xff", b"\xff\xff")

    def feed(self, received: bytes) -> None:
        """Work off what arrived, in its order."""
        data = self._rest + received
        self._rest = b""
        place, plain = 0, []
        while (mark := data.find(_IAC, place)) >= 0:
            plain.append(data[place:mark])
            if data[mark + 1 : mark + 2] == b"\xff":
                plain.append(b"\xff")
                place = mark + 2
                continue
            length = _command_length(data, mark)
            if length is None:
                self._rest = data[mark:]
                place = len(data)
                break
            self._hand_on(plain)
            plain = []
            self._obey(data[mark : mark + length])
            place = mark + length
        self._hand_on([*plain, data[place:]])

    def _hand_on(self, pieces: list[bytes]) -> None:
        if data := b"".join(pieces):
            self._on_data(data)

    def _obey(self, command: bytes) -> None:
        if command[1] == _SB:
            if command[2] == _COM_PORT and len(command) > 5:
                self._obey_com_port(command[3], command[4:-2].replace(b"\xff\xff", b"\xff"))
        elif command[1] in (_DO, _WILL):
            known = command[2] in _KNOWN
            agreed, refused = (_WILL, _WONT) if command[1] == _DO else (_DO, _DONT)
            self._reply(bytes([_IAC, agreed if known else refused, command[2]]))

    def _obey_com_port(self, what: int, value: bytes) -> None:
        if what == _SET_BAUDRATE and len(value) == 4:
            self.baud = int.from_bytes(value, "big") or self.baud
        elif what == _SET_CONTROL and value:
            self._set_line(value[0])
        self._reply(bytes([_IAC, _SB, _COM_PORT, what + _ANSWER]) + self.escape(value) + bytes([_IAC, _SE]))

    def _set_line(self, value: int) -> None:
        if value in (_DTR_ON, _DTR_OFF):
            self._dtr = value == _DTR_ON
        elif value in (_RTS_ON, _RTS_OFF):
            self._rts = value == _RTS_ON
        else:
            return
        self._on_lines(self._dtr, self._rts)


def _command_length(data: bytes, mark: int) -> int | None:
    """Bytes of the telnet command at `mark`; None while some are missing."""
    kind = data[mark + 1 : mark + 2]
    if not kind:
        return None
    if kind[0] == _SB:
        place = mark + 2
        while (end := data.find(_IAC, place)) >= 0 and data[end + 1 : end + 2]:
            if data[end + 1] == _SE:
                return end + 2 - mark
            place = end + 2
        return None
    if kind[0] in (_DO, _DONT, _WILL, _WONT):
        return 3 if len(data) >= mark + 3 else None
    return 2

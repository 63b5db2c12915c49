"""The server's side of RFC 2217, as pyserial's client speaks to it."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.esp32.rfc2217 import ComPortServer

SET_BAUD = b"\xff\xfa\x2c\x01" + (460800).to_bytes(4, "big") + b"\xff\xf0"


class Line:
    def __init__(self) -> None:
        self.data = b""
        self.lines: list[tuple[bool, bool]] = []
        self.replies = b""
        self.server = ComPortServer(self._hear, lambda dtr, rts: self.lines.append((dtr, rts)), self._reply)

    def _hear(self, data: bytes) -> None:
        self.data += data

    def _reply(self, data: bytes) -> None:
        self.replies += data


@given(st.binary(max_size=200), st.integers(1, 9))
def test_serial_bytes_pass_with_any_cutting(data, step):
    line = Line()
    sent = ComPortServer.escape(data) + SET_BAUD + ComPortServer.escape(data)
    for place in range(0, len(sent), step):
        line.server.feed(sent[place : place + step])
    assert line.data == data + data
    assert line.server.baud == 460800


@given(st.binary(max_size=200))
def test_of_any_bytes_none_is_made_up(data):
    line = Line()
    line.server.feed(data)
    rest = iter(data)
    assert all(byte in rest for byte in line.data)  # what passes was sent, and in that sequence


def test_options_are_agreed_or_refused_and_lines_follow():
    line = Line()
    line.server.feed(b"\xff\xfb\x2c\xff\xfd\x2c\xff\xfd\x22")
    assert line.replies == b"\xff\xfd\x2c\xff\xfb\x2c\xff\xfc\x22"
    for value in (8, 11, 9, 12):
        line.server.feed(bytes([255, 250, 44, 5, value, 255, 240]))
    assert line.lines == [(True, False), (True, True), (False, True), (False, False)]
    assert line.replies.endswith(bytes([255, 250, 44, 105, 12, 255, 240]))

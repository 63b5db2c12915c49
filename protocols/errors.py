"""What is wrong with bytes from a wire, as a number: sentences are made at the gateway."""

SHORT = 1
"""Fewer bytes than the smallest frame, or than the frame's own length says."""
CRC = 2
"""The check value does not fit the bytes."""
UNIT = 3
"""The answer comes from another unit than the one that was asked."""
FUNCTION = 4
"""The answer has another function code than the request."""
COUNT = 5
"""The answer holds another number of registers than was asked for, or echoes another address or value."""
EXCEPTION = 6
"""The device answered with a Modbus exception; its code is in `detail`."""
LENGTH = 7
"""Bytes after the end of the frame, or a length that no frame of this kind can have."""
VALUE = 8
"""A field holds a value that its definition does not allow."""
VERSION = 9
"""The format's version or magic number is not one that this code reads."""

NAMES = ("", "SHORT", "CRC", "UNIT", "FUNCTION", "COUNT", "EXCEPTION", "LENGTH", "VALUE", "VERSION")
"""Name of each reason, by number."""


class WireError(Exception):
    """Bytes that are not what they should be; `reason` is one of the numbers above, `detail` a number of its own."""

    def __init__(self, reason: int, detail: int = 0) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

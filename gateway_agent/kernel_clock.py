"""Whether the kernel takes its own clock for right: adjtimex(2), read only, no privilege needed.

Without a battery-backed clock a Pi starts with an arbitrary time, and the kernel says so (STA_UNSYNC) until an NTP
client has set it: systemd-timesyncd and ntpd clear the flag, chrony does with `rtcsync`, which Debian sets. Setting the
clock by hand (settimeofday) raises it again, as do hours without any NTP answer.
"""

import ctypes
import errno
import logging
import os

_LOG = logging.getLogger(__name__)
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """The head of `struct timex` of linux/timex.h, with room for all that the kernel writes behind it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


_LIBC = ctypes.CDLL(None, use_errno=True)


def is_synchronised() -> bool:
    """Whether something keeps the system's clock right; False too where the kernel does not let us ask."""
    timex = _Timex()
    state = _LIBC.adjtimex(ctypes.byref(timex))
    if state < 0:
        number = ctypes.get_errno()
        _LOG.debug("adjtimex: %s (%s)", os.strerror(number), errno.errorcode.get(number, number))
        return False
    return state != _TIME_ERROR and not timex.status & _STA_UNSYNC

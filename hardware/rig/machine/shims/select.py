# `select` of the ESP32 port as far as standard input needs it: whether something was typed at the console.

import js

POLLIN = 1

_NOTHING = ()
_READY = ((None, POLLIN),)


class poll:
    """select.poll on sys.stdin alone; it never waits."""

    def register(self, obj, eventmask=POLLIN):
        pass

    def ipoll(self, timeout=-1, flags=0):
        # A tuple, for no port of MicroPython takes heap to go through what is ready.
        return _READY if _typed() else _NOTHING


_typed = js.rig_ports.console_any

# The ESP32 port's `network`, with a radio that is off. Methods are as in the documentation of MicroPython's ESP32 port.

STA_IF = 0
AP_IF = 1


class WLAN:
    """network.WLAN: there, but never connected; the rig has no air."""

    IF_STA = 0
    IF_AP = 1

    def __init__(self, interface=STA_IF):
        self._active = False

    def active(self, is_active=None):
        if is_active is None:
            return self._active
        self._active = bool(is_active)

    def isconnected(self):
        return False

    def connect(self, ssid=None, key=None, *, bssid=None):
        if not self._active:
            raise OSError("Wifi Not Started")

    def disconnect(self):
        pass

    def status(self, param=None):
        return 1000

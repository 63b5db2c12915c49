# The parts of the ESP32 port's `esp32` module that need neither radio nor flash partitions.

from binascii import unhexlify

import js

_ports = js.rig_ports

_NOT_INITIALIZED = 0x1101
_NOT_FOUND = 0x1102
_INVALID_LENGTH = 0x110C


def raw_temperature():
    # In Fahrenheit, as the classic ESP32 has it.
    return 128


class NVS:
    """esp32.NVS as far as the firmware uses it: blobs that the rig has laid there are read, nothing is written.

    An error is an OSError with the negative number of ESP-IDF's and its name.
    """

    def __init__(self, namespace):
        self._namespace = namespace
        if _ports.nvs_read(namespace, "") == "unreadable":
            raise OSError(-_NOT_INITIALIZED, "ESP_ERR_NVS_NOT_INITIALIZED")

    def get_blob(self, key, buffer):
        found = _ports.nvs_read(self._namespace, key)
        if found == "none":
            raise OSError(-_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        content = unhexlify(found)
        if len(content) > len(buffer):
            raise OSError(-_INVALID_LENGTH, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(content)] = content
        return len(content)

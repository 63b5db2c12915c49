"""The module that pyserial imports when it meets a URL `rig://NAME`; see `serial_url`."""

from hardware.rig.serial_url import Serial

__all__ = ["Serial"]

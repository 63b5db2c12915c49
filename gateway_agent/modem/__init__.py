"""Cellular modems on a serial port: AT commands, the life of a modem, and UDP sockets inside it.

Configure: a bearer with `modem` and `port` in pole.toml; the families stand in `hardware/modems/*.toml`.
Try it without hardware: `python -m hardware.rig.modem` runs an emulated modem on a pty.
Where it hurts: a modem says OK to what it has only put into a buffer, sleeps while it is spoken to, and reboots when
it likes. Nothing here promises that a datagram arrives; that is CoAP's business.
"""

"""A drop whose other end is a pseudo-terminal, so that pyserial and pymodbus open a real serial device.

`PtyDrop(line, link)`, on a bus or a UART, makes the device and a symbolic link to it, like the ones below
`/dev/serial/by-id`. What the opener writes goes on the line at its byte times; what the line carries is there to be
read. Baud rate and stop bits are taken from the terminal's settings each time the opener writes: if they are not the
line's, both sides hear garbage.

To try it: `pyserial-miniterm LINK 9600` while the rig runs.
Where it hurts: Linux clears the parity flag of a pseudo-terminal, so parity cannot be read and is what `parity` says.
The kernel hands bytes over in its own time: use `rig://` ports (`serial_url`) in a virtual run.
"""

import asyncio
import errno
import os
import pty
import termios
import tty
from pathlib import Path

from hardware.rig.line import Line, LineEnd

_READ_BYTES = 4096
_CFLAG, _OUTPUT_SPEED = 2, 5
_BAUD_OF_SPEED = {
    getattr(termios, f"B{baud}"): baud
    for baud in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
}


class PtyDrop:
    """One end a drop on `bus`, the other a serial device at `path`.

    `lost_bytes` counts what the opener did not read in time. Close it in the loop that it was made in.
    """

    def __init__(self, line: Line, link: Path, parity: str | None = None) -> None:
        self.path = link
        self.drop: LineEnd = line.attach(f"pty:{link.name}", self._receive, parity=parity)
        self.lost_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._ends: tuple[int, int] | None = None
        self.replug()

    def unplug(self) -> None:
        """Pull the adapter out: its path is gone, and whoever has it open reads an end."""
        if self._ends is None:
            return
        ours, theirs = self._ends
        self._ends = None
        self._loop.remove_reader(ours)
        self.path.unlink(missing_ok=True)
        os.close(ours)
        os.close(theirs)

    def replug(self) -> None:
        """Put the adapter in: a new device under the same path. Does nothing when it is in."""
        if self._ends is not None:
            return
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.symlink_to(os.ttyname(theirs))
        self._ends = (ours, theirs)
        self._loop.add_reader(ours, self._written)

    def close(self) -> None:
        """Pull it out and leave the bus."""
        self.unplug()
        self.drop.detach()

    def _written(self) -> None:
        if self._ends is None:
            return
        ours = self._ends[0]
        try:
            data = os.read(ours, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return
        self._take_settings(ours)
        self.drop.send(data)

    def _take_settings(self, ours: int) -> None:
        attributes = termios.tcgetattr(ours)
        baud = _BAUD_OF_SPEED.get(attributes[_OUTPUT_SPEED], 0)
        stop_bits = 2 if attributes[_CFLAG] & termios.CSTOPB else 1
        now = self.drop.settings
        if baud and (baud != now.baud or stop_bits != now.stop_bits):
            self.drop.configure(baud, now.parity, stop_bits)

    def _receive(self, data: bytes) -> None:
        if self._ends is None:
            return
        try:
            taken = os.write(self._ends[0], data)
        except BlockingIOError:
            taken = 0
        self.lost_bytes += len(data) - taken

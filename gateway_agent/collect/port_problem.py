"""What to tell when a serial port cannot be opened."""

import errno
import os
from pathlib import Path

from gateway_agent.config import BusConfig
from gateway_agent.errors import GatepostError


class PortError(GatepostError):
    """A serial port cannot be opened; the text says which, why, and what to do."""


def port_problem(bus: BusConfig, error: Exception, by_id: Path = Path("/dev/serial/by-id")) -> str:
    """Say why the port of `bus` cannot be opened, and the mend. `by_id` is where the stable names are listed."""
    place = f"bus {bus.name}: serial port {bus.port}"
    number = getattr(error, "errno", None)
    # pyserial puts the system's whole text, path and all, once more into its own.
    reason = str(error) if number is None else os.strerror(number)
    if number in (errno.EBUSY, errno.EAGAIN):
        holder = _holder(bus.port)
        return f"{place} is busy{holder}; stop the other program, the port is tried again by itself"
    if number == errno.ENOENT:
        names = sorted(path.name for path in by_id.iterdir()) if by_id.is_dir() else []
        present = ", ".join(names) if names else "none"
        return f"{place} is missing; plug in the adapter or mend the key port (adapters in {by_id}: {present})"
    if number in (errno.EACCES, errno.EPERM):
        return f"{place} is not permitted to this user; add it to the group dialout (or uucp) and log in again"
    if number in (errno.ENXIO, errno.ENODEV, errno.EIO):
        return f"{place} does not respond ({reason}); unplug the adapter and plug it in again"
    return f"{place} cannot be opened ({reason}); check that it is a serial port and takes {bus.line}"


def _holder(port: str) -> str:
    """Name the process that has the port open, as far as /proc may be read."""
    try:
        wanted = os.stat(port).st_rdev
    except OSError:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            if any(os.stat(link).st_rdev == wanted for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f" (held by process {process.name}, {name})"
        except OSError:
            continue  # the process ended, or is not ours to look at
    return ""

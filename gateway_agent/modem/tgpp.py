"""What 3GPP has laid down for every modem: SIM, registration, signal, clock and power saving (TS 27.007, TS 24.008)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

CME_NO_SIM = frozenset({10})
CME_DEAD_SIM = frozenset({13, 15})
"""SIM failure, SIM wrong (TS 27.007, 9.2.1)."""
CME_PIN = frozenset({11, 12, 16, 17, 18})

_CEREG = re.compile(r"\+CE?G?REG: ?(.*)")


class RegistrationState(IntEnum):
    """`<stat>` of +CEREG (TS 27.007, 10.1.22)."""

    OFF = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5

    @property
    def is_registered(self) -> bool:
        """Whether the network takes us."""
        return self in (RegistrationState.HOME, RegistrationState.ROAMING)


@dataclass(frozen=True, slots=True)
class Registration:
    """What +CEREG says: the state, and area and cell in hexadecimal where it names them."""

    state: RegistrationState
    area: str = ""
    cell: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """How well the cell is heard; None for what is not known. `coverage_level` is the ECL of NB-IoT, 0 the best."""

    rssi_dbm: int | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    snr_db: float | None = None
    coverage_level: int | None = None


def registration_of(text: str) -> Registration | None:
    """What a +CEREG or +CGREG line says, as an answer (`n,stat,...`) or as an URC (`stat,...`); None for any other."""
    found = _CEREG.fullmatch(text)
    if found is None:
        return None
    fields = [field.strip() for field in found[1].split(",")]
    # In an answer the second field is a bare digit; in an URC it is the area, four hexadecimal digits or nothing.
    is_answer = len(fields) > 1 and fields[1].isdigit() and len(fields[1]) == 1
    state, *place = fields[1:] if is_answer else fields
    if not state.isdigit() or len(state) > 2:
        return None
    try:
        named = RegistrationState(int(state))
    except ValueError:
        named = RegistrationState.UNKNOWN
    area, cell = ([one.strip('"') for one in place] + ["", ""])[:2]
    return Registration(named, area, cell)


def rssi_of(text: str) -> int | None:
    """dBm of a +CSQ line, None where it is not known (TS 27.007, 8.5)."""
    index = _number(text.partition(":")[2].split(",")[0])
    return -113 + 2 * index if index is not None and 0 <= index <= 31 else None


def rsrp_of(text: str) -> int | None:
    """dBm of the last field of a +CESQ line, None where it is not known (TS 27.007, 8.69)."""
    index = _number(text.rpartition(",")[2])
    return -141 + index if index is not None and 0 <= index <= 97 else None


def unix_ms_of_clock(text: str) -> int | None:
    """Unix milliseconds of a +CCLK line, None where its clock was not set by the network.

    `+CCLK: "26/11/28,09:30:00+32"` is local time and the quarters of an hour by which it is ahead of UTC.
    """
    found = re.search(r"(\d{2,4})/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d\d)?", text)
    if found is None:
        return None
    year = int(found[1])
    year += 2000 if year < 100 else 0
    try:
        local = datetime(year, *(int(found[part]) for part in range(2, 7)))  # type: ignore[arg-type]
    except ValueError:
        return None
    if not 2025 <= year < 2065:  # modems that were told no time begin in 1970, 1980, 2004 or 2016
        return None
    utc = local - timedelta(minutes=15 * int(found[7] or 0))
    return round((utc - datetime(1970, 1, 1)).total_seconds() * 1000)


_PERIODIC_UNITS = ((2, 0b011), (30, 0b100), (60, 0b101), (600, 0b000), (3600, 0b001), (36000, 0b010), (1152000, 0b110))
_ACTIVE_UNITS = ((2, 0b000), (60, 0b001), (360, 0b010))


def periodic_timer(seconds: int) -> str:
    """Eight bits of T3412 extended for at least so many seconds (TS 24.008, 10.5.7.4a)."""
    return _timer(seconds, _PERIODIC_UNITS)


def active_timer(seconds: int) -> str:
    """Eight bits of T3324 for at least so many seconds (TS 24.008, 10.5.7.4)."""
    return _timer(seconds, _ACTIVE_UNITS)


def _timer(seconds: int, units: tuple[tuple[int, int], ...]) -> str:
    for unit_s, bits in units:
        count = -(-seconds // unit_s)
        if count <= 31:
            return f"{bits:03b}{count:05b}"
    unit_s, bits = units[-1]
    return f"{bits:03b}{31:05b}"


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdigit() else None

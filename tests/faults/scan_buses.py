"""Ten random buses: every device that is alive has to be found, by its model, at its line setting and id.

A device counts as survived when it was found as what it is; two on one id when they were seen to be two. Lost is who
was not found; duplicated who was found at more than one place; wrong who was taken for another model, two that were
taken for one, and whoever was found where nobody is. `bus_s` are the seconds of the line's time of the whole scan,
`found_s` those until the last device was found; `brute_force_s` is every rate, parity and id asked once, waiting as
long as the slowest model may take, and `brute_force_short_s` the same with 80 ms, with which it would miss the slow
ones. All four are sums over the buses. The control asks the known models at their factory settings and ids, and nobody
else.
"""

from dataclasses import dataclass, fields
from random import Random

from gateway_agent.scan.findings import Found, Standing
from gateway_agent.scan.fingerprint import Fingerprint, load_fingerprints
from gateway_agent.scan.port import ScanPort
from gateway_agent.scan.search import Search
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.serial_url import SerialPort
from tests.faults._cases import Row
from tests.faults._progress import OnProgress
from tests.faults._scan_world import Planted, plant

BUSES = 10
SHORT_WAIT_S = 0.08
"""A wait that is usual where a program asks one id after the other."""


@dataclass(slots=True)
class Count:
    """What came of one bus, or of all."""

    tried: int = 0
    survived: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    bus_s: float = 0.0
    found_s: float = 0.0
    brute_force_s: float = 0.0
    brute_force_short_s: float = 0.0

    def add(self, other: "Count") -> None:
        """Add another bus."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def buses(on_progress: OnProgress, count: int = BUSES) -> Row:
    """The case."""
    return _row("scan/buses", on_progress, count, only_defaults=False)


def only_defaults(on_progress: OnProgress, count: int = BUSES) -> Row:
    """The control."""
    return _row("scan/buses-control", on_progress, count, only_defaults=True)


def _row(case: str, on_progress: OnProgress, count: int, *, only_defaults: bool) -> Row:
    whole = Count()
    for seed in range(count):
        on_progress(seed, count)
        whole.add(run_virtual(lambda clock, seed=seed: _scan_bus(clock, seed, only_defaults=only_defaults)))
    on_progress(count, count)
    return {
        "case": case,
        **{field.name: round(getattr(whole, field.name)) for field in fields(whole)},
    }


async def _scan_bus(clock: RigClock, seed: int, *, only_defaults: bool) -> Count:
    fingerprints = load_fingerprints()
    bus = Bus(f"scan-{seed}")
    planted = plant(bus, Random(seed), clock, fingerprints)
    socket = SerialPort(bus.name, bus)
    port = ScanPort(socket.path)
    port.open()
    try:
        search = Search(port, fingerprints)
        await (search.ask_known() if only_defaults else search.run())
    finally:
        port.close()
        socket.close()
    result = search.result()
    counted = compare(planted, result.found, fingerprints)
    counted.bus_s, counted.found_s = result.bus_s, result.found_s
    counted.brute_force_s, counted.brute_force_short_s = result.plain_s, search.short_s(SHORT_WAIT_S)
    return counted


def compare(planted: list[Planted], found: tuple[Found, ...], fingerprints: list[Fingerprint]) -> Count:
    """What was found against what is there."""
    units = {fingerprint.name: fingerprint.units for fingerprint in fingerprints}
    count = Count(tried=len(planted))
    matched: list[Found] = []
    for one in planted:
        ids = range(one.unit, one.unit + units[one.profiles[0]])
        here = [other for other in found if other.setting == one.setting and other.unit in ids]
        matched += here
        if not here:
            count.lost += 1
            continue
        count.duplicated += len(here) - 1
        if _is_right(one, here[0]):
            count.survived += 1
        else:
            count.wrong += 1
    count.wrong += sum(other not in matched for other in found)
    return count


def _is_right(planted: Planted, found: Found) -> bool:
    if len(planted.profiles) > 1:
        return found.standing is Standing.TWO
    return found.standing is Standing.ONE and found.unit == planted.unit and found.profile == planted.profiles[0]


CASES = {"scan/buses": buses, "scan/buses-control": only_defaults}

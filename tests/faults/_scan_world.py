"""Random buses for a scan: devices of known models with their own rates, parities and ids, dead ones, two on one id."""

from dataclasses import dataclass
from random import Random

from gateway_agent.clock import Clock
from gateway_agent.scan.fingerprint import Fingerprint
from gateway_agent.scan.setting import Setting
from hardware.rig.bus import Bus
from hardware.rig.devices import SimulatedDevice

_WITH_POINTS = 0.7
_AT_FACTORY = 0.4
_IDS = range(1, 244)


@dataclass(frozen=True, slots=True)
class Planted:
    """What truly hangs on the bus at one setting and id. `profiles` are one name, or two where two have this id."""

    setting: Setting
    unit: int
    profiles: tuple[str, ...]


def plant(bus: Bus, random: Random, clock: Clock, fingerprints: list[Fingerprint]) -> list[Planted]:
    """Hang three to six live devices, one or two dead ones and, on every second bus, two on one id on `bus`, of
    one model or of two.

    Returns the live ones. Each is set to what its profile lets it be set to; four in ten are as from the factory.
    """
    models = [fingerprint for fingerprint in fingerprints if fingerprint.requests]
    taken: set[int] = set()
    planted = []
    for number in range(random.randint(3, 6)):
        fingerprint = random.choice(models)
        setting, unit = _place(fingerprint, random, taken)
        _hang(bus, fingerprint, setting, unit, f"live-{number}", random, clock)
        planted.append(Planted(setting, unit, (fingerprint.name,)))
    if random.random() < 0.5:
        fingerprint = random.choice([model for model in models if model.units == 1])
        setting, unit = _place(fingerprint, random, taken)
        others = [model for model in models if model.units == 1 and setting in model.choices]
        other = random.choice([fingerprint, *others])
        for number, twin in enumerate((fingerprint, other)):
            _hang(bus, twin, setting, unit, f"twin-{number}", random, clock)
        planted.append(Planted(setting, unit, (fingerprint.name, other.name)))
    for number in range(random.randint(1, 2)):
        fingerprint = random.choice(models)
        setting, unit = _place(fingerprint, random, taken)
        _hang(bus, fingerprint, setting, unit, f"dead-{number}", random, clock).powered = False
    return planted


def _place(fingerprint: Fingerprint, random: Random, taken: set[int]) -> tuple[Setting, int]:
    """A setting and ids that nobody has, not even at another setting."""
    wanted = range(fingerprint.unit, fingerprint.unit + fingerprint.units)
    if random.random() < _AT_FACTORY and not taken.intersection(wanted):
        taken.update(wanted)
        return fingerprint.factory, fingerprint.unit
    while True:
        unit = random.choice(_IDS)
        ids = range(unit, unit + fingerprint.units)
        if not taken.intersection(ids):
            taken.update(ids)
            return random.choice(fingerprint.choices), unit


def _hang(
    bus: Bus, fingerprint: Fingerprint, setting: Setting, unit: int, name: str, random: Random, clock: Clock
) -> SimulatedDevice:
    device = SimulatedDevice(fingerprint.profile, unit, name, clock=clock)
    device.connect(bus).configure(setting.baud, setting.parity, setting.stop_bits)
    longest_ms = device.timing.reply_timeout_ms if device.timing is not None else 0
    device.reply_delay_ms = random.uniform(4, min(0.6 * longest_ms, 180))
    for point in device.points.values():
        if point.name != _read_back(device):
            low, high = _usual(point.low, point.high)
            device.set(point.name, random.randint(low, high))
    device.refresh()
    return device


def _read_back(device: SimulatedDevice) -> str:
    return "" if device.lamp is None else device.lamp.driver.read_back


def _usual(low: int, high: int) -> tuple[int, int]:
    """The middle of what is plausible, which is where values mostly are."""
    span = high - low
    return low + round(span * (1 - _WITH_POINTS) / 2), high - round(span * (1 - _WITH_POINTS) / 2)

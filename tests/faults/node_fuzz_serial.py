"""Random and mutated frames at the reader of each serial sensor, inside the machine: no crash, no false number.

Each sensor gets 100,000 polls: pure noise, right frames with bytes changed, cut off, doubled or pieced together, and
right frames amid noise, in one to three pieces. What the reader takes is judged by a second implementation of the
sensor's rules; a right frame that it does not find is lost, unless something right stood before it. The control is a
reader that believes any checksum.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway_agent.profiles import load_profile
from gateway_agent.profiles.resolve import resolve
from gateway_agent.provision import node_table
from hardware.rig.machine import package_files, run_script
from hardware.rig.serial_sensor import SerialSensor
from protocols import quality
from tests.faults._progress import OnProgress, silent
from tests.faults.fuzz_serial_program import PROGRAM
from tests.faults.node import Row
from tests.firmware.sensor_tables import pole_of

SEED = 11
POLLS = 100_000
CONTROL_POLLS = 3_000
_ROOT = Path(__file__).parents[2]
_HEAP_BYTES = 1 << 20
_AT_ONCE = 2

SENSORS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("plantower-pms5003", {}),
    ("plantower-pms7003", {}),
    ("nova-sds011", {}),
    ("winsen-mh-z19", {}),
    ("winsen-ze07-co", {}),
    ("uart-4in1-gas", {}),
    ("dfrobot-a02yyuw", {}),
    ("jsn-sr04t", {"checksum_first": 1}),
    ("nmea-gnss", {}),
)
"""Every profile of hardware/devices that has a frame, with its options."""


def fuzz(on_progress: OnProgress = silent) -> Row:
    """The case."""
    return run("node/fuzz-serial", SENSORS, POLLS, on_progress)


def fuzz_control(on_progress: OnProgress = silent) -> Row:
    """The same with a reader that believes any checksum."""
    return run("node/fuzz-serial-control", SENSORS, CONTROL_POLLS, on_progress, trusting=True)


CASES = {"node/fuzz-serial": fuzz, "node/fuzz-serial-control": fuzz_control}


def run(
    case: str,
    sensors: Sequence[tuple[str, dict[str, Any]]],
    polls: int,
    on_progress: OnProgress = silent,
    *,
    trusting: bool = False,
    seed: int = SEED,
) -> Row:
    """Fuzz these sensors, `polls` polls each, and add up what each machine counted."""
    totals = dict.fromkeys(("tried", "answered", "whole", "crashed", "lost", "wrong", "heap_growth_bytes"), 0)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        jobs = pool.map(lambda sensor: _fuzz_one(*sensor, polls, trusting, seed), sensors)
        for number, counts in enumerate(jobs, 1):
            on_progress(number, len(sensors))
            for name, count in counts.items():
                totals[name] += count
    bad = totals["crashed"] + totals["lost"] + totals["wrong"]
    return {
        "case": case,
        "tried": totals.pop("tried"),
        "survived": polls * len(sensors) - bad,
        "lost": totals.pop("lost"),
        "duplicated": 0,
        "wrong": totals.pop("wrong"),
        "readers": len(sensors),
        "seed": seed,
        **totals,
    }


def _fuzz_one(profile: str, options: dict[str, Any], polls: int, trusting: bool, seed: int) -> dict[str, int]:
    files = package_files(_ROOT / "protocols", "protocols")
    files |= package_files(_ROOT / "firmware/node", "node")
    files["sensor.tab"] = node_table(pole_of((profile, options)), "node")
    files["rules.json"] = json.dumps(_rules(profile, options))
    script = PROGRAM % {"polls": polls, "trusting": trusting, "seed": seed, "good": quality.GOOD}
    words = run_script(files, script, heap_bytes=_HEAP_BYTES).split()
    return {name: int(count) for name, count in zip(words[::2], words[1::2], strict=True)}


def _rules(profile: str, options: dict[str, Any]) -> dict[str, Any]:
    """What the second implementation knows of the sensor, in its profile's words, and right frames to begin with."""
    frame = load_profile(profile).frame
    assert frame is not None
    checksum = frame.checksum
    first = 0
    if checksum is not None:
        given = resolve(load_profile(profile), options).options.get(str(checksum.first), checksum.first)
        first = int(given)
    return {
        "sync": list(frame.sync),
        "bytes": frame.least,
        "kind": "xor" if checksum is None else checksum.kind,
        "first": first,
        "at": 0 if checksum is None else checksum.at % frame.least,
        "end": 0 if checksum is None else (checksum.at if checksum.end is None else checksum.end) % frame.least,
        "tail": list(frame.tail),
        "names": list(frame.sentences),
        "frames": [list(sample) for sample in _samples(profile, options)],
    }


def _samples(profile: str, options: dict[str, Any]) -> list[bytes]:
    """Some right frames with different values."""
    sensor = SerialSensor(load_profile(profile), profile, options)
    found = []
    for share in (0.1, 0.35, 0.5, 0.8):
        for point in sensor.points.values():
            if point.name != "level":
                sensor.set(point.name, point.low + round(share * (point.high - point.low)))
        found.append(sensor.whole())
    return found

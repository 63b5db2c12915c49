"""Registers of simulated devices, as answers that came a moment ago, and the way from them to the pipeline."""

from random import Random

from gateway_agent.pipeline import Pipeline
from gateway_agent.profiles import Request, load_profile
from gateway_agent.profiles.decode import decode
from gateway_agent.profiles.resolve import resolve
from gateway_agent.records import Reading
from hardware.rig.clock import DEMO_START_UNIX_MS
from hardware.rig.register_image import RegisterImage

_PROFILES = ("greenioiot-micro-station", "peacefair-pzem-016", "xy-md02", "eastron-sdm120")
_ANSWERS = 50


class RegisterSource:
    """One device after the other: each poll decodes its registers and hands the samples to the pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._number = 0
        random = Random(1)
        self._devices = []
        for name in _PROFILES:
            profile = resolve(load_profile(name))
            requests = profile.requests()
            image = RegisterImage(profile.points, profile.profile.device.requests.max_gap)
            answers = []
            for _ in range(_ANSWERS):
                for point in profile.points:
                    image.put(point.name, random.randint(point.low, min(point.high, point.low + 900)))
                answers.append([_registers(image, request) for request in requests])
            self._devices.append((name.replace("-", "_"), requests, answers))

    def poll(self) -> None:
        """The next device's next answer."""
        name, requests, answers = self._devices[self._number % len(self._devices)]
        registers = answers[self._number // len(self._devices) % _ANSWERS]
        time_ms = DEMO_START_UNIX_MS + 1000 * self._number
        self._number += 1
        samples = []
        for request, values in zip(requests, registers, strict=True):
            for point in request.points:
                value, _ = decode(point, values, request.address)
                if value is not None:
                    samples.append(Reading(f"{name}/{point.name}", time_ms, value, point.exponent))
        self._pipeline.polled(name, samples)


def _registers(image: RegisterImage, request: Request) -> tuple[int, ...]:
    data = image.read(request.unit_offset, request.function, request.address, request.count)
    assert data is not None
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))

"""Simulated serial sensors, made from their profile's `frame` and options alone.

Values are encoded as the devices' registers are (`register_image`, which does not lean on `protocols`), the frame is
put round them by the profile's words. A streaming sensor speaks at its own rhythm, another one when it gets its
request, after its set-up if it has one. `spoil` may change each frame on its way out; `powered = False` makes it mute,
and it forgets its set-up.

To try it: `SerialSensor(load_profile("nova-sds011"), "dust").connect(bus)` on a bus of 9600 baud with the node's UART.
Where it hurts: the line is a half-duplex `Bus`, so what node and sensor send at the same moment collides.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import reduce

from gateway_agent.profiles.frame_sections import FIELD_BYTES, ChecksumSection, FrameSection
from gateway_agent.profiles.model import Profile
from gateway_agent.profiles.point import Point
from gateway_agent.profiles.resolve import resolve
from gateway_agent.profiles.resolve_frame import FRAME_FUNCTION, frame_origin
from hardware.rig.bus import Bus, Drop
from hardware.rig.register_image import RegisterImage

_ALL_GAPS = 128
_REPLY_S = 0.02
_MINUTES = 60
_POLE = 90_000_000


class SerialSensor:
    """One serial sensor. `set` moves a point; `counts` counts frames "sent", requests "asked", set-ups "set-up"."""

    def __init__(self, profile: Profile, name: str, options: Mapping[str, object] | None = None) -> None:
        if profile.frame is None:
            raise ValueError(f"{name} has no frame")
        self.resolved = resolve(profile, options)
        self.name = name
        self.frame: FrameSection = profile.frame
        self._powered = True
        self._is_set_up = not profile.frame.setup
        self.has_fix = True
        self.spoil: Callable[[bytes], bytes] = lambda frame: frame
        self.counts: Counter[str] = Counter()
        self.drop: Drop | None = None
        self.points: dict[str, Point] = {point.name: point for point in self.resolved.points}
        self._image = RegisterImage(self.resolved.points, _ALL_GAPS)
        self._origin = frame_origin(profile)
        self._values = dict.fromkeys(self.points, 0)
        self._timer: asyncio.TimerHandle | None = None
        for register in range((self.frame.least - self._origin) // 2):
            self._image.add(0, FRAME_FUNCTION, register)
        for point in self.points.values():
            self.set(point.name, max(point.low, min(0, point.high)))

    @property
    def powered(self) -> bool:
        """Whether it has power."""
        return self._powered

    @powered.setter
    def powered(self, powered: bool) -> None:
        self._powered = powered
        self._is_set_up = (self._is_set_up and powered) or not self.frame.setup

    def connect(self, bus: Bus) -> Drop:
        """Hang it on a line; a sensor that speaks by itself begins to."""
        self.drop = bus.attach(self.name, frame=self._heard)
        if self.frame.every_ms is not None:
            self._timer = asyncio.get_running_loop().call_later(self.frame.every_ms / 1000, self._speak)
        return self.drop

    def disconnect(self) -> None:
        """Leave the line."""
        if self._timer is not None:
            self._timer.cancel()
        if self.drop is not None:
            self.drop.detach()
            self.drop = None

    def set(self, point: str, value: int) -> None:
        """Let the point have this value, with its exponent, from the next frame on; KeyError for an unknown point."""
        self._values[point] = value
        if self.points[point].register is not None:
            self._image.put(point, value)

    def set_raw(self, point: str, raw: int) -> None:
        """Let the point's bytes hold this, whatever it means."""
        self._image.put_raw(point, raw)

    def set_quality(self, point: str, wanted: int) -> None:
        """Let the status of the point mean this quality."""
        self._image.put_quality(point, wanted)

    def whole(self) -> bytes:
        """What it would send now: a frame, or all its sentences."""
        if self.frame.mode == "sentences":
            return b"".join(self.sentence(name) for name in self.frame.sentences)
        frame = self.frame
        count = (frame.least - self._origin) // 2
        body = bytearray(self._image.read(0, FRAME_FUNCTION, 0, count) or b"")
        whole = bytearray(self._origin) + body
        whole += bytes(frame.least - len(whole))
        whole[: len(frame.sync)] = bytes(frame.sync)
        if frame.length is not None:
            length, width = frame.length, FIELD_BYTES[frame.length.type]
            whole[length.at : length.at + width] = (len(whole) - length.adds).to_bytes(width, "big")
        if frame.tail:
            whole[-len(frame.tail) :] = bytes(frame.tail)
        assert frame.checksum is not None
        return bytes(self._sealed(whole, frame.checksum))

    def sentence(self, name: str, talker: str = "GN") -> bytes:
        """One sentence as it goes on the line, with its checksum and line end."""
        fields = [""] * 12
        section = self.frame.sentences[name]
        if section.valid_field is not None:
            fields[section.valid_field - 1] = (
                section.valid[0] if self.has_fix else ("V" if section.valid == "A" else "0")
            )
        for point in self.points.values():
            field = point.field
            if field is None or field.sentence != name or not self.has_fix:
                continue
            value = self._values[point.name]
            if field.written == "position":
                hemispheres = "NS" if point.high <= _POLE else "EW"
                fields[field.number - 1], fields[field.number] = _position(value, hemispheres)
            elif field.written == "time":
                fields[field.number - 1] = f"{value // 3600:02}{value // 60 % 60:02}{value % 60:02}.00"
            else:
                fields[field.number - 1] = f"{value * 10.0**point.exponent:.{-point.exponent}f}"
        text = f"{talker}{name},{','.join(fields)}".encode("ascii")
        return b"$" + text + b"*%02X\r\n" % reduce(lambda check, byte: check ^ byte, text, 0)

    def _sealed(self, whole: bytearray, checksum: ChecksumSection) -> bytearray:
        size = len(whole)
        first = checksum.first if isinstance(checksum.first, int) else self.resolved.options[checksum.first]
        assert isinstance(first, int)
        place = checksum.at % size
        end = (checksum.at if checksum.end is None else checksum.end) % size or size
        total = sum(whole[first:end])
        if checksum.kind == "sum16":
            whole[place : place + 2] = (total & 0xFFFF).to_bytes(2, "big")
        else:
            whole[place] = (-total if checksum.kind == "negated-sum8" else total) & 0xFF
        return whole

    def _speak(self) -> None:
        assert self.frame.every_ms is not None
        self._timer = asyncio.get_running_loop().call_later(self.frame.every_ms / 1000, self._speak)
        self._send(0.0)

    def _heard(self, frame: bytes) -> None:
        if not self.powered:
            return
        if self.frame.setup and bytes(self.frame.setup) in frame:
            self.counts["set-up"] += 1
            self._is_set_up = True
        if self.frame.request and frame.endswith(bytes(self.frame.request)):
            self.counts["asked"] += 1
            if self._is_set_up:
                self._send(_REPLY_S)

    def _send(self, after_s: float) -> None:
        if self.powered and self.drop is not None:
            self.counts["sent"] += 1
            data = self.spoil(self.whole())
            if data:
                self.drop.send(data, after_s)


def _position(millionths: int, hemispheres: str) -> tuple[str, str]:
    """`ddmm.mmmm` and the hemisphere."""
    size = abs(millionths)
    minutes = (size % 1_000_000) * _MINUTES / 1_000_000
    digits = 2 if hemispheres == "NS" else 3
    return f"{size // 1_000_000:0{digits}}{minutes:07.4f}", hemispheres[millionths < 0]

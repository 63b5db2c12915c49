"""Listening for those who speak unasked: serial sensors that stream, and anything else that never stops."""

from itertools import pairwise

from gateway_agent.profiles.load import load_profile, profile_names
from gateway_agent.profiles.model import Profile
from gateway_agent.scan.findings import Talker
from gateway_agent.scan.port import ScanPort
from gateway_agent.scan.setting import Setting

_LISTEN_S = 1.3
_RATES = (9600, 38400, 115200)
_FRAMES = 2
_MOST_FRAME_BYTES = 128


async def listen(port: ScanPort) -> list[Talker]:
    """Who speaks unasked, best guess first: at most one, for two on a line damage each other.

    Where nothing is heard at the first rate, nothing is heard at any: a receiver at the wrong rate hears wrong bytes.
    """
    profiles = [load_profile(name) for name in profile_names()]
    talker: Talker | None = None
    for baud in _RATES:
        setting = Setting(baud)
        heard = await port.listen(setting, _LISTEN_S)
        if not heard:
            return [] if talker is None else [talker]
        model = _model_of(heard, setting, profiles)
        if model:
            return [Talker(setting, model, len(heard))]
        talker = talker or Talker(setting, "", len(heard))
    return [] if talker is None else [talker]


def _model_of(heard: bytes, setting: Setting, profiles: list[Profile]) -> str:
    """The models whose frames are among the bytes, joined by "or"; empty when there is none."""
    models = []
    for profile in profiles:
        frame = profile.frame
        if (
            frame is None
            or frame.mode == "answering"
            or setting.baud not in (frame.line.baud, *frame.line.baud_choices)
        ):
            continue
        if frame.mode == "sentences":
            fits = heard.count(b"$G") >= _FRAMES and b"*" in heard
        else:
            fits = _repeats(heard, bytes(frame.sync), frame.bytes_)
        if fits:
            models.append(profile.device.model)
    return " or ".join(models)


def _repeats(heard: bytes, sync: bytes, length: int | None) -> bool:
    """Whether the sync bytes come again after one frame, or, where the frame tells its length itself, at even steps."""
    places = [at for at in range(len(heard)) if sync and heard.startswith(sync, at)]
    if length is not None:
        return any(at + length in places for at in places)
    return len(places) > _FRAMES and all(second - first <= _MOST_FRAME_BYTES for first, second in pairwise(places))

"""Keys for a run: a platform, and a gateway that is enrolled there, both made as `gatepost enrol` makes them."""

from dataclasses import dataclass
from pathlib import Path

from gateway_agent.clock import Clock
from gateway_agent.journal.kept_context import Store
from gateway_agent.uplink.identity import (
    EnrolRecord,
    Identity,
    PlatformIdentity,
    enrol,
    load_identity,
    load_platform,
    load_platform_identity,
    load_record,
    new_platform,
)
from gateway_agent.uplink.key_ring import KeyRing
from hardware.rig.platform_keys import PlatformKeys

_KEYS, _USED = "gateway.keys", "gateway.used"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What each side has: its identity, and the platform the gateway's record."""

    platform: PlatformIdentity
    identity: Identity
    record: EnrolRecord

    @classmethod
    def make(cls, gateway: str, folder: Path) -> "Enrolled":
        """New keys for both; their files are written into `folder`, which must exist."""
        own, public = new_platform("city")
        _write(folder / "city.toml", own)
        made = enrol(gateway, load_platform(_write(folder / "city-public.toml", public)))
        return cls(
            load_platform_identity(folder / "city.toml"),
            load_identity(_write(folder / "identity.toml", made.identity)),
            load_record(_write(folder / "record.toml", made.record)),
        )

    async def platform_keys(self, path: Path | str, clock: Clock) -> PlatformKeys:
        """The platform's keys at `path`; the gateway is enrolled there, once."""
        keys = PlatformKeys(path, self.platform, clock)
        await keys.enrol(self.record)
        return keys

    def key_ring(self, store: Store, folder: Path, clock: Clock, *, is_provisioned: bool = True) -> KeyRing:
        """The gateway's keys, kept in `folder`. Not `is_provisioned`: the context of its enrolment was used by an
        earlier life, so it begins with EDHOC."""
        if not is_provisioned:
            _write(folder / _USED, "an earlier life\n")
        return KeyRing(self.identity, store, folder / _KEYS, folder / _USED, clock)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path

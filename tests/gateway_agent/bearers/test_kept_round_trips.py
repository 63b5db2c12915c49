"""What was measured of a link is there after a restart, and a spoiled file does no harm."""

from pathlib import Path

import pytest

from gateway_agent.bearers.bearer import Bearer, BearerSettings
from gateway_agent.bearers.kept_round_trips import KeptRoundTrips
from gateway_agent.bearers.round_trip import Bounds
from gateway_agent.uplink.way import IpWay
from hardware.rig.clock import RigClock, run_virtual

BOUNDS = Bounds(10, 3, 60)


def bearer(clock: RigClock, name: str = "radio") -> Bearer:
    return Bearer(BearerSettings(name, BOUNDS), IpWay(), clock)


def test_a_restart_goes_on_with_what_was_measured(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        before, other = bearer(clock), bearer(clock, "wired")
        kept = KeptRoundTrips(tmp_path / "links", [before, other], clock)
        for _ in range(20):
            before.answered(4.0, 1)
        await kept.write()
        after, new = bearer(clock), bearer(clock, "fibre")
        KeptRoundTrips(tmp_path / "links", [after, new], clock)
        assert after.round_trips.wait_s == before.round_trips.wait_s < BOUNDS.first_s
        assert new.round_trips.wait_s == BOUNDS.first_s

    run_virtual(main)


def test_nothing_is_written_where_nothing_was_measured(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        await KeptRoundTrips(tmp_path / "links", [bearer(clock)], clock).write()
        assert not (tmp_path / "links").exists()

    run_virtual(main)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff\x00",
        b'{"radio": 1}',
        b'{"radio": {"smoothed_s": "x", "deviation_s": 1, "last_ms": 1}}',
        b'{"radio": {"smoothed_s": -4, "deviation_s": 1, "last_ms": %d}}',
        b'{"radio": {"smoothed_s": 1e300, "deviation_s": 1, "last_ms": %d}}',
    ],
)
def test_a_spoiled_file_means_measuring_anew(tmp_path: Path, content: bytes) -> None:
    async def main(clock: RigClock) -> None:
        (tmp_path / "links").write_bytes(content % clock.unix_ms() if b"%d" in content else content)
        one = bearer(clock)
        kept = KeptRoundTrips(tmp_path / "links", [one], clock)
        assert one.round_trips.wait_s == BOUNDS.first_s
        one.answered(4.0, 1)
        await kept.write()
        again = bearer(clock)
        KeptRoundTrips(tmp_path / "links", [again], clock)
        assert again.round_trips.smoothed_s == 4.0

    run_virtual(main)

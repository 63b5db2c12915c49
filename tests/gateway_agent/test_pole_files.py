"""What comes down is checked as a technician's commands check it, and what cannot be used changes nothing."""

import logging
from pathlib import Path

import cbor2
import pytest

from gateway_agent.config import load_pole
from gateway_agent.pole_files import PoleFiles, RecentLog, ledger
from gateway_agent.records import Event
from gateway_agent.uplink.transfer_format import CONFIGURATION, LOG, UPDATE, UPLOAD_LIMITS
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.small_pole import POLE

GATEWAY = "gp-small"
NODE = """
[[nodes]]
name = "lamp_air"
bus = "cabinet"
unit = 9
every_s = 5
key_file = "keys/lamp_air.key"
"""
TEXT = (
    POLE.replace("PORT", "/dev/ttyS9").replace("JOURNAL", "/nowhere/journal.sqlite").replace("TRUST", "auto")
).replace("PLATFORM", "coap://127.0.0.1:5683")


class Place:
    """A gateway with a pole.toml in use and a folder for what comes down; `told` are the events."""

    def __init__(self, folder: Path, clock: RigClock) -> None:
        self.folder = folder
        self.told: list[Event] = []
        (folder / "files").mkdir()
        self.files = PoleFiles(folder / "files", folder / "etc" / "pole.toml", GATEWAY, clock, self.hear)

    async def hear(self, event: Event) -> None:
        self.told.append(event)

    async def take(self, kind: str, data: bytes) -> str:
        return await self.files.takers[kind](data)

    def kept(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "files").iterdir())


def with_place(folder: Path, kind: str, data: bytes) -> tuple[str, Place]:
    async def main(clock: RigClock) -> tuple[str, Place]:
        place = Place(folder, clock)
        return await place.take(kind, data), place

    return run_virtual(main)


def test_a_good_configuration_is_kept_and_told_and_not_put_into_use(tmp_path: Path) -> None:
    why, place = with_place(tmp_path, CONFIGURATION, TEXT.encode())
    assert why == ""
    assert (tmp_path / "files" / "pole.toml").read_bytes() == TEXT.encode()
    assert [event.code for event in place.told] == ["configuration-received"]
    assert not (tmp_path / "etc" / "pole.toml").exists()


def test_paths_of_a_configuration_begin_where_the_one_in_use_lies(tmp_path: Path) -> None:
    (tmp_path / "etc" / "keys").mkdir(parents=True)
    (tmp_path / "etc" / "keys" / "lamp_air.key").write_text("ab" * 32)
    why, place = with_place(tmp_path, CONFIGURATION, TEXT.replace("[journal]", NODE + "[journal]").encode())
    assert why == ""
    assert place.kept() == ["pole.toml"]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (TEXT.replace('gateway = "gp-small"', 'gateway = "gp-other"').encode(), "gp-other"),
        (TEXT.replace("every_s = 2", "every_s = -2").encode(), "every_s"),
        (TEXT.replace("[journal]", NODE + "[journal]").encode(), "lamp_air.key"),
        (TEXT.encode()[:200], ""),
        (b"\xff\xfe", "UTF-8"),
        (b"a = 1", ""),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told_with_its_first_problem(
    tmp_path: Path, data: bytes, word: str
) -> None:
    why, place = with_place(tmp_path, CONFIGURATION, data)
    assert why
    assert word in why
    assert place.kept() == []
    (event,) = place.told
    assert (event.code, event.detail) == ("configuration-refused", why)


def test_a_bundle_that_every_node_would_refuse_does_not_replace_the_last(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        place = Place(tmp_path, clock)
        (tmp_path / "files" / "update.bundle").write_bytes(b"the last one")
        assert await place.take(UPDATE, b"GPB1" + bytes(400))
        assert await place.take(UPDATE, b"x")
        assert place.kept() == ["update.bundle"]
        assert [event.code for event in place.told] == ["update-refused", "update-refused"]

    run_virtual(main)
    assert (tmp_path / "files" / "update.bundle").read_bytes() == b"the last one"


def test_the_ledger_of_a_pole_is_the_same_each_time_and_names_every_point(tmp_path: Path) -> None:
    path = tmp_path / "pole.toml"
    path.write_text(TEXT)
    pole = load_pole(path)
    assert ledger(pole) == ledger(load_pole(path))
    version, gateway, where, nodes, devices = cbor2.loads(ledger(pole))
    assert (version, gateway, where, nodes) == (1, GATEWAY, [], [])
    assert [device[1] for device in devices] == ["cabinet", "meter"]
    assert ["temperature", "Cel", -1] in devices[0][7]
    assert all(len(device[7]) > 0 for device in devices)


def test_the_log_is_its_last_lines_within_the_limit() -> None:
    log = RecentLog()
    for number in range(600):
        log.emit(logging.LogRecord("gatepost", logging.INFO, "", 0, f"line {number} " + "x" * 2000, (), None))
    assert len(log.content) <= UPLOAD_LIMITS[LOG]
    assert b"line 599 " in log.content
    assert b"line 99 " not in log.content
    assert RecentLog().content

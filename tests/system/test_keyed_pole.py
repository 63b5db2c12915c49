"""A whole pole whose nodes have keys: it works as without them, and whoever taps the line can change nothing."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hardware.rig import demo_run
from hardware.rig.demo_run import DemoRun
from hardware.rig.modbus_side import unpack
from protocols import node_map
from tests.system.pole_runs import run_pole

SECONDS = 60
_EXCEPTION = 0x80


@pytest.fixture
def keyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo's pole have a key for each node and one for broadcasts; the manhole's node is another board."""
    for index, name in enumerate(("lamp", "manhole", "pole")):
        (tmp_path / f"{name}.key").write_text(bytes([index + 1] * 32).hex())
    text = demo_run.TEMPLATE.read_text()
    text = text.replace('bus = "pole"\nunit = 17', f'bus = "pole"\nunit = 17\nkey_file = "{tmp_path}/lamp.key"')
    text = text.replace(
        'bus = "pole"\nunit = 18',
        f'bus = "pole"\nunit = 18\nkey_file = "{tmp_path}/manhole.key"\nboard = "esp32-devkitc"',
    )
    text = text.replace('name = "pole"\nport', f'name = "pole"\nbroadcast_key_file = "{tmp_path}/pole.key"\nport', 1)
    template = tmp_path / "keyed.toml"
    template.write_text(text)
    monkeypatch.setattr(demo_run, "SCENARIO", replace(demo_run.SCENARIO, template=template))


def counted_writes(run: DemoRun, heard: list[bytes]) -> None:
    """Collect every frame that is on the pole bus."""
    tap = run.box.buses["pole"].attach("tap", frame=heard.append)
    assert tap is not None


@pytest.mark.usefixtures("keyed")
def test_a_pole_with_keys_works_as_one_without(tmp_path: Path) -> None:
    heard: list[bytes] = []
    _run, figures = run_pole(tmp_path, SECONDS, prepare=lambda run: counted_writes(run, heard))
    readings = figures["readings"]
    assert (readings["lost"], readings["duplicated"], readings["wrong"]) == (0, 0, 0)
    assert readings["delivered"] > 300
    assert figures["alarms"]["delivered"] == figures["alarms"]["raised"] == 1
    assert (figures["commands"]["sent"], figures["commands"]["confirmed"]) == (1, 1)
    frames = [unpacked for frame in heard if (unpacked := unpack(frame)) is not None]
    refused = sum(pdu[0] == 16 | _EXCEPTION for _, pdu in frames)
    writes = sum(pdu[0] == 16 and len(pdu) > 5 for _, pdu in frames)
    print(f"{writes} guarded writes, {refused} refused")
    assert writes >= 5
    assert refused == 0


@pytest.mark.usefixtures("keyed")
def test_a_tapped_line_changes_nothing(tmp_path: Path) -> None:
    """Every write that was heard is sent again, many times; the lamp, the clock and the events stay as they are."""
    heard: list[bytes] = []
    told: dict[str, Any] = {}

    async def meddle(run: DemoRun) -> None:
        await asyncio.sleep(SECONDS - 20)
        writes = [frame for frame in heard if len(frame) > 8 and frame[1] == 16]
        nodes = {17: [], 18: []}
        thief = run.box.buses["pole"].attach("thief")
        for frame in writes * 3:
            thief.send(frame)
            await asyncio.sleep(0.37)
        told["replayed"] = 3 * len(writes)
        told["nodes"] = nodes

    _run, figures = run_pole(tmp_path, SECONDS, prepare=lambda run: counted_writes(run, heard), meddle=meddle)
    taken = 0
    for index, frame in enumerate(heard):
        unpacked = unpack(frame)
        if unpacked is None or unpacked[1][0] != 16 or len(unpacked[1]) <= 5:
            continue
        if frame in heard[:index] and index + 1 < len(heard):
            answer = unpack(heard[index + 1])
            taken += answer is not None and answer[1][:1] == b"\x10" and len(answer[1]) == 5
    print(f"{told['replayed']} replays, {taken} taken")
    assert told["replayed"] >= 15
    assert taken == 0
    assert (figures["readings"]["lost"], figures["readings"]["duplicated"]) == (0, 0)
    assert figures["commands"]["confirmed"] == figures["commands"]["sent"]
    assert node_map.AUTH_REGISTERS == 8

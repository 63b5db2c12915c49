"""The agent's own path through an emulated modem: small doses of the benchmark and of the faults, and what tshark says
of every datagram on the air."""

import asyncio
import shutil
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from hardware.rig.clock import RigClock, run_virtual
from tests.bench._modem_world import modem_world
from tests.bench.modems import DIALECTS, Job, measure
from tests.faults.modems_dialect import run_careless, run_one

COAP_PORT = 5683
LINKTYPE_RAW = 101
FAULTS = (
    "reboot-in-send",
    "pdp-drop",
    "unplugged",
    "no-answer",
    "socket-closed",
    "garbage",
    "deaf",
    "urc-inside",
)
"""One for each dialect here; `make faults ARGS=modems` takes all for all."""


@pytest.mark.parametrize(("name", "fault"), list(zip(DIALECTS, FAULTS, strict=True)))
def test_a_dialect_loses_nothing_to_a_fault(name: str, fault: str) -> None:
    outcome = run_one(name, fault, "cat1")
    assert outcome.hits > 0
    assert outcome.is_clean, outcome


def test_who_takes_sent_for_acknowledged_loses_readings() -> None:
    outcome = run_careless("bc660k", "silence", "nbiot-good")
    assert outcome.lost > 0


def test_a_measured_wait_repeats_far_less_than_the_default_on_a_bad_radio() -> None:
    ours = measure(Job("ec800", "nbiot-bad", seed=2, hours=0.5))
    default = measure(Job("ec800", "nbiot-bad", seed=2, hours=0.5, is_default_timing=True))
    assert (ours.lost, ours.duplicated, ours.wrong, ours.delivered) == (0, 0, 0, ours.sent)
    assert (default.lost, default.duplicated, default.wrong) == (0, 0, 0)
    assert 3 * ours.spurious < default.spurious


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_every_datagram_as_coap(tmp_path: Path) -> None:
    seen: list[tuple[bool, bytes]] = []

    async def main(clock: RigClock) -> None:
        async with modem_world(tmp_path, clock, "bc660k", "nbiot-bad") as world:
            assert world.radio is not None
            world.radio.observe(
                on_up=lambda data, _: seen.append((True, data)), on_down=lambda data, _: seen.append((False, data))
            )
            world.command()
            await world.measure_for(1200)
            assert await world.settle()
            await asyncio.sleep(60)

    run_virtual(main)
    capture = tmp_path / "air.pcap"
    capture.write_bytes(pcap(seen))
    words = ["tshark", "-r", str(capture), "-d", f"udp.port=={COAP_PORT},coap", "-T", "fields"]
    words += ["-e", "frame.protocols", "-e", "_ws.malformed", "-e", "_ws.expert.message"]
    told = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert len(told) == len(seen) > 30
    fields = [line.split("\t") for line in told]
    assert [line for line in fields if "coap" not in line[0].split(":")] == []
    assert [line for line in fields if line[1] or "alformed" in line[2]] == []


def pcap(datagrams: list[tuple[bool, bytes]]) -> bytes:
    """A capture file (pcap 2.4) of UDP datagrams between a gateway and a platform; True goes up."""
    ends = (socket.inet_aton("10.0.0.2"), 40_000), (socket.inet_aton("10.0.0.1"), COAP_PORT)
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, LINKTYPE_RAW)]
    for number, (is_up, data) in enumerate(datagrams):
        (source, from_port), (target, to_port) = ends if is_up else ends[::-1]
        udp = struct.pack(">HHHH", from_port, to_port, 8 + len(data), 0) + data
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0, source, target)
        packet = head + udp
        parts.append(struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet)
    return b"".join(parts)

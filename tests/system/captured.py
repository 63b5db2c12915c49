"""Datagrams of a run as a capture file, for whoever takes packets apart better than we do."""

import socket
import struct
from collections.abc import Iterable
from pathlib import Path

COAP_PORT = 5683
_AGENT_PORT = 49152
_MAGIC, _RAW_IP = 0xA1B2C3D4, 101  # pcap, LINKTYPE_RAW
_UDP = 17


def write_capture(path: Path, datagrams: Iterable[tuple[bool, bytes]]) -> None:
    """Write (whether it came from the agent, UDP payload) as IPv4 packets, a millisecond apart."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, 65535, _RAW_IP))
        for number, (is_from_agent, payload) in enumerate(datagrams):
            packet = _packet(is_from_agent, payload)
            file.write(struct.pack("<IIII", number // 1000, number % 1000 * 1000, len(packet), len(packet)) + packet)


def _packet(is_from_agent: bool, payload: bytes) -> bytes:
    agent, platform = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")
    source, target = (agent, platform) if is_from_agent else (platform, agent)
    ports = (_AGENT_PORT, COAP_PORT) if is_from_agent else (COAP_PORT, _AGENT_PORT)
    udp = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP, 0, source, target)
    return head[:10] + struct.pack(">H", _checksum(head)) + head[12:] + udp


def _checksum(head: bytes) -> int:
    total = sum(struct.unpack(f">{len(head) // 2}H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

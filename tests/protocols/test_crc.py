"""The CRC of Modbus RTU against published frames and against pymodbus."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from protocols.crc import crc16

VECTORS = json.loads((Path(__file__).parents[2] / "protocols/vectors/rtu.json").read_text())


@pytest.mark.parametrize("case", VECTORS["crc"], ids=lambda case: case["bytes"])
def test_published_frames_have_the_published_crc(case: dict[str, str]) -> None:
    body = bytes.fromhex(case["bytes"])
    assert crc16(body, 0, len(body)).to_bytes(2, "little").hex() == case["line"]


@given(st.binary(max_size=300))
def test_any_bytes_have_the_crc_that_pymodbus_finds(body: bytes) -> None:
    assert crc16(body, 0, len(body)).to_bytes(2, "little") == FramerRTU.compute_CRC(body).to_bytes(2, "big")


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_only_the_named_part_of_the_buffer_counts(before: bytes, body: bytes, after: bytes) -> None:
    start = len(before)
    assert crc16(before + body + after, start, start + len(body)) == crc16(body, 0, len(body))

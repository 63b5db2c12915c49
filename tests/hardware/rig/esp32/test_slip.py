"""SLIP in bulk gives what a reader of single bytes gives."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.esp32.checksum import exclusive_or
from hardware.rig.esp32.slip import SlipReader, encode


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=8), st.integers(1, 20))
def test_frames_survive_any_cutting(bodies, step):
    line = b"".join(map(encode, bodies))
    reader = SlipReader()
    found = [frame for place in range(0, len(line), step) for frame in reader.feed(line[place : place + step])]
    assert found == bodies


@given(st.binary(max_size=300))
def test_noise_gives_no_error_and_the_next_frame_is_found(noise):
    reader = SlipReader()
    reader.feed(noise + b"\xc0")
    assert reader.feed(encode(b"good")) == [b"good"]


def test_a_wrong_escape_spoils_its_frame_alone():
    assert SlipReader().feed(b"\xc0ab\xdbzcd\xc0" + encode(b"\xdb\xc0")) == [b"\xdb\xc0"]


@given(st.binary(max_size=200))
def test_the_folded_sum_is_that_of_all_bytes(data):
    expected = 0
    for byte in data:
        expected ^= byte
    assert exclusive_or(data) == expected

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.line_settings import LineSettings, heard_as


@pytest.mark.parametrize(
    ("parity", "stop_bits", "bits"), [("N", 1, 10), ("E", 1, 11), ("O", 1, 11), ("N", 2, 11), ("E", 2, 12)]
)
def test_a_character_has_ten_to_twelve_bits(parity: str, stop_bits: int, bits: int) -> None:
    settings = LineSettings(9600, parity, stop_bits)
    assert settings.character_bits == bits
    assert settings.byte_s == pytest.approx(bits / 9600)


def test_silence_that_ends_a_frame_is_as_in_the_standard() -> None:
    assert LineSettings(2400).quiet_s * 1000 == pytest.approx(14.58, abs=0.01)
    assert LineSettings(9600).quiet_s * 1000 == pytest.approx(3.65, abs=0.01)
    assert LineSettings(38400).quiet_s == 0.00175


@pytest.mark.parametrize("wrong", [(0, "N", 1), (9600, "M", 1), (9600, "N", 3)])
def test_impossible_settings_are_refused(wrong: tuple[int, str, int]) -> None:
    with pytest.raises(ValueError, match=r"baud|parity|stop"):
        LineSettings(*wrong)


@given(st.binary(max_size=40), st.sampled_from(["N", "E", "O"]), st.sampled_from([1, 2]))
def test_the_same_settings_hear_the_same_bytes(data: bytes, parity: str, stop_bits: int) -> None:
    settings = LineSettings(9600, parity, stop_bits)
    assert heard_as(data, settings, settings) == data


@given(st.binary(max_size=40))
def test_the_number_of_stop_bits_does_not_matter_to_a_listener(data: bytes) -> None:
    assert heard_as(data, LineSettings(9600, "E", 2), LineSettings(9600, "E", 1)) == data


@given(
    st.binary(min_size=1, max_size=40),
    st.sampled_from([1200, 2400, 4800, 9600, 19200, 115200]),
    st.sampled_from([1200, 2400, 4800, 9600, 19200, 115200]),
    st.sampled_from(["N", "E", "O"]),
    st.sampled_from(["N", "E", "O"]),
)
def test_other_settings_hear_something_bounded(data: bytes, sent: int, heard: int, odd: str, even: str) -> None:
    received = heard_as(data, LineSettings(sent, odd), LineSettings(heard, even))
    assert len(received) <= len(data) * 6 * max(1, heard / sent) + 1


def test_a_request_is_garbage_at_another_baud_rate_or_parity() -> None:
    request = bytes.fromhex("0103 01F4 0010 0408")
    for listener in (LineSettings(4800), LineSettings(19200), LineSettings(9600, "E"), LineSettings(9600, "O")):
        assert heard_as(request, LineSettings(9600), listener) != request
    for sender in (LineSettings(9600, "E"), LineSettings(9600, "O")):
        assert heard_as(request, sender, LineSettings(9600)) != request

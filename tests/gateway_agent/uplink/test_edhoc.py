"""EDHOC: both sides agree, and whatever else comes in is refused without a panic of the library."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.uplink.edhoc import EdhocFailed, Initiator, Responder, StaticKey

GATEWAY, PLATFORM = StaticKey.generate(), StaticKey.generate()
KID = b"\x1a\x2b"
NOT_ON_P256 = bytes.fromhex("80c4f82580c5578fa0e746e97047dd59cf2eeb198276dde6679f8686820102f1")
"""An x for which lakers panics."""


def find(kid: bytes) -> tuple[str, bytes] | None:
    return ("gp-1", GATEWAY.public.credential("gp-1")) if kid == GATEWAY.public.kid else None


def gateway(own: StaticKey = GATEWAY, name: str = "gp-1", platform: StaticKey = PLATFORM) -> Initiator:
    return Initiator(name, own, "city", platform.public)


def platform(own: StaticKey = PLATFORM) -> Responder:
    return Responder("city", own, KID)


def test_both_sides_have_the_same_keys_the_other_way_round() -> None:
    initiator, responder = gateway(), platform()
    agreed = initiator.finish(responder.message_2(initiator.message_1()))
    name, keys = responder.finish(agreed.message_3, find)
    assert name == "gp-1"
    assert (keys.master_secret, keys.master_salt) == (agreed.keys.master_secret, agreed.keys.master_salt)
    assert (keys.recipient_id, keys.sender_id) == (KID, agreed.keys.recipient_id)
    assert agreed.keys.sender_id == KID
    assert (len(keys.master_secret), len(keys.master_salt)) == (16, 8)


def test_each_agreement_has_keys_of_its_own() -> None:
    secrets = set()
    for _ in range(3):
        initiator, responder = gateway(), platform()
        secrets.add(initiator.finish(responder.message_2(initiator.message_1())).keys.master_secret)
    assert len(secrets) == 3


def test_the_messages_are_as_long_as_the_specification_says() -> None:
    initiator, responder = gateway(), platform()
    message_1 = initiator.message_1()
    message_2 = responder.message_2(message_1)
    assert (len(message_1), len(message_2), len(initiator.finish(message_2).message_3)) == (38, 55, 28)


def test_who_is_not_the_platform_is_found_out() -> None:
    initiator = gateway()
    with pytest.raises(EdhocFailed, match="not genuine"):
        initiator.finish(platform(StaticKey.generate()).message_2(initiator.message_1()))


def test_who_is_not_enrolled_or_says_another_name_is_found_out() -> None:
    stranger = StaticKey.generate()
    copied = StaticKey.derive(stranger.secret, GATEWAY.public.kid)
    for initiator, reason in (
        (gateway(stranger), "nobody"),
        (gateway(copied), "not genuine"),
        (gateway(name="gp-2"), "not genuine"),
    ):
        responder = platform()
        message_3 = initiator.finish(responder.message_2(initiator.message_1())).message_3
        with pytest.raises(EdhocFailed, match=reason):
            responder.finish(message_3, find)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "f5 03 02 58 20"),
        (b"\xf5", "f5 03 02 58 20"),
        (b"\x00\x03\x02\x58\x20" + PLATFORM.public.x + b"\x01", "f5 03 02 58 20"),
        (b"\xf5\x03\x02\x58\x20" + NOT_ON_P256 + b"\x01", "not on P-256"),
        (b"\xf5\x03\x02\x58\x20" + PLATFORM.public.x[:20], "not on P-256"),
        (b"\xf5\x03\x02\x58\x20" + PLATFORM.public.x, "not understood"),
    ],
)
def test_a_first_message_that_is_none_is_refused_before_the_library_panics(
    message: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EdhocFailed, match=reason):
        platform().message_2(message)
    assert "panic" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "byte string"),
        (b"\x58\x35" + bytes(20), "byte string"),
        (b"\x59\x00\x35" + bytes(53), "byte string"),
        (b"\x58\x35" + NOT_ON_P256 + bytes(21), "not on P-256"),
        (b"\x58\x20" + PLATFORM.public.x, "not genuine"),
        (b"\x58\x35" + PLATFORM.public.x + bytes(21), "not genuine"),
    ],
)
def test_a_second_message_that_is_none_is_refused_before_the_library_panics(
    message: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    initiator = gateway()
    initiator.message_1()
    with pytest.raises(EdhocFailed, match=reason):
        initiator.finish(message)
    assert "panic" not in capfd.readouterr().err


@pytest.mark.parametrize("length", [*range(30), 60, 255])
def test_a_third_message_of_any_length_is_refused_before_the_library_panics(
    length: int, capfd: pytest.CaptureFixture[str]
) -> None:
    initiator, responder = gateway(), platform()
    initiator.finish(responder.message_2(initiator.message_1()))
    head = bytes((0x40 + length,)) if length < 24 else bytes((0x58, length))
    with pytest.raises(EdhocFailed):
        responder.finish(head + bytes(length), find)
    assert "panic" not in capfd.readouterr().err


@given(st.binary(max_size=80), st.integers(0, 7), st.integers(0, 70), st.integers(0, 70))
@settings(max_examples=300, deadline=None)
def test_any_change_of_any_message_is_refused_with_a_sentence(new: bytes, bit: int, begin: int, end: int) -> None:
    def changed(good: bytes) -> bytes:
        at = begin % len(good)
        flipped = good[:at] + bytes((good[at] ^ 1 << bit,)) + good[at + 1 :]
        return good[: begin % len(good)] + new + good[end % len(good) :] if len(new) % 2 else flipped

    initiator, responder = gateway(), platform()
    message_1 = initiator.message_1()
    message_2 = responder.message_2(message_1)
    wrong_2 = changed(message_2)
    if wrong_2 != message_2:
        with pytest.raises(EdhocFailed):
            initiator.finish(wrong_2)
    initiator, responder = gateway(), platform()
    message_3 = initiator.finish(responder.message_2(initiator.message_1())).message_3
    wrong_3 = changed(message_3)
    if wrong_3 != message_3:
        with pytest.raises(EdhocFailed):
            responder.finish(wrong_3, find)
    # A first message proves nothing; what is answered must still end without keys where it was changed.
    initiator, responder = gateway(), platform()
    message_1 = initiator.message_1()
    wrong_1 = changed(message_1)
    if wrong_1 != message_1:
        with pytest.raises(EdhocFailed):
            initiator.finish(responder.message_2(wrong_1))

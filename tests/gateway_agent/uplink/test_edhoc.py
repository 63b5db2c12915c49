"""EDHOC's messages: both sides have the same keys, and whatever is not genuine is refused."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import pytest

from gateway_agent.uplink.edhoc import EdhocFailed, Initiator, Responder, StaticKey

GATEWAY, PLATFORM = StaticKey.generate(), StaticKey.generate()
NAMES = {GATEWAY.public.kid: ("gp-1", GATEWAY.public.credential("gp-1"))}


def initiator() -> Initiator:
    return Initiator("gp-1", GATEWAY, "city", PLATFORM.public)


def responder(kid: bytes = b"\xca\xfe") -> Responder:
    return Responder("city", PLATFORM, kid)


def spoiled(message: bytes, seed: int) -> Iterator[bytes]:
    """Each bit flipped, each length cut, one byte too many, and a hundred of random bytes."""
    for place in range(8 * len(message)):
        yield bytes(byte ^ (1 << place % 8 if at == place // 8 else 0) for at, byte in enumerate(message))
    yield from (message[:length] for length in range(len(message)))
    yield message + b"\x00"
    random = Random(seed)
    yield from (random.randbytes(random.randrange(200)) for _ in range(100))


def test_both_sides_have_the_same_keys_and_each_agreement_others() -> None:
    agreed = []
    for _ in range(2):
        gateway, platform = initiator(), responder()
        mine = gateway.finish(platform.message_2(gateway.message_1()))
        name, theirs = platform.finish(mine.message_3, NAMES.get)
        assert name == "gp-1"
        assert (mine.keys.master_secret, mine.keys.master_salt) == (theirs.master_secret, theirs.master_salt)
        assert (mine.keys.sender_id, mine.keys.recipient_id) == (theirs.recipient_id, theirs.sender_id)
        assert mine.keys.sender_id == b"\xca\xfe"
        agreed.append(mine.keys.master_secret)
    assert agreed[0] != agreed[1]


def test_a_spoiled_message_2_is_refused() -> None:
    for message in spoiled(responder().message_2(initiator().message_1()), 1):
        gateway = initiator()
        gateway.message_1()
        with pytest.raises(EdhocFailed):
            gateway.finish(message)


def test_every_bit_of_a_genuine_message_2_counts() -> None:
    length = len(responder().message_2(initiator().message_1()))
    for place in range(8 * length):
        gateway = initiator()
        message = bytearray(responder().message_2(gateway.message_1()))
        message[place // 8] ^= 1 << place % 8
        with pytest.raises(EdhocFailed):
            gateway.finish(bytes(message))


def test_every_bit_of_message_3_counts() -> None:
    gateway, platform = initiator(), responder()
    length = len(gateway.finish(platform.message_2(gateway.message_1())).message_3)
    for place in range(8 * length):
        gateway, platform = initiator(), responder()
        message = bytearray(gateway.finish(platform.message_2(gateway.message_1())).message_3)
        message[place // 8] ^= 1 << place % 8
        with pytest.raises(EdhocFailed):
            platform.finish(bytes(message), NAMES.get)


def test_a_message_3_of_any_bytes_is_refused() -> None:
    for message in spoiled(b"\x52" + bytes(18), 3):
        gateway, platform = initiator(), responder()
        platform.message_2(gateway.message_1())
        with pytest.raises(EdhocFailed):
            platform.finish(message, NAMES.get)


def test_a_message_1_of_any_bytes_is_refused_or_answered() -> None:
    asked = initiator().message_1()
    answered = []
    for message in spoiled(asked, 4):
        with suppress(EdhocFailed):
            answered.append(responder().message_2(message))
    assert 100 < len(answered) < 8 * len(asked)
    assert max(len(answer) for answer in answered) < 2 * len(asked)


def test_who_has_another_key_is_not_the_platform_and_not_the_gateway() -> None:
    other = StaticKey.derive(StaticKey.generate().secret, PLATFORM.public.kid)
    gateway = initiator()
    with pytest.raises(EdhocFailed, match="not genuine"):
        gateway.finish(Responder("city", other, b"\xca\xfe").message_2(gateway.message_1()))
    thief = StaticKey.derive(StaticKey.generate().secret, GATEWAY.public.kid)
    gateway, platform = Initiator("gp-1", thief, "city", PLATFORM.public), responder()
    message_3 = gateway.finish(platform.message_2(gateway.message_1())).message_3
    with pytest.raises(EdhocFailed, match="not genuine"):
        platform.finish(message_3, NAMES.get)


def test_who_is_not_enrolled_is_told_apart() -> None:
    gateway, platform = initiator(), responder()
    message_3 = gateway.finish(platform.message_2(gateway.message_1())).message_3
    with pytest.raises(EdhocFailed, match="nobody who is enrolled"):
        platform.finish(message_3, {}.get)


@pytest.mark.parametrize("length", [1, 8])
def test_ids_that_oscore_cannot_have_are_a_failed_agreement(length: int) -> None:
    gateway = initiator()
    kid = gateway._id if length == 1 else secrets.token_bytes(length)
    platform = responder(kid)
    message_1 = gateway.message_1()
    with pytest.raises(EdhocFailed):
        platform.finish(gateway.finish(platform.message_2(message_1)).message_3, NAMES.get)


@pytest.mark.parametrize("length", [*range(30), 60, 255])
def test_a_message_3_of_any_length_is_refused_before_the_library_panics(
    length: int, capfd: pytest.CaptureFixture[str]
) -> None:
    gateway, platform = initiator(), responder()
    gateway.finish(platform.message_2(gateway.message_1()))
    head = bytes((0x40 + length,)) if length < 24 else bytes((0x58, length))
    with pytest.raises(EdhocFailed):
        platform.finish(head + bytes(length), NAMES.get)
    assert "panic" not in capfd.readouterr().err


def test_the_messages_are_as_long_as_the_specification_says() -> None:
    gateway, platform = initiator(), responder()
    message_1 = gateway.message_1()
    message_2 = platform.message_2(message_1)
    assert (len(message_1), len(message_2), len(gateway.finish(message_2).message_3)) == (38, 55, 28)

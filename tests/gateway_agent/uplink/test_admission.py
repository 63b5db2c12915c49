"""What is let in from the air, and what is refused for which reason."""

import logging
from collections.abc import Callable

import cbor2
import pytest
from aiocoap import Message, error  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as some

from gateway_agent.uplink.admission import Admission, Limits, for_gateway, for_platform
from gateway_agent.uplink.datagram import BadDatagram, Datagram, read_datagram, read_kid, split_edhoc

OSCORE_POST = bytes.fromhex("51020001019409050001") + b"\xff" + bytes(9)
"""NON POST, message id 1, token 01, OSCORE option with partial IV 05 and key id 0001."""


def option(number_from: int, number: int, value: bytes) -> bytes:
    delta = number - number_from
    assert delta < 13 > len(value)
    return bytes([delta << 4 | len(value)]) + value


def platform(now: Callable[[], float] = lambda: 0.0, limits: Limits | None = None, *, edhoc: bool = True) -> Admission:
    return Admission(for_platform(is_clear=False, takes_edhoc=edhoc), now, limits)


def test_a_protected_request_is_let_in() -> None:
    admission = platform()
    admitted = admission.admit(OSCORE_POST, "a")
    assert admitted is not None
    assert (admitted.token, admitted.message_id, admitted.oscore) == (b"\x01", 1, bytes.fromhex("09050001"))
    assert read_kid(admitted.oscore or b"") == (b"\x00\x01", None)
    assert admission.refused == {}


EDHOC_1 = b"\x41\x02\x00\x01\x01" + b"\xbb.well-known" + b"\x05edhoc" + b"\xff\xf5" + bytes(37)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(1281), "long"),
        (b"\x40\x02\x00", "short"),
        (b"\x80\x02\x00\x01", "version"),
        (b"\x49\x02\x00\x01123456789", "token"),
        (b"\x44\x02\x00\x01123", "token"),
        (b"\x40\x02\x00\x01\xf0", "options"),
        (b"\x40\x02\x00\x01\xd0", "options"),
        (b"\x40\x02\x00\x01\x95\x09", "options"),
        (b"\x40\x02\x00\x01" + b"\xe0\xff\xff" * 2, "options"),
        (b"\x40\x02\x00\x01\x94\x09\x05\x00\x01\xff", "empty-payload"),
        (b"\x40\x02\x00\x01" + b"\x10" * 25, "many-options"),
        (b"\x40\x02\x00\x01\xc2\xfe\x4c\xffbatch", "clear"),
        (b"\x40\x01\x00\x01\xbb.well-known\x04core", "clear"),
        (b"\x51" + EDHOC_1[1:], "clear"),
        (b"\x40\x00\x00\x01", "no-request"),
        (b"\x50\x00\x00\x01", "no-request"),
        (b"\x61\x00\x00\x01\x01", "no-request"),
        (b"\x60\x44\x00\x01", "no-request"),
        (b"\x40\x45\x00\x01\x90\xff" + bytes(9), "no-request"),
        (b"\x40\x01\x00\x01\x94\x09\x05\x00\x01\xff" + bytes(9), "oscore-code"),
        (b"\x40\x02\x00\x01\x94\x09\x05\x00\x01", "oscore-option"),
        (b"\x40\x02\x00\x01\x90\xff" + bytes(9), "oscore-option"),
        (b"\x40\x02\x00\x01\x93\x19\x05\x02\xff" + bytes(9), "oscore-option"),
        (b"\x40\x02\x00\x01\x91\x09\xff" + bytes(9), "oscore-option"),
        (b"\x40\x02\x00\x01\x93\x29\x05\x00\xff" + bytes(9), "oscore-option"),
        (b"\x40\x02\x00\x01\x93\x09\x05\x00\x03\x09\x05\x00\xff" + bytes(9), "clear"),
    ],
)
def test_what_is_refused_and_why(data: bytes, reason: str) -> None:
    admission = platform()
    assert admission.admit(data, "a") is None
    assert admission.refused == {reason: 1}


def test_bare_acknowledgements_and_resets_are_let_in() -> None:
    admission = platform()
    assert admission.admit(b"\x60\x00\x00\x01", "a") is not None
    assert admission.admit(b"\x70\x00\x00\x01", "a") is not None


def test_the_first_message_of_edhoc_is_let_in_where_it_is_offered_small_and_seldom() -> None:
    now = [0.0]
    admission = platform(lambda: now[0], Limits(edhoc_burst=3, edhoc_per_s=0.5))
    assert [admission.admit(EDHOC_1, number) is not None for number in range(5)] == [True] * 3 + [False] * 2
    now[0] = 2.0
    assert [admission.admit(EDHOC_1, number) is not None for number in range(2)] == [True, False]
    assert admission.admit(EDHOC_1 + bytes(200), "b") is None
    assert admission.refused == {"edhoc-rate": 3, "edhoc-long": 1}
    without = platform(edhoc=False)
    assert without.admit(EDHOC_1, "a") is None
    assert without.refused == {"clear": 1}


def test_a_source_that_sends_too_fast_is_refused_and_no_other() -> None:
    now = [0.0]
    admission = platform(lambda: now[0], Limits(per_s=2, burst=4))
    assert sum(admission.admit(OSCORE_POST, "fast") is not None for _ in range(10)) == 4
    assert admission.admit(OSCORE_POST, "slow") is not None
    now[0] = 1.0
    assert sum(admission.admit(OSCORE_POST, "fast") is not None for _ in range(10)) == 2
    assert admission.refused == {"rate": 14}


def test_sources_are_remembered_up_to_a_bound_and_idle_ones_forgotten_first() -> None:
    now = [0.0]
    admission = platform(lambda: now[0], Limits(per_s=1, burst=2, sources=3))
    assert all(admission.admit(OSCORE_POST, source) is not None for source in ("a", "b", "c", "a"))
    assert admission.admit(OSCORE_POST, "d") is None
    now[0] = 1.0
    assert admission.admit(OSCORE_POST, "d") is not None
    assert admission.admit(OSCORE_POST, "e") is not None
    assert admission.admit(OSCORE_POST, "f") is None
    assert admission.refused == {"sources": 2}


def test_a_flood_writes_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    admission = platform(lambda: now[0], Limits(burst=10**6))
    with caplog.at_level(logging.WARNING):
        for number in range(3000):
            now[0] = number / 25
            admission.admit(b"", "a")
    assert len(caplog.records) == 2
    assert admission.refused == {"short": 3000}


def test_a_gateway_lets_in_protected_answers_and_those_to_its_edhoc_messages() -> None:
    admission = Admission(for_gateway(is_clear=False, is_edhoc_token=lambda token: token == b"e"), lambda: 0.0)

    def is_let_in(data: bytes) -> bool:
        return admission.admit(data, "platform") is not None

    assert is_let_in(b"\x61\x44\x00\x01a\x90\xff" + bytes(9))
    assert is_let_in(b"\x61\x44\x00\x01e\xffmessage 2")
    assert is_let_in(b"\x60\x00\x00\x01")
    assert not is_let_in(b"\x61\x44\x00\x01a\xffcommand")
    assert not is_let_in(b"\x40\x00\x00\x01")
    assert not is_let_in(OSCORE_POST)
    assert admission.refused == {"clear": 1, "no-answer": 2}


@given(some.one_of(some.binary(max_size=80), some.binary(max_size=60).map(lambda tail: b"\x41\x02\x00\x01\x01" + tail)))
def test_what_is_well_formed_is_read_as_aiocoap_reads_it(data: bytes) -> None:
    try:
        read = read_datagram(data, 100)
    except BadDatagram:
        return
    try:
        message = Message.decode(data)
    except (error.Error, ValueError):
        # A value that is not of its option's type is aiocoap's to refuse.
        return
    same = Datagram(
        int(message.mtype),
        int(message.code),
        message.mid,
        bytes(message.token),
        tuple((int(option.number), bytes(option.encode())) for option in message.opt.option_list()),
        bytes(message.payload),
    )
    assert (read.type, read.code, read.message_id, read.token) == (same.type, same.code, same.message_id, same.token)
    assert (read.payload, len(read.options)) == (same.payload, len(same.options))
    assert [number for number, _ in read.options] == [number for number, _ in same.options]


@given(some.binary(max_size=20))
def test_an_oscore_option_is_read_or_refused(value: bytes) -> None:
    try:
        kid, kid_context = read_kid(value)
    except BadDatagram:
        return
    assert len(kid) + len(kid_context or b"") < len(value)


@given(some.binary(max_size=300))
def test_edhocs_message_before_a_request_is_split_off_or_refused(payload: bytes) -> None:
    try:
        message, rest = split_edhoc(payload)
    except BadDatagram:
        return
    assert message + rest == payload
    assert rest
    assert isinstance(cbor2.loads(message), bytes)

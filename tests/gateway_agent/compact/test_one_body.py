"""Of all bodies that say the same bits a decoder takes one: the one that an encoder writes."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway_agent.compact import decode_batch, encode_batch
from gateway_agent.compact.batch import Decoded
from gateway_agent.compact.range_coder import NEW, Decoder, Encoder
from gateway_agent.uplink.errors import FormatError
from tests.gateway_agent.compact.random_batches import EPOCH, records, tables


def said(told: Decoded) -> Decoded:
    """All that a batch says, and the state after it but for its id, which is a digest of the bytes."""
    return replace(told, state=replace(told.state, id=b""))


def change(data: st.DataObject, payload: bytes) -> bytes:
    """Another payload with the same head: bits flipped, cut, or lengthened."""
    at = data.draw(st.integers(9, len(payload)))
    flipped = bytearray(payload + b"\0")
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    return data.draw(
        st.one_of(
            st.just(bytes(flipped[: max(at + 1, len(payload))])),
            st.just(payload[:at]),
            st.integers(1, 40).map(lambda zeros: payload + bytes(zeros)),
            st.binary(min_size=1, max_size=6).map(lambda more: payload + more),
            st.binary(min_size=1, max_size=3).map(lambda end: payload[: -len(end)] + end),
        )
    )


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_changed_batch_is_refused_or_says_something_else(data: st.DataObject) -> None:
    table = data.draw(tables())
    payload = encode_batch(data.draw(records(table, most=4)), table, epoch=EPOCH, first_waiting=1, sent_ms=9000).payload
    changed = change(data, payload)
    if changed == payload or len(changed) < 9:
        return
    honest = decode_batch(payload, {table.digest: table}.get, lambda _: None)
    try:
        told = decode_batch(changed, {table.digest: table}.get, lambda _: None)
    except FormatError:
        return
    assert said(told) != said(honest)


Bits = list[tuple[int, int]]
"""What is written: (bits, value) of raw bits, (0, bit) of one in a context."""
likely = st.integers(0, 1).map(lambda bit: (0, bit))
raw = st.integers(1, 12).flatmap(lambda bits: st.tuples(st.just(bits), st.integers(0, (1 << bits) - 1)))


def walk(coder: Encoder | Decoder, bits: Bits) -> Bits:
    model = [NEW]
    return [(size, coder.raw(value, size) if size else coder.bit(model, 0, value)) for size, value in bits]


def bodies_near(body: bytes) -> set[bytes]:
    """All that a careless decoder may take for it: shorter, longer, another end."""
    near = {body[:length] for length in range(len(body))} | {body + bytes(zeros) for zeros in range(1, 24)}
    for place in range(1, min(4, len(body)) + 1):
        near |= {body[:-place] + bytes((byte,)) + body[len(body) - place + 1 :] for byte in range(256)}
    near |= {body[:-1] + bytes((byte, 0)) for byte in range(256)} | {body + bytes((byte,)) for byte in range(256)}
    return near - {body}


@settings(deadline=None, max_examples=60)
@given(st.lists(likely | raw, max_size=60))
@example([])
@example([(12, 4095)] * 12)
@example([(0, 1)] * 3000)
@example([(12, 1)] + [(12, 4095)] * 25)
def test_no_other_body_says_the_same_bits(bits: Bits) -> None:
    encoder = Encoder()
    walk(encoder, bits)
    body = encoder.finish()
    decoder = Decoder(body)
    assert walk(decoder, bits) == bits
    decoder.finish()
    for other in bodies_near(body):
        decoder = Decoder(other)
        try:
            same = walk(decoder, bits) == bits
            decoder.finish()
        except FormatError:
            continue
        assert not same, f"{other.hex()} says what {body.hex()} says"


@pytest.mark.parametrize("shape", [lambda zeros: [(8, 255)] * zeros, lambda zeros: [(8, 1), *[(8, 255)] * zeros]])
def test_zeros_are_left_out_up_to_sixteen_and_their_right_number_only_is_read(shape: Callable[[int], Bits]) -> None:
    """Raw ones keep `low` where it is, so that a body has as many zero bytes at its end as one likes."""
    for zeros in range(40):
        bits = shape(zeros)
        encoder = Encoder()
        walk(encoder, bits)
        body = encoder.finish()
        stripped = body.rstrip(b"\0")
        read = [length for length in range(len(stripped), len(stripped) + 64) if is_read(stripped, length, bits)]
        assert read == [len(body)]
    assert len(body) > len(stripped), "more zeros than are left out were among them"


def is_read(stripped: bytes, length: int, bits: Bits) -> bool:
    decoder = Decoder(stripped.ljust(length, b"\0"))
    try:
        walk(decoder, bits)
        decoder.finish()
    except FormatError:
        return False
    return True

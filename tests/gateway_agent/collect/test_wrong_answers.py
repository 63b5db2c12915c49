"""The table of wrong answers of RELIABILITY.md section 3, row by row, through our layer.

pymodbus alone loses good answers behind noise and believes every well-formed wrong one. Here a wrong answer is no
reading, and noise around a good answer costs nothing.
"""

from random import Random

import pytest

from tests.gateway_agent.collect.scripted import TIMEOUT_MS, Reply, framed, good_answer, tally, value_at

TRIES = 60


def _seeded(reply: "SeededReply") -> Reply:
    random = Random(7)
    return lambda request: reply(request, random)


SeededReply = "Callable[[bytes, Random], Sequence[tuple[float, bytes]]]"


def _garbage(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    return [(0.0, random.randbytes(random.randint(1, 40)))]


def _silence(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    return []


def _one_bit(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    data = bytearray(good_answer(request))
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return [(0.0, bytes(data))]


def _truncated(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    data = good_answer(request)
    return [(0.0, data[: random.randrange(1, len(data))])]


def _another_unit(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    return [(0.0, framed(9, *good_answer(request)[1:-2]))]


def _lying_byte_count(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    body = bytearray(good_answer(request)[:-2])
    body[2] += 2
    return [(0.0, framed(*body))]


def _four_kilobytes(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    return [(0.0, random.randbytes(4096))]


def _another_function(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    return [(0.0, framed(request[0], 4, *good_answer(request)[2:-2]))]


def _too_few_registers(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    body = good_answer(request)
    count = max(0, body[2] - 2)
    return [(0.0, framed(request[0], 3, count, *body[3 : 3 + count]))]


def _odd_byte_count(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    body = good_answer(request)
    return [(0.0, framed(request[0], 3, body[2] - 1, *body[3 : 2 + body[2]]))]


def _twenty_ms_too_slow(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    return [((TIMEOUT_MS + 20) / 1000, good_answer(request))]


def _slower_than_the_quiet_time(request: bytes, random: Random) -> list[tuple[float, bytes]]:
    return [(2.6 * TIMEOUT_MS / 1000, good_answer(request))]


@pytest.mark.parametrize(
    ("case", "fault"),
    [
        (_garbage, None),
        (_silence, "SILENT"),
        (_one_bit, None),
        (_truncated, "DAMAGED"),
        (_another_unit, "WRONG_UNIT"),
        (_lying_byte_count, "DAMAGED"),
        (_four_kilobytes, None),
        (_another_function, "WRONG_FUNCTION"),
        (_too_few_registers, None),
        (_odd_byte_count, None),
        (_twenty_ms_too_slow, "LATE"),
        (_slower_than_the_quiet_time, None),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_is_not_the_answer_becomes_no_reading(case: "SeededReply", fault: str | None) -> None:
    counted = tally(_seeded(case), TRIES)
    assert (counted.right, counted.wrong, counted.none) == (0, 0, TRIES)
    if fault is not None:
        assert set(counted.faults) == {fault}


def test_a_device_that_is_always_one_answer_behind_gives_no_reading() -> None:
    pipe: list[bytes] = []

    def reply(request: bytes) -> list[tuple[float, bytes]]:
        pipe.append(good_answer(request))
        return [(0.0, pipe.pop(0))] if len(pipe) > 1 else []

    counted = tally(reply, TRIES)
    assert (counted.right, counted.wrong) == (0, 0)
    assert counted.none == TRIES


def test_a_device_with_one_old_answer_at_the_start_is_brought_into_step() -> None:
    pipe: list[bytes] = [good_answer(bytes((1, 3, 0, 200, 0, 4)))]

    def reply(request: bytes) -> list[tuple[float, bytes]]:
        old = pipe.pop() if pipe else b""
        return [(0.0, old + good_answer(request))]

    counted = tally(reply, TRIES)
    assert (counted.right, counted.wrong, counted.none) == (TRIES, 0, 0)


def test_every_second_answer_late_costs_readings_but_gives_no_wrong_one() -> None:
    counted_requests = iter(range(10_000))

    def reply(request: bytes) -> list[tuple[float, bytes]]:
        late = next(counted_requests) % 2
        return [((TIMEOUT_MS * (2.05 if late else 0)) / 1000, good_answer(request))]

    counted = tally(reply, TRIES)
    assert counted.wrong == 0


@pytest.mark.parametrize("unit", [1, 3, 66])
@pytest.mark.parametrize("noise", [b"\x00", None], ids=["a-zero", "one-to-eight"])
def test_noise_before_a_good_answer_loses_nothing(noise: bytes | None, unit: int) -> None:
    random = Random(11)

    def reply(request: bytes) -> list[tuple[float, bytes]]:
        before = random.randbytes(random.randint(1, 8)) if noise is None else noise
        return [(0.0, before + good_answer(request))]

    counted = tally(reply, TRIES, unit=unit)
    assert (counted.right, counted.wrong, counted.none) == (TRIES, 0, 0)


def test_noise_after_a_good_answer_loses_nothing() -> None:
    random = Random(12)

    def reply(request: bytes) -> list[tuple[float, bytes]]:
        return [(0.0, good_answer(request) + random.randbytes(random.randint(1, 8)))]

    counted = tally(reply, TRIES)
    assert (counted.right, counted.wrong, counted.none) == (TRIES, 0, 0)


def test_a_forged_answer_alone_is_believed_as_modbus_has_no_authentication() -> None:
    """The control: what nobody can tell from the real thing. Only plausibility against the profile is left."""

    def reply(request: bytes) -> list[tuple[float, bytes]]:
        body = bytearray(good_answer(request)[:-2])
        body[4] ^= 0x0F
        return [(0.0, framed(*body))]

    counted = tally(reply, TRIES)
    assert (counted.right, counted.wrong) == (0, TRIES)


def test_a_forged_answer_beside_the_real_one_gives_no_reading() -> None:
    def reply(request: bytes) -> list[tuple[float, bytes]]:
        body = bytearray(good_answer(request)[:-2])
        body[4] ^= 0x0F
        return [(0.0, framed(*body) + good_answer(request))]

    counted = tally(reply, TRIES)
    assert (counted.right, counted.wrong, counted.none) == (0, 0, TRIES)
    assert set(counted.faults) == {"TWO_ANSWERS"}


def test_the_unit_holds_another_value_at_each_address() -> None:
    """The cases above could not tell a wrong answer from a right one otherwise."""
    assert len({value_at(address) for address in range(504)}) == 504

"""SenML: RFC 8428's own examples, the golden vectors under both interpreters, and what holds for any numbers."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.machine import package_files, run_script
from protocols import errors, senml

ROOT = Path(__file__).parents[2]
VECTORS_FILE = ROOT / "protocols/vectors/senml.json"
VECTORS = json.loads(VECTORS_FILE.read_text())

SCRIPT = """
import json
from protocols import errors, senml

def value(written):
    if isinstance(written, list):
        return tuple(written)
    if isinstance(written, dict):
        return bytes(int(written["hex"][i : i + 2], 16) for i in range(0, len(written["hex"]), 2))
    return written

def records(written):
    return [{label: value(content) for label, content in record} for record in written]

vectors = json.load(open("senml.json"))
good = 0
for case in vectors["resolve"]:
    good += senml.resolve(records(case["pack"]), case["now_ms"]) == records(case["resolved"])
for case in vectors["refuse"]:
    try:
        senml.resolve(records(case["pack"]), 0)
    except errors.WireError as error:
        good += errors.NAMES[error.reason] == case["reason"]
print(good)
"""

scaled = st.tuples(st.integers(-senml.MAX_EXPONENT, senml.MAX_EXPONENT), st.integers(-(10**9), 10**9))


def value(written: Any) -> Any:
    if isinstance(written, list):
        return tuple(written)
    return bytes.fromhex(written["hex"]) if isinstance(written, dict) else written


def records(written: list[list[Any]]) -> list[dict[int | str, object]]:
    return [{label: value(content) for label, content in record} for record in written]


def decimal(number: tuple[int, int]) -> Decimal:
    return Decimal(number[1]).scaleb(number[0])


@pytest.mark.parametrize("case", VECTORS["resolve"], ids=lambda case: case["name"])
def test_a_pack_resolves_as_its_vector_says(case: dict[str, Any]) -> None:
    pack = records(case["pack"])
    assert senml.resolve(pack, case["now_ms"]) == records(case["resolved"])
    assert pack == records(case["pack"])


@pytest.mark.parametrize("case", VECTORS["refuse"], ids=lambda case: case["name"])
def test_a_wrong_pack_is_refused_with_its_reason(case: dict[str, Any]) -> None:
    with pytest.raises(errors.WireError) as caught:
        senml.resolve(records(case["pack"]), 0)
    assert errors.NAMES[caught.value.reason] == case["reason"]


def test_micropython_resolves_the_same_vectors() -> None:
    files = {**package_files(ROOT / "protocols", "protocols"), "senml.json": VECTORS_FILE.read_text()}
    assert run_script(files, SCRIPT) == f"{len(VECTORS['resolve']) + len(VECTORS['refuse'])}\n"


@given(scaled, scaled)
def test_a_sum_is_exact_or_refused(first: tuple[int, int], second: tuple[int, int]) -> None:
    exact = decimal(first) + decimal(second)
    finer = min(first[0], second[0])
    is_in_bounds = first[1] == 0 or second[1] == 0 or abs(exact.scaleb(-finer)) <= senml.MAX_MANTISSA
    if is_in_bounds:
        assert decimal(senml.total(first, second)) == exact
    else:
        with pytest.raises(errors.WireError):
            senml.total(first, second)


@given(st.integers(-(1 << 62), 1 << 62), st.integers(-senml.MAX_EXPONENT, senml.MAX_EXPONENT))
def test_a_scaled_integer_comes_back_with_its_exponent(mantissa: int, exponent: int) -> None:
    assert senml.parts(senml.number(mantissa, exponent)) == (exponent, mantissa)


@given(st.integers(-(1 << 53), 1 << 53))
def test_milliseconds_survive_as_seconds(time_ms: int) -> None:
    assert senml.milliseconds(senml.parts(senml.seconds(time_ms))) == time_ms


@given(st.sampled_from(("sample", "mean", "min", "max")))
def test_a_figure_is_found_again_in_its_name(kind: str) -> None:
    assert senml.split_name(senml.figure_name("air/pm2_5", kind)) == ("air/pm2_5", kind)


def test_a_name_with_an_unknown_ending_is_refused() -> None:
    with pytest.raises(errors.WireError):
        senml.split_name("air/pm2_5:median")


def test_a_finer_time_than_milliseconds_is_rounded_to_the_nearest() -> None:
    assert [senml.milliseconds((-6, micro)) for micro in (1499, 1500, -1499, -1500, -1501)] == [1, 2, -1, -1, -2]

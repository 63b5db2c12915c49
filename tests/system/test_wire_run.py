"""The wire benchmark's runs: everything arrives as it was measured, and what is counted is all that was on the air."""

import pytest

from tests.bench import wire
from tests.bench._wire_agent import run_agent
from tests.bench._wire_cpu import measure
from tests.bench._wire_json import run_json
from tests.bench._wire_page import fill
from tests.bench._wire_pole import synthetic_day
from tests.bench._wire_workload import MINUTE_MS, Workload


def hours(count: int) -> Workload:
    return synthetic_day(5).first(count * 60 * MINUTE_MS)


@pytest.mark.parametrize("mode", wire.MODES)
def test_a_few_hours_arrive_as_they_were_measured(mode: str) -> None:
    workload = hours(3)
    interval_ms = 15 * MINUTE_MS
    sent = run_json(workload, interval_ms) if mode == wire.PEER else run_agent(workload, wire.FORMS[mode], interval_ms)
    assert (sent.measured, sent.delivered, sent.wrong) == (workload.readings, workload.readings, 0)
    # Each datagram has 28 bytes of headers, and CoAP and OSCORE take at least 24 of what is in it.
    assert sent.on_air_bytes >= sent.payload_bytes + sent.batches * (28 + 24)


def test_a_batch_that_builds_on_others_takes_less_than_one_that_stands_alone_and_that_less_than_senml() -> None:
    workload = hours(6)
    sizes = [run_agent(workload, wire.FORMS[mode], 15 * MINUTE_MS).on_air_bytes for mode in wire.FORMS]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("mode", wire.MODES)
def test_processor_time_and_memory_are_of_the_batches(mode: str) -> None:
    cost = measure(hours(1), mode, 15 * MINUTE_MS)
    assert min(cost.encode_s_per_1000, cost.decode_s_per_1000) > 0
    assert min(cost.encode_peak_bytes, cost.decode_peak_bytes) > 100


def test_the_group_tells_its_cases_by_mode_interval_and_workload(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(wire.run(["--seed", "5", "--modes", "deflated-json", "--intervals", "60min"]))
    assert {row["case"] for row in rows} == {"deflated-json/60min/seed5"}
    assert {row["peer"] for row in rows} == {"deflated JSON"}
    by_metric = {row["metric"]: row["value"] for row in rows}
    assert by_metric["wrong_readings"] == 0
    assert "seed5: 40" in capsys.readouterr().err


def test_a_mode_that_is_none_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        list(wire.run(["--modes", "fast"]))
    assert "fast is none of compact, compact-self, senml, deflated-json" in capsys.readouterr().err


def test_the_pages_figures_are_replaced_and_its_words_are_not() -> None:
    page = "words\n<!-- cost -->\nold\n<!-- end -->\nmore words\n"
    filled = fill(page, {"cost": ["new"]})
    assert filled == "words\n<!-- cost -->\n\nnew\n\n<!-- end -->\nmore words\n"
    assert fill(filled, {"cost": ["new"]}) == filled
    with pytest.raises(SystemExit, match="around the section figures"):
        fill(page, {"figures": ["new"]})

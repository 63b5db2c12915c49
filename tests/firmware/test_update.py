"""A signed update over the pole bus: sent, resumed, verified, tried, kept or left."""

from pathlib import Path

from tests.firmware.update_bench import NEW, OLD, UpdateBench, bundle_of, on_update_bench, updated


def test_a_new_version_is_sent_tried_and_kept(tmp_path: Path) -> None:
    async def body(bench: UpdateBench) -> None:
        assert await bench.version() == OLD
        outcome = await updated(bench, bundle_of(NEW))
        assert (outcome.result, outcome.reason) == ("kept", 0), outcome
        assert await bench.version() == NEW

    on_update_bench(tmp_path, body)

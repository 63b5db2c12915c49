"""The journal: durable readings a second, processor time, bytes stored and written, a month of outage sent.

Bytes written are the kernel's count for this process, so the folder must be on a real disk; TMPDIR chooses it. The
platform of the drain is fast: it acknowledges and stores nothing, in another process. Argument: millions of readings
of the outage (default 2).
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cbor2
from aiocoap import CHANGED, CONTENT, Context, Message  # type: ignore[import-untyped]
from aiocoap.resource import Resource, Site  # type: ignore[import-untyped]

from gateway_agent.clock import SystemClock
from gateway_agent.condense import Condenser
from gateway_agent.journal import TELEMETRY, Journal
from gateway_agent.journal.disk import Disk
from gateway_agent.pipeline import Pipeline
from gateway_agent.uplink.answer import CONTENT_FORMAT, Answer, encode_answer, ranges
from gateway_agent.uplink.messages import SEQUENCE
from gateway_agent.watch import Watch
from hardware.rig.clock import DEMO_START_UNIX_MS, RigClock, run_virtual
from tests.bench._journal_load import POINTS, POINTS_EACH, fill, polls
from tests.bench._registers import RegisterSource

Row = dict[str, object]

_FAST_READINGS = 60_000
_PATH_READINGS = 30_000
_WEAR_HOURS = 12
_DAYS = 30
_DRAIN_WITHIN_S = 900


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the group."""
    readings = round(float(arguments[0]) * 1e6) if arguments else 2_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _accepted(folder / "fast.sqlite")
        yield from _register_to_journal(folder / "path.sqlite")
        for commit_s, commit_readings in ((30, 64), (120, 64)):
            case = f"one-reading-a-second/commit-{commit_s}-s"
            yield from _wear(case, folder / f"wear-{commit_s}.sqlite", commit_s, commit_readings)
        yield from _outage(folder / "outage.sqlite", readings)


def _accepted(path: Path) -> Iterator[Row]:
    """As fast as it goes, in groups of the default size, each durable."""

    async def main() -> float:
        journal = Journal.open(path, SystemClock())
        source = polls(DEMO_START_UNIX_MS, 1000)
        began_s = time.monotonic()
        for number in range(_FAST_READINGS // POINTS_EACH):
            journal.add_readings(next(source))
            if number % 11 == 10:
                await journal.flush()
        await journal.flush()
        taken_s = time.monotonic() - began_s
        assert journal.committed_readings == _FAST_READINGS
        await journal.close()
        return taken_s

    yield _row("group-commit", "accepted_per_s", round(_FAST_READINGS / asyncio.run(main())), "readings/s")


def _register_to_journal(path: Path) -> Iterator[Row]:
    """Registers of six devices through decoding, condensing, watching and the journal; all threads count."""

    async def main() -> float:
        clock = SystemClock()
        journal = Journal.open(path, clock)
        pipeline = Pipeline(journal, Condenser({}), Watch([]), clock)
        source = RegisterSource(pipeline)
        began_s = time.process_time()
        while pipeline.measured < _PATH_READINGS:
            source.poll()
            await asyncio.sleep(0)
        await journal.flush()
        used_s = time.process_time() - began_s
        assert journal.committed_readings == pipeline.measured
        await journal.close()
        return used_s / pipeline.measured * 1000

    yield _row("register-to-journal", "cpu_s_per_1000_readings", round(asyncio.run(main()), 5), "s")


def _wear(case: str, path: Path, commit_s: float, commit_readings: int) -> Iterator[Row]:
    """Hours of a pole that gives a reading a second, in virtual time, whose platform acknowledges each 15 minutes."""

    async def main(clock: RigClock) -> tuple[float, float]:
        journal = Journal.open(path, clock, commit_s=commit_s, commit_readings=commit_readings)
        source = polls(clock.unix_ms(), 1000 * POINTS_EACH)
        before = _written_bytes()
        for second in itertools.count(0, POINTS_EACH):
            if second >= 3600 * _WEAR_HOURS:
                break
            journal.add_readings(next(source))
            await asyncio.sleep(POINTS_EACH)
            if second % 900 < POINTS_EACH:
                while records := await journal.read(TELEMETRY, 64):
                    await journal.acknowledge([record.sequence for record in records])
        written = _written_bytes() - before
        readings = journal.committed_readings
        await journal.close()
        return written / readings, readings / (3600 * _WEAR_HOURS)

    written, rate = run_virtual(main)
    if not written:
        raise SystemExit(f"{path.parent} is no real disk: nothing was written; choose another with TMPDIR")
    yield _row(case, "written_bytes_per_reading", round(written, 1), "bytes", readings_per_s=round(rate, 2))


def _outage(path: Path, readings: int) -> Iterator[Row]:
    case = f"outage-{_DAYS}-days"
    every_ms = _DAYS * 86_400_000 * POINTS_EACH // readings
    disk = Disk(path, keep_acknowledged=False, vfs=None, now_ms=lambda: 0)
    store = disk.open(may_create=True)
    fill(store, readings, DEMO_START_UNIX_MS, every_ms)
    store.close(tidy=True)
    disk.close()
    yield _row(case, "stored_bytes_per_reading", round(path.stat().st_size / readings, 2), "bytes", points=POINTS)
    found = asyncio.run(_drain(path))
    if found["left"]:
        raise SystemExit(f"{found['left']} records were not drained")
    yield _row(case, "open_s", round(found["open_s"], 2), "s", readings=readings)
    yield _row(case, "drain_s", round(found["drain_s"], 1), "s", readings=readings)
    peak = round(found["rss_peak_mb"], 1)
    yield _row(case, "drain_peak_rss_mb", peak, "MB", at_a_tenth_mb=round(found["rss_at_a_tenth_mb"], 1))
    yield _row(case, "drain_on_air_bytes_per_reading", round(found["on_air_bytes"] / readings, 2), "bytes")


async def _drain(path: Path) -> dict[str, float]:
    site = Site()
    site.add_resource(["senml"], _FastPlatform())
    port = 20_000 + os.getpid() % 20_000
    context = await Context.create_server_context(site, bind=("127.0.0.1", port), transports=["simplesocketserver"])
    command = (sys.executable, "-m", "tests.bench._journal_drain", str(path), f"coap://127.0.0.1:{port}")
    draining = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        told, _ = await asyncio.wait_for(draining.communicate(), _DRAIN_WITHIN_S)
    finally:
        if draining.returncode is None:
            draining.kill()
            await draining.wait()
        await context.shutdown()
    found: dict[str, float] = json.loads(told)
    return found


class _FastPlatform(Resource):  # type: ignore[misc]
    """Acknowledges whatever it gets."""

    async def needs_blockwise_assembly(self, request: object) -> bool:
        return False

    async def render_get(self, request: object) -> object:
        payload = encode_answer(Answer((), _now_ms(), highest=0))
        return Message(code=CONTENT, payload=payload, content_format=CONTENT_FORMAT)

    async def render_post(self, request: object) -> object:
        pack = cbor2.loads(request.payload)  # type: ignore[attr-defined]
        sequences = [record[SEQUENCE] for record in pack if SEQUENCE in record]
        payload = encode_answer(Answer(ranges(sequences), _now_ms()))
        return Message(code=CHANGED, payload=payload, content_format=CONTENT_FORMAT)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _written_bytes() -> int:
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes"):
            return int(line.split()[1])
    raise RuntimeError("/proc/self/io has no write_bytes")


def _row(case: str, metric: str, value: float, unit: str, **more: object) -> Row:
    return {"case": case, "metric": metric, "value": value, "unit": unit, **more}

"""A day through the agent's own path: journal, uplink, CoAP with OSCORE over a UDP socket, a counting relay, platform.

Time is virtual, everything else is what runs on a gateway: readings are committed to a journal in a file, batches are
made when they are due, confirmed or not as the uplink decides, decoded at the platform, stored, and compared there with
what was measured. The relay counts every datagram of both directions.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw

from gateway_agent.compact import Channel, ChannelTable
from gateway_agent.journal import Journal
from gateway_agent.records import Reading
from gateway_agent.uplink import coap_message as kinds
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.objects import by_path, object_names
from gateway_agent.uplink.uplink import Uplink
from gateway_agent.uplink.uplink_settings import UplinkSettings
from hardware.rig.clock import RigClock
from hardware.rig.platform import HOST, Platform
from hardware.rig.relay import Relay
from tests.bench._wire_keys import Enrolled
from tests.bench._wire_sent import GATEWAY, Sent, compare, fast_folder
from tests.bench._wire_workload import Workload
from tests.faults._inline import run_inline
from tests.over_ip import over_ip

SETUP = (kinds.SECURITY, kinds.TRANSFER)
"""Kinds of messages that are told apart, beside the first question: they come once, and not for each reading."""

_DATABASE = "platform.sqlite"


def run_agent(workload: Workload, form: str, interval_ms: int) -> Sent:
    """Send the workload with a batch each `interval_ms`; `form` is as in UplinkSettings."""

    async def main(clock: RigClock) -> Sent:
        # A disk would only be waited for: what it costs is the journal's benchmark.
        with tempfile.TemporaryDirectory(dir=fast_folder()) as name:
            return await _send(workload, form, interval_ms, Path(name), clock)

    return run_inline(main, start_unix_ms=workload.start_ms)


def table_of(workload: Workload) -> ChannelTable:
    """The channel table of a pole that was given no example of its values."""
    return ChannelTable(
        tuple(
            Channel(point, "sample", info.unit, info.exponent, info.period_ms, info.group, 0)
            for point, info in workload.points.items()
        )
    )


def names_of(workload: Workload) -> dict[str]:
    """The OMA names that SenML has for points of the workload."""
    return object_names((point, info.unit) for point, info in workload.points.items())


async def _send(workload: Workload, form: str, interval_ms: int, folder: Path, clock: RigClock) -> Sent:
    payloads: list[int] = []
    enrolled = Enrolled.make(GATEWAY, folder)
    keys = await enrolled.platform_keys(folder / "keys.sqlite", clock)
    platform = await Platform.start(folder / _DATABASE, clock, keys=keys)
    relay = await Relay.start((HOST, platform.port))
    journal = Journal.open(folder / "journal.sqlite", clock)
    host, port = relay.address
    settings = UplinkSettings(
        GATEWAY,
        f"coap://{host}:{port}",
        enrolled.key_ring(journal, folder, clock, is_provisioned=False),
        batch_s=interval_ms / 1000,
        batch_readings=1 << 30,
        form=form,
    )
    units = {point: info.unit for point, info in workload.points.items()}
    table, names = table_of(workload), names_of(workload)
    uplink = Uplink(settings, journal, clock, over_ip(clock=clock), units=units, names=names, table=table)
    greeted: int | None = None

    def look(payload: bytes) -> None:
        """Whatever is asked after the first batch belongs to sending."""
        nonlocal greeted
        greeted = _bytes_of(uplink, kinds.GREETING) if greeted is None else greeted
        payloads.append(len(payload))

    platform.desk.refuse = look
    sending = asyncio.create_task(uplink.run(), name="uplink")
    try:
        await _measure(workload, journal, clock)
        await asyncio.sleep(interval_ms / 1000)
        drained = asyncio.create_task(uplink.drain())
        await asyncio.wait({drained, sending}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
        await drained
        delivered, wrong = compare(workload, _stored(folder / _DATABASE, workload))
        setup = sum(_bytes_of(uplink, kind) for kind in SETUP) + (greeted or 0)
        _check_counts(relay, uplink.air)
        counters = uplink.counters
        return Sent(
            workload.readings,
            delivered,
            wrong,
            sum(payloads),
            relay.bytes_on_air - setup,
            setup,
            len(payloads),
            len(payloads) - counters.unconfirmed_batches,
        )
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await journal.close()
        await relay.close()
        await platform.stop()
        keys.close()


async def _measure(workload: Workload, journal: Journal, clock: RigClock) -> None:
    for poll in workload.polls:
        left_ms = poll.time_ms - clock.unix_ms()
        if left_ms > 0:
            await asyncio.sleep(left_ms / 1000)
        journal.add_readings(poll.readings)


def _bytes_of(uplink: Uplink, kind: str) -> int:
    traffic = uplink.air.by_kind.get(kind)
    return 0 if traffic is None else traffic.on_air_bytes


def _check_counts(relay: Relay, air: AirCount) -> None:
    """The agent's own count must be that of the link: the share of setting up is taken from it."""
    if air.on_air_bytes != relay.bytes_on_air:
        raise RuntimeError(f"the agent counts {air.on_air_bytes} bytes on the air, the link {relay.bytes_on_air}")


def _stored(database: Path, workload: Workload) -> Iterator[Reading]:
    """The readings of a platform's database; what stands there by an OMA name is told by its point again."""
    names = by_path(names_of(workload))
    connection = apsw.Connection(str(database))
    try:
        for path, time_ms, value, exponent in connection.execute(
            "SELECT point, time_ms, value, exponent FROM readings"
        ):
            name = names.get(path)
            own = None if name is None else name.conversion.back(value, exponent)
            if name is None or own is None:
                yield Reading(path, time_ms, value, exponent)
            else:
                yield Reading(name.point, time_ms, *own)
    finally:
        connection.close()

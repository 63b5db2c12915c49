"""What the agent is doing, as one JSON object a line, each second, on a unix socket: for the view, a doctor, tests.

Whoever connects gets the present line at once and then one each second; what is sent to the socket is ignored. The
socket may be read by its owner and group only. `docs/pole-toml.md` lists the keys.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gateway_agent.bearers.bearer import Bearer
from gateway_agent.bearers.modem_way import modem_of
from gateway_agent.collect.collector import BusState
from gateway_agent.collect.node import NodeReader
from gateway_agent.control import CommandView
from gateway_agent.errors import GatepostError
from gateway_agent.records import PointState
from protocols import quality

if TYPE_CHECKING:
    from gateway_agent.agent import Agent

EVERY_S = 1.0
_MAX_PATH_BYTES = 107
"""unix(7): sun_path has 108 bytes, the last of them zero."""


class StatusError(GatepostError):
    """The status socket cannot be made; the text says where and why."""


class StatusServer:
    """Serves the lines that `status` gives, on the unix socket `path`, inside an `async with`."""

    def __init__(self, path: Path, status: Callable[[], dict[str, Any]]) -> None:
        self._path = path
        self._status = status
        self._server: asyncio.Server | None = None
        self._readers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Make the socket, in the place of one that a killed agent has left. Raises StatusError."""
        if len(os.fsencode(self._path)) > _MAX_PATH_BYTES:
            raise StatusError(
                f"status socket {self._path}: the path is longer than {_MAX_PATH_BYTES} bytes; choose a shorter one"
            )
        try:
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, str(self._path))
            os.chmod(self._path, 0o660)
        except OSError as error:
            raise StatusError(
                f"status socket {self._path}: {error.strerror or error}; check the folder and its permissions"
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send the last line, close all connections and remove the socket."""
        if self._server is not None:
            self._server.close()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._readers.add(task)
        try:
            while True:
                await self._tell(writer)
                await asyncio.sleep(EVERY_S)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await self._tell(writer)
        except OSError:
            return  # the reader has gone
        finally:
            self._readers.discard(task)
            writer.close()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(self._status(), separators=(",", ":")).encode() + b"\n")
        await writer.drain()


def status_of(agent: "Agent") -> dict[str, Any]:
    """Everything about an agent, ready for JSON."""
    now_ms = agent.clock.monotonic_ms()
    return {
        "unix_ms": agent.clock.unix_ms(),
        "clock": _clock(agent),
        "gateway": agent.pole.pole.gateway,
        "running_s": round((now_ms - agent.started_monotonic_ms) / 1000, 1),
        "points": [_point(state, now_ms) for state in agent.collector.latest.states()],
        "buses": [_bus(bus) for bus in agent.collector.buses()],
        "nodes": [_node(reader) for reader in agent.collector.nodes],
        "problems": agent.collector.problems(),
        "journal": _journal(agent),
        "uplink": _uplink(agent),
        "commands": [_command(view) for view in agent.control.recent],
    }


def _clock(agent: "Agent") -> dict[str, Any]:
    clock = agent.clock
    return {"trusted": clock.is_trusted, "source": clock.source, "offset_ms": clock.system_off_ms}


def _point(state: PointState, now_ms: int) -> dict[str, Any]:
    return {
        "point": state.point,
        "value": state.value,
        "exponent": state.exponent,
        "unit": state.unit,
        "quality": quality.NAMES[state.quality],
        "age_ms": None if state.value is None else max(0, now_ms - state.monotonic_ms),
    }


def _bus(bus: BusState) -> dict[str, Any]:
    return {
        "name": bus.name,
        "port": bus.port,
        "load": round(bus.load, 4),
        "problem": bus.problem,
        **bus.counters,
    }


def _node(reader: NodeReader) -> dict[str, Any]:
    return {
        "name": reader.config.name,
        "problem": reader.problem,
        "health": None if reader.health is None else reader.health.as_dict(),
        "lamp": _lamp(reader),
    }


def _lamp(reader: NodeReader) -> dict[str, Any] | None:
    """What the node's lamp follows, None where it has no schedule from us or has not told yet."""
    view = None if reader.schedule is None else reader.schedule.view
    if view is None:
        return None
    return {
        "source": view.source,
        "programme": view.programme,
        "override_left_s": view.override_left_s,
        "days_left": view.days_left,
        "faults": list(view.faults),
    }


def _journal(agent: "Agent") -> dict[str, Any]:
    journal = agent.journal
    return {
        "epoch": journal.epoch,
        "depth": journal.depth,
        "waiting_readings": journal.waiting_readings,
        "committed": journal.committed_readings,
        "pending": journal.pending_readings,
        "measured": agent.pipeline.measured,
        "thinned": journal.thinned_records,
        "missing": sum(last - first + 1 for first, last in journal.missing),
        "trouble": journal.trouble,
    }


def _uplink(agent: "Agent") -> dict[str, Any]:
    counters, air, current = agent.uplink.counters, agent.uplink.air, agent.bearers.current
    return {
        "on_air_bytes": air.on_air_bytes,
        "sent_bytes": air.sent_bytes,
        "received_bytes": air.received_bytes,
        "datagrams": air.sent + air.received,
        "batches": counters.exchanges,
        "failures": counters.failures,
        "acknowledged_records": counters.acknowledged_records,
        "acknowledged_readings": counters.acknowledged_readings,
        "last_answer_ms": counters.last_answer_ms,
        "last_error": counters.problem,
        "unconfirmed_batches": counters.unconfirmed_batches,
        "lost_batches": counters.lost_batches,
        "by_kind": {kind: traffic.on_air_bytes for kind, traffic in sorted(air.by_kind.items())},
        "budget": None if current.budget is None else current.budget.status,
        "bearer": current.name,
        "bearers": [_bearer(bearer) for bearer in agent.bearers],
        "key_agreements": 0 if agent.keys is None else agent.keys.agreements,
        "key_trouble": None if agent.keys is None else agent.keys.trouble,
        "transfer_problem": agent.uplink.transfers.problem,
    }


def _bearer(bearer: Bearer) -> dict[str, Any]:
    modem = modem_of(bearer)
    return {
        "name": bearer.name,
        "problem": bearer.problem,
        "on_air_bytes": bearer.air.on_air_bytes,
        "round_trip_s": bearer.round_trips.smoothed_s,
        "repeats_after_s": bearer.round_trips.wait_s,
        "used_bytes": None if bearer.budget is None else bearer.budget.month.total,
        "plan_bytes": None if bearer.budget is None else bearer.budget.plan.bytes,
        "modem": None if modem is None else modem.status(),
    }


def _command(view: CommandView) -> dict[str, Any]:
    return {
        "id": view.command.id,
        "action": view.command.action,
        "target": view.command.target,
        "arguments": dict(view.command.arguments),
        "state": view.state,
        "detail": view.detail,
        "time_ms": view.time_ms,
    }

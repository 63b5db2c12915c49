"""The whole agent of one pole: clock, collector, pipeline, journal, uplink, control, put together and run as one.

Each part is a task of one group. A part that fails takes the agent down with a clear message, after the journal has
been closed: systemd starts it again, and what was on the disk goes on from there. What is ordinary in the field (a
dead device, a missing port, a full disk, a platform that is away) is met by the parts and never ends here.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from gateway_agent.bearers.build import build_bearers
from gateway_agent.bearers.kept_round_trips import KeptRoundTrips
from gateway_agent.bearers.modem_way import modems_of
from gateway_agent.clock import Clock
from gateway_agent.collect.collector import Collector, MakeLine, serial_line
from gateway_agent.condense import Condenser
from gateway_agent.config import PoleConfig
from gateway_agent.control import Control
from gateway_agent.errors import GatepostError
from gateway_agent.gateway_clock import GatewayClock
from gateway_agent.journal import Budget, Journal
from gateway_agent.pipeline import Pipeline
from gateway_agent.pole_files import PoleFiles, RecentLog, ledger
from gateway_agent.records import LampOutcome
from gateway_agent.reporting import channel_table, limits, report_rules, units
from gateway_agent.uplink.identity import load_identity
from gateway_agent.uplink.key_ring import KeyRing
from gateway_agent.uplink.objects import object_names
from gateway_agent.uplink.security import CLEAR
from gateway_agent.uplink.transfer_format import LEDGER, LOG, TransferError
from gateway_agent.uplink.uplink import Uplink
from gateway_agent.uplink.uplink_settings import UplinkSettings
from gateway_agent.watch import Watch
from protocols import event_codes, event_names

_LOG = logging.getLogger(__name__)
_DRAIN_S, _DRAIN_WAITS = 5.0, 4
"""How long the end waits for the platform: seconds, or as many times what an answer may take."""
_HEARD_LATELY_MS = 300_000


class _Part(Protocol):
    async def run(self) -> None:
        """Go on until cancelled."""


class AgentFailedError(GatepostError):
    """A part of the agent has failed in a way that it does not know how to meet; the text names part and cause."""


class Agent:
    """One agent. Its parts are open for whoever looks: the status, the rig, tests.

    Its own `clock` is built on the machine's, which it is given. `pole_file` is where `pole` was read from, when it was
    read from a file: a new configuration is checked as if it lay there. Opens the journal. Raises JournalError,
    ProvisionError or UplinkError with what to do.
    """

    def __init__(
        self, pole: PoleConfig, clock: Clock, make_line: MakeLine = serial_line, *, pole_file: Path | None = None
    ) -> None:
        self.pole = pole
        self.clock = GatewayClock(clock, pole.clock.trust)
        self.started_monotonic_ms = clock.monotonic_ms()
        self.journal = Journal.open(
            Path(pole.journal.path),
            self.clock,
            commit_s=pole.journal.commit_s,
            commit_readings=pole.journal.commit_readings,
            keep_acknowledged=pole.journal.keep_acknowledged,
            budget=Budget(pole.journal.budget_mib << 20, round(pole.journal.fine_days * 86_400_000)),
        )
        self.clock.keep_eras(self.journal)
        rules = limits(pole)
        standing = self.journal.standing_alarms()
        condenser = Condenser(report_rules(pole), self.journal.last_sample_ms())
        self.pipeline = Pipeline(self.journal, condenser, Watch(rules, standing), self.clock)
        self.clock.before_step.append(self.pipeline.flush_windows)
        self.clock.after_step.append(self.pipeline.moved)
        self._clear_without_rule(standing, {(rule.point, rule.code) for rule in rules})
        self.collector = Collector(pole, self.clock, self.pipeline, make_line)
        self.control = Control(self.journal, self, self.clock)
        self.keys = self._key_ring()
        files = Path(pole.journal.path + ".files")
        in_use = pole_file or files / "pole.toml"
        self.files = PoleFiles(files, in_use, pole.pole.gateway, self.clock, self.journal.add_event)
        self.log = RecentLog()
        table = channel_table(pole)
        self.bearers = build_bearers(pole, self.clock)
        self._round_trips = KeptRoundTrips(Path(pole.journal.path + ".links"), self.bearers, self.clock)
        self.uplink = Uplink(
            UplinkSettings(
                gateway=pole.pole.gateway,
                url=pole.uplink.url,
                security=self.keys or CLEAR,
                batch_s=pole.uplink.batch_s,
                batch_readings=pole.uplink.batch_readings,
                form=pole.uplink.format,
                backfill_bytes_per_hour=pole.uplink.backfill_kib_per_hour << 10,
            ),
            self.journal,
            self.clock,
            self.bearers,
            units=units(pole),
            names=object_names(units(pole).items()) if pole.uplink.names == "oma" else None,
            table=table,
            files=self.files.folder,
            takers=self.files.takers,
            on_commands=self.control.offer,
            on_time=self._hear_time,
        )

    def _key_ring(self) -> KeyRing | None:
        """The keys of this gateway, None in the clear."""
        identity_file = self.pole.uplink.identity_file
        if self.pole.uplink.security == CLEAR or identity_file is None:
            return None
        keys = Path(self.pole.journal.path + ".keys")
        used = Path(identity_file + ".used")
        renew_s = self.pole.uplink.renew_keys_days * 86_400
        return KeyRing(load_identity(identity_file), self.journal, keys, used, self.clock, renew_s)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then finish in order: collect no more, store all, send what can be sent, close.

        Raises AgentFailedError when a part has failed; the rest has then been finished all the same.
        """
        await self.clock.look()
        logging.getLogger("gatepost").addHandler(self.log)
        self._send_ledger()
        modems = {f"modem of {name}": modem for name, modem in modems_of(self.bearers).items()}
        sending = _start({"uplink": self.uplink, **modems})
        parts = sending | _start(
            {
                "clock": self.clock,
                "collector": self.collector,
                "pipeline": self.pipeline,
                "control": self.control,
                "round trips": self._round_trips,
            }
        )
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({*parts, stopped}, return_when=asyncio.FIRST_COMPLETED)
            failure = _failure(parts)
            await _end(parts - sending)
            await self.pipeline.finish()
            if failure is None:
                await self._drain()
        finally:
            await _end([*parts, stopped])
            if self.keys is not None:
                await self.keys.close()
            await self._round_trips.write()
            for bearer in self.bearers:
                if bearer.budget is not None:
                    await bearer.budget.keep(now=True)
            logging.getLogger("gatepost").removeHandler(self.log)
            await self.journal.close()
        if failure is not None:
            raise failure

    async def lamp(
        self, target: str, level_pct: int, fade_s: int, expires_ms: int, hold_s: int = 0, reason: int = 0
    ) -> LampOutcome:
        """Set a lamp as `Collector.lamp` does; a lamp that takes its level again is no longer an alarm."""
        outcome = await self.collector.lamp(target, level_pct, fade_s, expires_ms, hold_s, reason)
        if outcome.state == "confirmed":
            self.pipeline.clear(target, event_names.NAMES[event_codes.LAMP_FAILED])
        return outcome

    async def look_at_lamp(self, target: str, fade_s: int) -> LampOutcome:
        """What has become of the last command to a lamp, as `Collector.look_at_lamp` does."""
        return await self.collector.look_at_lamp(target, fade_s)

    async def manhole(self, target: str, acknowledge: int, learn: int) -> LampOutcome:
        """Acknowledge alarms of a manhole or let its cover be learned, as `Collector.manhole` does."""
        return await self.collector.manhole(target, acknowledge, learn)

    async def send_log(self) -> LampOutcome:
        """Send the last lines of the agent's log."""
        try:
            self.uplink.transfers.send(LOG, self.log.content)
        except (TransferError, OSError) as error:
            return LampOutcome("failed", None, str(error))
        self.uplink.look()
        return LampOutcome("confirmed", None, "it is on its way")

    def _send_ledger(self) -> None:
        """Let the platform have the pole's terminals; it says itself when it has them already."""
        try:
            self.uplink.transfers.send(LEDGER, ledger(self.pole))
        except (TransferError, OSError) as error:
            _LOG.warning("the ledger cannot be sent: %s", error)

    async def _hear_time(self, platform_ms: int, round_trip_ms: int) -> None:
        self.clock.heard_platform(platform_ms, round_trip_ms)
        if not self.clock.is_trusted:
            await self.clock.look()

    def _clear_without_rule(self, standing: Iterable[tuple[str, str]], rules: Collection[tuple[str, str]]) -> None:
        """Clear alarms of rules that the configuration no longer has: nobody else ever would."""
        for name, code in standing:
            if code in ("above", "below") and (name, code) not in rules:
                self.pipeline.clear(name, code)

    async def _drain(self) -> None:
        """Store everything and give the platform a moment to take it; what it does not take waits on the disk, and so
        does what the plan would have gathered into windows."""
        bearer, counters = self.bearers.current, self.uplink.counters
        heard_ms = counters.last_answer_ms
        is_near = heard_ms is not None and self.clock.unix_ms() - heard_ms < _HEARD_LATELY_MS
        try:
            if is_near and not (bearer.budget and bearer.budget.is_stretched):
                async with asyncio.timeout(max(_DRAIN_S, _DRAIN_WAITS * bearer.round_trips.wait_s)):
                    await self.uplink.drain()
            else:
                await self.journal.flush()
        except TimeoutError:
            _LOG.info("%d records wait on the disk for the platform", self.journal.depth)


def _start(parts: Mapping[str, _Part]) -> set[asyncio.Task[None]]:
    return {asyncio.create_task(part.run(), name=name) for name, part in parts.items()}


def _failure(parts: Iterable["asyncio.Task[None]"]) -> AgentFailedError | None:
    """What has ended although nobody asked it to."""
    for part in parts:
        if not part.done() or part.cancelled():
            continue
        error = _first_cause(part.exception())
        _LOG.critical("the %s has failed", part.get_name(), exc_info=error)
        cause = "it ended" if error is None else f"{type(error).__name__}: {error}"
        failed = AgentFailedError(
            f"the agent's {part.get_name()} has failed ({cause}); what is stored is safe, start again"
        )
        failed.__cause__ = error
        return failed
    return None


def _first_cause(error: BaseException | None) -> BaseException | None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks and wait until they have let go of what they own."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)

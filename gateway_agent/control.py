"""Commands from the platform's mailbox: stored, checked, carried out once, and their outcome stored for the platform.

The order is fixed. A command is in the journal as `received` before anything else happens to it, as `acting` before
it acts, and its result is committed before the platform can hear of it. The platform repeats a command until it has
the result; a repeated id is never carried out a second time, its result is repeated. After a restart, what was only
received is carried out unless it has expired. What was acting may or may not have reached the node, so it is never
done again: a lamp is asked what level it has, which confirms the command or reports it as failed; anything else is
reported as failed with an unknown outcome, and whoever wants it sends it anew. What expires waits until the gateway's
clock can be trusted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway_agent.clock import Clock
from gateway_agent.errors import GatepostError
from gateway_agent.journal import Journal, JournalUnavailable
from gateway_agent.journal.commands import ACTING, DAMAGED, StoredCommand
from gateway_agent.records import Command, CommandResult, LampOutcome
from gateway_agent.uplink.answer import MAX_COMMANDS
from protocols import lamp_codes

log = logging.getLogger("gatepost.control")

LAMP = "lamp"
LAMP_LIMITS = {"level_pct": 100, "fade_s": 3600, "hold_s": 2_592_000, "reason": 255}
"""Arguments of the action `lamp` and their largest values; all begin at 0. `level_pct` must be given."""
RESUME = "lamp_resume"
RESUME_LIMITS = {"fade_s": 3600}
"""Arguments of the action that ends an override: the lamp goes on with its programme."""
MANHOLE = "manhole"
MANHOLE_LIMITS = {"acknowledge": 0xFFFF, "learn": 1}
"""Arguments of the action `manhole`, whose target is a node: the alarms that somebody has seen, as bits of
protocols/manhole_codes.py, and 1 to learn the angle of the closed cover."""
SEND_LOG = "send_log"
"""The action that sends the agent's log; its target is `gateway`, and it has no arguments."""
_KNOWN: Mapping[str, Mapping[str, int]] = {
    LAMP: LAMP_LIMITS,
    RESUME: RESUME_LIMITS,
    MANHOLE: MANHOLE_LIMITS,
    SEND_LOG: {},
}

_LOOK_AT_CLOCK_S = 0.5
_RECENT = 8


class Nodes(Protocol):
    """Whoever reaches lamps and manholes: the collector."""

    async def lamp(
        self, target: str, level_pct: int, fade_s: int, expires_ms: int, hold_s: int, reason: int
    ) -> LampOutcome:
        """Set the lamp that is the device `target` to linear light output, read it back, and tell how it went.

        lamp_codes.RESUME as level ends the override; `hold_s` is how long it holds, 0 as the node's schedule says.
        `expires_ms` is unix time, 0 for never; the node must not begin after it. May raise a GatepostError.
        """
        ...

    async def look_at_lamp(self, target: str, fade_s: int) -> LampOutcome:
        """What has become of the last command to a lamp, which took `fade_s`; nothing is set.

        May raise a GatepostError.
        """
        ...

    async def manhole(self, target: str, acknowledge: int, learn: int) -> LampOutcome:
        """Acknowledge alarms of the manhole of the node `target`, or let it learn its cover, and tell how it went."""
        ...

    async def send_log(self) -> LampOutcome:
        """Let the platform have the last lines of the agent's log."""
        ...


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command for whoever looks: its state is received, acting, confirmed, failed, expired or refused."""

    command: Command
    state: str
    detail: str
    time_ms: int


class Control:
    """Carries out commands, those of one target one after another. `recent` are the last few, newest last."""

    def __init__(self, journal: Journal, nodes: Nodes, clock: Clock) -> None:
        self.recent: deque[CommandView] = deque(maxlen=_RECENT)
        self._journal = journal
        self._nodes = nodes
        self._clock = clock
        self._in_hand: set[str] = set()
        self._may_be_old = True
        self._perhaps_old: set[str] = set()
        self._offered: asyncio.Queue[Command] = asyncio.Queue()
        self._turns: dict[str, asyncio.Lock] = {}

    def offer(self, commands: Sequence[Command]) -> None:
        """Take the commands of one mailbox, empty ones too; those that are in hand already are passed over.

        What is in the first may be older than this run of the agent, and so may what follows a full one. Returns at
        once.
        """
        if self._may_be_old:
            self._perhaps_old |= {command.id for command in commands}
            self._may_be_old = len(commands) >= MAX_COMMANDS
        for command in commands:
            if command.id not in self._in_hand:
                self._in_hand.add(command.id)
                self._offered.put_nowait(command)

    async def run(self) -> None:
        """First what an earlier run left unfinished, then whatever is offered, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            left_over = await self._journal.unfinished_commands()
            # The platform may have offered some of these again before we knew of them.
            begun = {stored.command.id for stored in left_over}
            self._in_hand |= begun
            for stored in left_over:
                tasks.create_task(self._finish_left_over(stored), name=f"command {stored.command.id}")
            while True:
                command = await self._offered.get()
                if command.id in begun:
                    begun.discard(command.id)
                    continue
                tasks.create_task(self._accept(command), name=f"command {command.id}")

    async def _finish_left_over(self, stored: StoredCommand) -> None:
        try:
            await self._carry_out(stored)
        finally:
            self._in_hand.discard(stored.command.id)

    async def _accept(self, command: Command) -> None:
        try:
            stored = await self._journal.receive_command(command)
            if stored.result is None:
                await self._carry_out(stored)
        except JournalUnavailable as error:
            # Not accepted: it stays in the platform's mailbox and comes again with a later answer.
            log.warning("command %s is not accepted: %s", command.id, error)
        finally:
            self._in_hand.discard(command.id)

    async def _carry_out(self, stored: StoredCommand) -> None:
        command = stored.command
        async with self._turns.setdefault(command.target, asyncio.Lock()):
            self._show(command, stored.state, "")
            while command.expires_ms and not self._clock.is_trusted:
                await asyncio.sleep(_LOOK_AT_CLOCK_S)
            result = self._result_without_acting(stored)
            if result is None:
                is_doubtful = stored.state == ACTING or (stored.is_doubtful and command.id in self._perhaps_old)
                result = await (self._look_back(command) if is_doubtful else self._act(command))
            await self._journal.finish_command(result)
        self._show(command, result.state, result.detail)
        log.info("command %s %s: %s", command.id, result.state, result.detail)

    def _result_without_acting(self, stored: StoredCommand) -> CommandResult | None:
        command = stored.command
        if stored.state == DAMAGED:
            return self._result(command, "failed", "its record in the gateway's journal is damaged")
        problem = find_problem(command)
        if problem is not None:
            return self._result(command, "refused", problem)
        if self._is_expired(command) and stored.state != ACTING:
            return self._result(command, "expired", "it arrived after its time")
        return None

    async def _look_back(self, command: Command) -> CommandResult:
        """How a command ended that may have been done before; it is not done a second time."""
        self._show(command, ACTING, "")
        unknown = "the gateway restarted meanwhile; whether it was done is unknown, it is not done again: send it anew"
        if command.action != LAMP:
            return self._result(command, "failed", unknown)
        wanted = command.arguments["level_pct"]
        try:
            found = await self._nodes.look_at_lamp(command.target, command.arguments.get("fade_s", 0))
        except GatepostError as error:
            return self._result(command, "failed", f"{unknown} ({error})")
        if found.state == "confirmed" and found.actual_pct == wanted:
            return self._result(command, "confirmed", f"after a restart of the gateway: {found.detail}", wanted)
        return self._result(command, "failed", f"{unknown} ({found.detail})", found.actual_pct)

    async def _act(self, command: Command) -> CommandResult:
        await self._journal.begin_command(command.id)
        self._show(command, ACTING, "")
        outcome = await self._reach(command)
        return self._result(command, outcome.state, outcome.detail, outcome.actual_pct)

    async def _reach(self, command: Command) -> LampOutcome:
        given = command.arguments
        try:
            if command.action == SEND_LOG:
                return await self._nodes.send_log()
            if command.action == MANHOLE:
                return await self._nodes.manhole(command.target, given.get("acknowledge", 0), given.get("learn", 0))
            level_pct = lamp_codes.RESUME if command.action == RESUME else given["level_pct"]
            fade_s, hold_s, reason = given.get("fade_s", 0), given.get("hold_s", 0), given.get("reason", 0)
            return await self._nodes.lamp(command.target, level_pct, fade_s, command.expires_ms, hold_s, reason)
        except GatepostError as error:
            return LampOutcome("failed", None, str(error))
        except Exception as error:
            log.exception("command %s met an error of the agent itself", command.id)
            return LampOutcome("failed", None, f"the agent made a mistake: {type(error).__name__}")

    def _is_expired(self, command: Command) -> bool:
        return 0 < command.expires_ms <= self._clock.unix_ms()

    def _result(self, command: Command, state: str, detail: str, level_pct: int | None = None) -> CommandResult:
        return CommandResult(command.id, state, detail, self._clock.unix_ms(), level_pct)

    def _show(self, command: Command, state: str, detail: str) -> None:
        kept = [view for view in self.recent if view.command.id != command.id]
        self.recent.clear()
        self.recent.extend([*kept, CommandView(command, state, detail, self._clock.unix_ms())])


def find_problem(command: Command) -> str | None:
    """What is wrong with a command's action or arguments, in words for the platform; None when nothing is."""
    limits = _KNOWN.get(command.action)
    if limits is None:
        return f"the action {command.action} is unknown; known: {', '.join(_KNOWN)}"
    problem = _find_argument_problem(command.arguments, limits)
    if problem is None and command.action == LAMP and "level_pct" not in command.arguments:
        return "level_pct is missing"
    return problem


def _find_argument_problem(arguments: Mapping[str, int], limits: Mapping[str, int]) -> str | None:
    for name, value in arguments.items():
        if name not in limits:
            return f"the argument {name} is unknown; known: {', '.join(limits) or 'none'}"
        if not 0 <= value <= limits[name]:
            return f"{name} is {value}; it must be 0 to {limits[name]}"
    return None

"""Everybody around a journal, as models: the platform, the nodes that number their events, the lamps, and the truth.

A `World` knows what was offered to the journal, what the journal has accepted under which number, what the platform
has stored, and how often each command acted. All of it comes from marks, each with the moment in the disk's log at
which it became true: `World.replay` gives the world as it was at a power cut, from which a restarted gateway goes on.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway_agent.journal.codec import Content
from gateway_agent.records import Command, CommandResult, Event, Reading, Thinned

Number = tuple[int, int]
"""(epoch of the journal, sequence of the record): what the platform stores only once."""

OFFERED, ACCEPTED, DELIVERED, ACKNOWLEDGED, TOLD, ISSUED, RECEIVED, ACTED, ENDED = (
    "offered",
    "accepted",
    "delivered",
    "acknowledged",
    "told",
    "issued",
    "received",
    "acted",
    "ended",
)


@dataclass(frozen=True, slots=True)
class Mark:
    """From moment `position` of the disk's log on, which was at `time_ms` (unix), `what` is so."""

    position: int
    time_ms: int
    kind: str
    what: Any


@dataclass
class Verdict:
    """What was found amiss; all zero when the journal has kept its promise."""

    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    numbers_reused: int = 0
    commands_twice: int = 0
    resent: int = 0
    reports: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled, wrong or done twice."""
        return not (self.lost or self.duplicated or self.wrong or self.numbers_reused or self.commands_twice)


@dataclass
class World:
    """What is known outside the disk.

    `commands_twice` in the verdict counts commands that acted a second time, `resent` records that came again although
    the journal had taken the platform's acknowledgement, `reports` what the journal told of itself.
    """

    accepted: dict[Number, Content] = field(default_factory=dict)
    platform: dict[Number, Content] = field(default_factory=dict)
    acknowledged: set[Number] = field(default_factory=set)
    offered: set[Reading | Event] = field(default_factory=set)
    places: dict[Reading | Event, Number] = field(default_factory=dict)
    node_events: dict[Event, bool] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    received: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    results: set[str] = field(default_factory=set)
    acts: list[str] = field(default_factory=list)
    levels: dict[str, str] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)

    @classmethod
    def replay(cls, marks: Iterable[Mark]) -> "World":
        """The world after these marks."""
        world = cls()
        for mark in marks:
            world.apply(mark)
        return world

    def copy(self) -> "World":
        """One that goes its own way from here on."""
        return World(
            dict(self.accepted),
            dict(self.platform),
            set(self.acknowledged),
            set(self.offered),
            dict(self.places),
            dict(self.node_events),
            dict(self.commands),
            set(self.received),
            set(self.ended),
            set(self.results),
            list(self.acts),
            dict(self.levels),
            Verdict(**vars(self.verdict)),
        )

    def apply(self, mark: Mark) -> None:
        """Let `mark` become true."""
        what = mark.what
        match mark.kind:
            case "offered":
                self.offered.update(what)
                self.node_events.update((each, False) for each in what if isinstance(each, Event) and each.origin)
            case "accepted":
                for number, content in what:
                    self._accept(number, content)
            case "delivered":
                for number, content in what:
                    self._deliver(number, content)
            case "acknowledged":
                self.acknowledged.update(what)
            case "told":
                self.node_events[what] = True
            case "issued":
                self.commands[what.id] = what
            case "received":
                self.received.add(what)
            case "acted":
                self._act(what)
            case "ended":
                self.ended.add(what)
            case _:
                raise ValueError(f"unknown mark {mark.kind}")

    def shared(self, found: Sequence[tuple[Number, Content]]) -> list[tuple[Number, Content]]:
        """The same, where what is equal to what is known is the very same object: it is compared often."""
        known = ((number, content, self.accepted.get(number)) for number, content in found)
        return [(number, mine if mine == content else content) for number, content, mine in known]

    def mailbox(self) -> list[Command]:
        """What the platform goes on to offer: the commands whose result it has not."""
        return [command for command in self.commands.values() if command.id not in self.results]

    def untold_events(self) -> list[Event]:
        """What the nodes go on to offer: the events that they were not told to be stored."""
        return [event for event, is_told in self.node_events.items() if not is_told]

    def judge(self) -> Verdict:
        """The verdict when the restarted gateway has drained its journal and worked off its commands."""
        verdict = self.verdict
        verdict.lost += sum(number not in self.platform for number in self.accepted)
        verdict.lost += sum(event not in self.places for event, is_told in self.node_events.items() if is_told)
        undone = {command.id for command in self.mailbox()}
        verdict.lost += len(self.received & undone)
        acts = Counter(self.acts)
        for target, last in self.levels.items():
            newest = [command.id for command in self.commands.values() if command.target == target and acts[command.id]]
            verdict.wrong += last != newest[-1]
        return verdict

    def _accept(self, number: Number, content: Content) -> None:
        known = self.accepted.get(number, self.platform.get(number))
        if known is not None and known != content:
            self.verdict.numbers_reused += 1
        self.accepted[number] = content

    def _deliver(self, number: Number, content: Content) -> None:
        stored = self.platform.get(number)
        if stored is not None:
            self.verdict.numbers_reused += stored != content
            self.verdict.resent += number in self.acknowledged
            return
        if self.accepted.get(number, content) != content:
            self.verdict.wrong += 1
        self.platform[number] = content
        if isinstance(content, CommandResult):
            self.verdict.wrong += content.command_id not in self.commands
            self.verdict.wrong += content.state == "confirmed" and content.command_id not in self.acts
            self.results.add(content.command_id)
        elif isinstance(content, Thinned):
            self.verdict.wrong += 1
        else:
            for item in content if isinstance(content, tuple) else (content,):
                self._place(item, number)

    def _place(self, item: Reading | Event, number: Number) -> None:
        if isinstance(item, Event) and item.name == "journal":
            self.verdict.reports += 1
            return
        self.verdict.wrong += item not in self.offered
        self.verdict.duplicated += item in self.places
        self.places[item] = number

    def _act(self, command_id: str) -> None:
        self.verdict.commands_twice += command_id in self.acts
        self.acts.append(command_id)
        self.levels[self.commands[command_id].target] = command_id

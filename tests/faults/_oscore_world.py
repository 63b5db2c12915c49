"""What whoever listens and the platform know of a gateway's OSCORE messages, at each moment of a recorded run.

`World` plays exchanges in both directions and judges them: a sender number that was seen before is reused, a request
that is accepted a second time is replayed, a fresh one that is refused is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from aiocoap import error, oscore  # type: ignore[import-untyped]

from tests.gateway_agent.uplink.oscore_peer import (
    Platform,
    State,
    is_accepted,
    read_answer,
    request_bytes,
    sender_numbers,
    serve,
    to_wire,
)

_REPLAYED_MOST = 40


@dataclass(frozen=True)
class Event:
    """At `moment` these sender numbers went out, and this request was carried out; the platform then was in `state`."""

    moment: int
    numbers: tuple[int, ...]
    accepted: bytes | None
    state: State


@dataclass
class Harm:
    """What went wrong."""

    reused: int = 0
    replayed: int = 0
    lost: int = 0
    wrong: int = 0

    @property
    def is_none(self) -> bool:
        """Whether nothing did."""
        return self == Harm()


@dataclass
class World:
    """`moment` tells how many operations the disk has done. A world goes on from what was known at some moment."""

    moment: Callable[[], int]
    platform: Platform = field(default_factory=Platform)
    numbers: set[int] = field(default_factory=set)
    accepted: list[bytes] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    harm: Harm = field(default_factory=Harm)

    def at(self, cut: int, moment: Callable[[], int]) -> Self:
        """A world that knows what was known when the disk had done `cut` operations, and of no harm."""
        past = [event for event in self.events if event.moment <= cut]
        kept = [replace(event, moment=0) for event in past]
        return type(self)(
            moment,
            Platform(state=past[-1].state) if past else Platform(),
            {number for event in past for number in event.numbers},
            [event.accepted for event in past if event.accepted is not None],
            kept,
        )

    def up(self, gateway: Any, payload: bytes) -> None:
        """A request of the gateway."""
        request, request_id = request_bytes(gateway, payload)
        self._note(request)
        try:
            taken, answer = serve(self.platform, request)
        except oscore.ReplayError:
            self.harm.lost += 1
            return
        self._note()
        self.harm.wrong += taken != payload or read_answer(gateway, answer, request_id).payload != payload

    def down(self, gateway: Any, payload: bytes) -> None:
        """A request of the platform, repeated with Echo where the gateway asks for that."""
        request, request_id = request_bytes(self.platform, payload)
        try:
            taken, answer = serve(gateway, request)
        except oscore.ReplayErrorWithEcho as challenge:
            refusal = to_wire(challenge.to_message())
            self._note(refusal)
            echo = read_answer(self.platform, refusal, request_id).opt.echo
            request, request_id = request_bytes(self.platform, payload, echo)
            taken, answer = serve(gateway, request)
        except error.Error:
            self.harm.lost += 1
            return
        self._note(answer, accepted=request)
        self.harm.wrong += taken != payload or read_answer(self.platform, answer, request_id).payload != payload

    def replay(self, gateway: Any) -> None:
        """Somebody sends again what the gateway has carried out."""
        for request in self.accepted[-_REPLAYED_MOST:]:
            self.harm.replayed += is_accepted(gateway, request)

    def _note(self, *messages: bytes, accepted: bytes | None = None) -> None:
        numbers = tuple(sender_numbers(*messages))
        self.harm.reused += sum(number in self.numbers for number in numbers)
        self.numbers.update(numbers)
        if accepted is not None:
            self.accepted.append(accepted)
        self.events.append(Event(self.moment(), numbers, accepted, self.platform.state))

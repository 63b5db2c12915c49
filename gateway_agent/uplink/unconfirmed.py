"""Batches that were sent without waiting for an answer, until a later answer tells which of them arrived."""

from collections.abc import Sequence

from gateway_agent.uplink.forms import Message


class Unconfirmed:
    """In the order in which they went."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._refused: list[Message] = []

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def readings(self) -> int:
        """Readings in all of them."""
        return sum(message.batch.readings for message in self._messages)

    @property
    def first_sequence(self) -> int | None:
        """The lowest journal sequence in them, None when there are none."""
        return min((message.batch.sequences[0] for message in self._messages), default=None)

    def add(self, message: Message) -> None:
        """A message has gone."""
        self._messages.append(message)

    def refused(self, message: Message) -> None:
        """This one arrived and could not be used."""
        if any(message is other for other in self._messages):
            self._refused.append(message)

    def take(self) -> tuple[list[Message], int]:
        """All of them, and how many of them were refused; none is left."""
        taken = self._messages, len(self._refused)
        self._messages, self._refused = [], []
        return taken


def is_within(sequence: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether the sequence is in one of the ranges (first, last)."""
    return any(first <= sequence <= last for first, last in spans)

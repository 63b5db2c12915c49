"""What can go wrong between a modem and its driver."""

from gateway_agent.errors import GatepostError
from gateway_agent.modem.cause import Cause


class ModemError(GatepostError):
    """Base of all errors of this package; the text is meant for a person."""


class PortGoneError(ModemError):
    """The serial port cannot be opened, or was pulled out; the text says which, why, and what to do."""

    def __init__(self, cause: Cause, text: str) -> None:
        self.cause = cause
        super().__init__(text)


class AtError(ModemError):
    """A command has not done what it should."""


class NoAnswerError(AtError):
    """A command was not answered in its time: nobody knows whether the modem has done it."""


class SilentError(NoAnswerError):
    """The modem answers nothing at all, not even when it is only asked whether it is there."""


class NoPromptError(NoAnswerError):
    """The modem has not asked for the data of a send, so it has surely not sent it."""


class RefusedError(AtError):
    """The modem has answered a command with an error.

    `code` is the number of `+CME ERROR` or of the dialect's own result, None where it gave none; `line` is what it
    said.
    """

    def __init__(self, command: str, line: str, code: int | None = None) -> None:
        self.code = code
        self.line = line
        super().__init__(f"the modem has answered {command} with {line}")


class InterruptedCommandError(AtError):
    """Something happened that makes the answer of a command worthless, such as the close of its socket."""


class RebootedError(AtError):
    """The modem has started anew by itself; everything that it was told before is forgotten."""

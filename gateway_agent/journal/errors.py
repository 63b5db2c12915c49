"""Errors of the journal."""

from gateway_agent.errors import GatepostError


class JournalError(GatepostError):
    """The journal cannot be opened or holds what it should not; the text says where and what to do."""


class JournalUnavailable(JournalError):  # noqa: N818 - it names a state that passes, not a mistake
    """The journal cannot be written just now (disk full, read-only, locked, gone). It goes on trying by itself."""


class SecurityStateLost(JournalError):  # noqa: N818 - named for what happened
    """An OSCORE context must not be used any more: its state is missing, damaged, salvaged, or cannot be written.

    New keys must be agreed (EDHOC); the old ones are never continued.
    """

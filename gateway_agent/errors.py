"""The base error of the gateway layer."""


class GatepostError(Exception):
    """Something the gateway can say in a sentence: what happened, where, and what to do next.

    Every error that `gateway_agent` raises on purpose derives from it; `str()` is meant for a person.
    """

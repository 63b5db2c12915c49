"""The SIM: is there one, does it work, and does it want its PIN.

A PIN is tried once in the life of a SIM, unless it was right: three wrong ones lock it, and somebody has to climb the
pole. That it will be tried is on the disk before it is tried, so that not even a power cut lets it be tried twice.
"""

from gateway_agent.modem.cause import Cause
from gateway_agent.modem.dialect import Dialect, SimState
from gateway_agent.modem.errors import RefusedError
from gateway_agent.modem.kept_state import KeptState, PinOutcome, pin_key
from gateway_agent.modem.trouble import Attention, TroubleError

_TRIES = 6
_TRY_S = 2.0
_NOT_TRIED = "is not tried again"


async def have_sim(dialect: Dialect, pin: str | None, kept: KeptState, attention: Attention) -> None:
    """Have a SIM that is ready. Raises TroubleError."""
    for _ in range(_TRIES):
        sim = await dialect.sim()
        if sim == SimState.READY:
            await _conclude(dialect, pin, kept)
            return
        if sim == SimState.PIN:
            await _enter(dialect, pin, kept)
        elif sim == SimState.PUK:
            raise TroubleError(Cause.PUK, "the SIM is locked and wants its PUK")
        elif sim == SimState.DEAD:
            raise TroubleError(Cause.SIM_DEAD, "the SIM does not work: the modem calls it a failure or wrong")
        await attention.pause(_TRY_S)
        attention.check()
    raise TroubleError(Cause.NO_SIM, "the modem finds no SIM")


async def _enter(dialect: Dialect, pin: str | None, kept: KeptState) -> None:
    if pin is None:
        raise TroubleError(Cause.PIN_MISSING, "the SIM wants a PIN and pole.toml has none")
    key = pin_key((await dialect.identity()).iccid, pin)
    outcome = kept.pins.get(key)
    if outcome is None and kept.is_damaged:
        raise TroubleError(
            Cause.PIN_OPEN, f"the record of the PINs that were tried was damaged, so the PIN {_NOT_TRIED}"
        )
    if outcome == "tried":
        why = f"the PIN of pole.toml was tried on this SIM and the outcome is not known, so it {_NOT_TRIED}"
        raise TroubleError(Cause.PIN_OPEN, why)
    if outcome == "refused":
        raise TroubleError(Cause.PIN_REFUSED, f"the SIM has refused the PIN of pole.toml, so it {_NOT_TRIED}")
    if outcome is None:
        _note(kept, key, "tried")
    try:
        await dialect.enter_pin(pin)
    except RefusedError as refused:
        _note(kept, key, "refused")
        raise TroubleError(Cause.PIN_REFUSED, f"the SIM has refused the PIN of pole.toml ({refused.line})") from refused
    _note(kept, key, "accepted")


async def _conclude(dialect: Dialect, pin: str | None, kept: KeptState) -> None:
    """With the SIM ready, a PIN that was tried and of which no more is known was right."""
    if pin is not None and "tried" in kept.pins.values():
        key = pin_key((await dialect.identity()).iccid, pin)
        if kept.pins.get(key) == "tried":
            _note(kept, key, "accepted")


def _note(kept: KeptState, key: str, outcome: PinOutcome) -> None:
    kept.pins[key] = outcome
    try:
        kept.save()
    except OSError as problem:
        why = f"that the PIN is tried cannot be written down ({problem}), so it {_NOT_TRIED}"
        raise TroubleError(Cause.PIN_OPEN, why) from problem

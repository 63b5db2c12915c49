"""Which module speaks to a modem."""

from collections.abc import Callable

from gateway_agent.modem.at import AtEngine
from gateway_agent.modem.dialect import Dialect, DialectName, LinkSettings, ModemData
from gateway_agent.modem.dialects.quectel_nb import QuectelNb
from gateway_agent.modem.dialects.quectel_qi import QuectelQi

_DIALECTS: dict[DialectName, Callable[[AtEngine, ModemData, LinkSettings], Dialect]] = {
    "quectel-nb": QuectelNb,
    "quectel-qi": QuectelQi,
}


def dialect_of(at: AtEngine, data: ModemData, settings: LinkSettings) -> Dialect:
    """The dialect of a modem, speaking through `at`, which reads by its rules from now on."""
    dialect = _DIALECTS[data.modem.dialect](at, data, settings)
    at.use(dialect.rules)
    return dialect

"""Which module speaks to a modem."""

from collections.abc import Callable

from gateway_agent.modem.at import AtEngine
from gateway_agent.modem.dialect import Dialect, DialectName, LinkSettings, ModemData
from gateway_agent.modem.dialects.ml307 import Ml307
from gateway_agent.modem.dialects.neul import Neul
from gateway_agent.modem.dialects.quectel_nb import QuectelNb
from gateway_agent.modem.dialects.quectel_qi import QuectelQi
from gateway_agent.modem.dialects.sim800 import Sim800
from gateway_agent.modem.dialects.simcom import Simcom
from gateway_agent.modem.dialects.simcom_nb import SimcomNb

_DIALECTS: dict[DialectName, Callable[[AtEngine, ModemData, LinkSettings], Dialect]] = {
    "neul": Neul,
    "quectel-nb": QuectelNb,
    "quectel-qi": QuectelQi,
    "ml307": Ml307,
    "simcom-nb": SimcomNb,
    "simcom": Simcom,
    "sim800": Sim800,
}


def dialect_of(at: AtEngine, data: ModemData, settings: LinkSettings) -> Dialect:
    """The dialect of a modem, speaking through `at`, which reads by its rules from now on."""
    dialect = _DIALECTS[data.modem.dialect](at, data, settings)
    at.use(dialect.rules)
    return dialect

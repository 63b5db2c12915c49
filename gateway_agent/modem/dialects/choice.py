"""Which module speaks to a modem."""

from gateway_agent.modem.at import AtEngine
from gateway_agent.modem.dialect import Dialect, DialectName, LinkSettings, ModemData
from gateway_agent.modem.dialects.ml307 import Ml307
from gateway_agent.modem.dialects.neul import Neul
from gateway_agent.modem.dialects.quectel_nb import QuectelNb
from gateway_agent.modem.dialects.quectel_qi import QuectelQi
from gateway_agent.modem.dialects.sim800 import Sim800
from gateway_agent.modem.dialects.simcom import Simcom
from gateway_agent.modem.dialects.simcom_nb import SimcomNb

_Any = type[Neul | QuectelNb | QuectelQi | Ml307 | SimcomNb | Simcom | Sim800]
_DIALECTS: dict[DialectName, _Any] = {
    "neul": Neul,
    "quectel-nb": QuectelNb,
    "quectel-qi": QuectelQi,
    "ml307": Ml307,
    "simcom-nb": SimcomNb,
    "simcom": Simcom,
    "sim800": Sim800,
}


def takes(dialect: DialectName, key: str) -> bool:
    """Whether a dialect tells the modem what `key` of LinkSettings says: `band`, `user` or `password`."""
    return key in _DIALECTS[dialect].takes


def dialect_of(at: AtEngine, data: ModemData, settings: LinkSettings) -> Dialect:
    """The dialect of a modem, speaking through `at`, which reads by its rules from now on."""
    dialect = _DIALECTS[data.modem.dialect](at, data, settings)
    at.use(dialect.rules)
    return dialect

"""The table of modems at the end of docs/modems.md, made from hardware/modems."""

from collections.abc import Iterator

from gateway_agent.modem.dialect import load_modem, modem_names

_RADIOS = {"nb-iot": "NB-IoT", "cat-1": "LTE Cat 1", "cat-m": "LTE-M, NB-IoT"}
_CAN = ("names of hosts", "release assistance")
_DIALECTS = {
    "neul": "NSOCR, NSOST",
    "quectel-nb": "QIOPEN, QISEND",
    "quectel-qi": "QIOPEN, QISEND",
    "ml307": "MIPOPEN, MIPSEND",
    "simcom-nb": "CSOC, CSOSEND",
    "simcom": "NETOPEN, CIPSEND",
    "sim800": "CIPSTART, CIPSEND",
}


def modems_table() -> str:
    """The table, one line a model."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    titles = ("`modem`", "what it is", "radio", "spoken to by", "greatest datagram", "baud", *_CAN)
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for name in modem_names():
        data = load_modem(name)
        row = (
            f"`{name}`",
            data.modem.name,
            _RADIOS[data.modem.radio],
            _DIALECTS[data.modem.dialect],
            f"{data.socket.limit_bytes} bytes",
            str(data.serial.bauds[0]),
            _yes(data.socket.takes_names),
            _yes(data.socket.release_assistance),
        )
        yield f"| {' | '.join(row)} |"


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"

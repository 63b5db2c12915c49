"""The models that can be emulated, and what differs between those of one dialect."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """`name` as in pole.toml; `dialect` names the module of `dialects`; `identity` is the answer to CGMM.

    `baud` is the rate of the UART, `finds_baud` whether it follows the host's. `boot_s`: from power key to the first
    line. `payload_limit`: the greatest datagram in bytes. `sockets`: how many. `is_nb`: the data connection comes by
    itself. `line_limit`: characters of a command line. `echoes`: echo is on after a start.
    """

    name: str
    dialect: str
    identity: str
    maker: str
    firmware: tuple[str, ...]
    baud: int
    boot_s: float
    payload_limit: int
    sockets: int
    is_nb: bool
    line_limit: int = 3000
    finds_baud: bool = False
    echoes: bool = True
    variant: str = ""


_NEUL_FIRMWARE = (
    "SECURITY,V150R100C20B300SP4",
    "PROTOCOL,V150R100C20B300SP4",
    "APPLICATION,V150R100C20B300SP4",
    "RADIO,Hi2115_RF0",
)


def _neul(name: str, identity: str) -> Model:
    return Model(name, "neul", identity, "Quectel", _NEUL_FIRMWARE, 9600, 5.0, 1358, 7, is_nb=True, echoes=False)


def _quectel_nb(name: str, identity: str, firmware: str, limit: int, variant: str) -> Model:
    return Model(
        name,
        "quectel_nb",
        identity,
        "Quectel",
        (firmware,),
        115200,
        3.0,
        limit,
        5,
        is_nb=True,
        finds_baud=True,
        variant=variant,
    )


def _cat1(
    name: str, dialect: str, identity: str, maker: str, firmware: str, boot_s: float, limit: int, sockets: int
) -> Model:
    return Model(name, dialect, identity, maker, (firmware,), 115200, boot_s, limit, sockets, is_nb=False)


MODELS = {
    model.name: model
    for model in (
        _neul("bc95", "BC95-G"),
        _neul("bc35", "BC35-G"),
        _neul("bc28", "BC28"),
        _quectel_nb("bc26", "BC26", "BC26NBR01A09", 1024, "prompt"),
        _quectel_nb("bc66", "BC66", "BC66NBR01A10", 512, "sendex"),
        _quectel_nb("bc660k", "BC660K-GL", "BC660KGLAAR01A05", 512, "inline"),
        _cat1("bg95", "quectel_qi", "BG95-M3", "Quectel", "BG95M3LAR02A04", 7.0, 1460, 12),
        _cat1("ec200", "quectel_qi", "EC200S", "Quectel", "EC200SCNAAR02A11M08", 6.0, 1460, 12),
        _cat1("ec800", "quectel_qi", "EC800M", "Quectel", "EC800MCNLCR06A03M04", 5.0, 1460, 12),
        _cat1("ml307", "ml307", "ML307A-DSLN", "CMCC", "ML307A-DSLN_V2.0.1", 4.0, 1400, 6),
        Model("sim7020", "simcom_nb", "SIM7020C", "SIMCOM", ("1752B09SIM7020C",), 115200, 4.0, 512, 5, is_nb=True),
        _cat1("sim7600", "simcom", "SIMCOM_SIM7600CE", "SIMCOM", "LE11B12SIM7600CE", 12.0, 1500, 10),
        _cat1("a7670", "simcom", "A7670C-LASS", "SIMCOM", "A011B07A7670M7", 9.0, 1500, 10),
        _cat1("air780", "sim800", "Air780E", "AirM2M", "AirM2M_780E_V1161_LTE_AT", 4.0, 1460, 6),
    )
}

"""What a `pole.toml` may say: one model per table, every key with its unit. `docs/pole-toml.md` tells it in words.

Times are given in seconds and offered in whole milliseconds as well, since that is what the agent counts in. Checks
that need more than one table stand in `crosscheck` and `pointcheck`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from gateway_agent.boards.load import DEFAULT_BOARD
from gateway_agent.config.bearers import MAX_BEARERS, BearerConfig, BearerTerms, Kind
from gateway_agent.config.lighting import LampConfig, ProgrammeConfig
from gateway_agent.config.manhole import ManholeConfig
from gateway_agent.config.names import Name, PointPath
from gateway_agent.toml_source import TomlModel
from gateway_agent.toml_spelling import Spelling

MAX_BUSES = 4
MAX_NODES = 32

GatewayName = Annotated[
    str,
    Field(max_length=32),
    Spelling(
        "[A-Za-z0-9][A-Za-z0-9._-]*",
        "a gateway's name has letters, digits, '.', '_' and '-', and begins with a letter or a digit",
        "gp-east-12",
    ),
]
PlatformUrl = Annotated[
    str,
    Spelling(
        r"coap://[^/\s]+/?",
        "the platform's address is coap://, its host, and :port where it is not 5683",
        "coap://platform.example:5683",
    ),
]
Unit = Annotated[int, Field(ge=1, le=247, examples=[1])]
DeviceUnit = Annotated[int, Field(ge=1, le=255)]  # 248 to 255 are reserved by the standard, and sold all the same
Baud = Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]
Parity = Literal["N", "E", "O"]
Seconds = Annotated[float, Field(gt=0, le=86400, examples=[60])]
Period = Annotated[float, Field(ge=0.1, le=86400, examples=[60])]
Number = int | float
OptionValue = Annotated[bool | int | float | str, Field(examples=[1])]


def milliseconds(seconds: float) -> int:
    """Seconds of the configuration in whole milliseconds."""
    return round(seconds * 1000)


class LineSettings(TomlModel):
    """How bytes travel on a line: bits per second, parity N, E or O, one or two stop bits; always eight data bits."""

    baud: Baud = 9600
    parity: Parity = "N"
    stop_bits: Literal[1, 2] = 1

    @property
    def bits_per_byte(self) -> int:
        """Bits on the wire for one byte: start, eight data, parity if any, stop."""
        return 9 + (self.parity != "N") + self.stop_bits

    @property
    def byte_s(self) -> float:
        """Seconds that one byte takes."""
        return self.bits_per_byte / self.baud

    @property
    def silence_s(self) -> float:
        """t3.5 in seconds: Modbus over Serial Line V1.02, 2.5.1.1; fixed at 1.75 ms above 19200 baud."""
        return 0.00175 if self.baud > 19200 else 3.5 * self.byte_s

    def __str__(self) -> str:
        """As technicians write it, for example `9600 8N1`."""
        return f"{self.baud} 8{self.parity}{self.stop_bits}"


class PoleTable(TomlModel):
    """`[pole]`: who this gateway is, where it stands (degrees north and east) and by which clock people live there."""

    gateway: GatewayName
    latitude: Annotated[float, Field(ge=-90, le=90, examples=[39.9042])] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180, examples=[116.4074])] | None = None
    timezone: Annotated[str, Field(min_length=1, max_length=64, examples=["Asia/Shanghai"])] | None = None


class BusConfig(LineSettings):
    """`[[buses]]`: one RS-485 line on one serial port of the gateway."""

    name: Name
    port: Annotated[str, Field(min_length=1, examples=["/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A5"])]
    rs485: Literal["auto", "rts", "gpio"] = "auto"
    gpio_line: Annotated[str, Field(examples=["GPIO17"])] | None = None
    latency_ms: Annotated[int, Field(ge=0, le=500)] = 20
    broadcast_key_file: Annotated[str, Field(min_length=1)] | None = None

    @property
    def line(self) -> LineSettings:
        """The line settings alone."""
        return LineSettings(baud=self.baud, parity=self.parity, stop_bits=self.stop_bits)


class ReportConfig(TomlModel):
    """How a point is reported; what is given here replaces the profile's `report` of that point as a whole."""

    change: Annotated[Number, Field(gt=0)] | None = None
    every_s: Seconds | None = None
    window_s: Seconds | None = None
    figures: Annotated[tuple[Literal["mean", "min", "max", "last"], ...], Field(min_length=1, strict=False)] = (
        "mean",
        "min",
        "max",
    )


class DeviceConfig(TomlModel):
    """What any device says, on a node's sensor bus or on a bus of the gateway."""

    name: Name
    profile: Annotated[str, Field(min_length=1, examples=["xy-md02"])]
    unit: DeviceUnit | None = None
    every_s: Period
    options: Annotated[Mapping[str, OptionValue], Field(examples=[{"wind_scale": -1}])] = {}
    report: Annotated[Mapping[Name, ReportConfig], Field(examples=[{"power": {"every_s": 60}}])] = {}
    serial: LineSettings | None = None

    @property
    def every_ms(self) -> int:
        """Period of this device's polls in milliseconds."""
        return milliseconds(self.every_s)


class NodeDeviceConfig(DeviceConfig):
    """`[[nodes.devices]]`: a device that a node reads."""


class BusDeviceConfig(DeviceConfig):
    """`[[devices]]`: a device that hangs on a bus of the gateway itself."""

    bus: Name
    phase_s: Annotated[float, Field(ge=0, le=86400)] = 0

    @property
    def phase_ms(self) -> int:
        """How long after a multiple of the period the poll begins, in milliseconds."""
        return milliseconds(self.phase_s)


class NodeConfig(TomlModel):
    """`[[nodes]]`: an ESP32 with our firmware, a Modbus server on a bus of the gateway."""

    name: Name
    bus: Name
    unit: Unit
    every_s: Period
    phase_s: Annotated[float, Field(ge=0, le=86400)] = 0
    events_every_s: Period = 0.5
    reply_timeout_ms: Annotated[int, Field(ge=10, le=5000)] = 200
    board: Annotated[str, Field(min_length=1)] = DEFAULT_BOARD
    key_file: Annotated[str, Field(min_length=1)] | None = None
    sensor_bus: LineSettings | None = None
    manhole: ManholeConfig | None = None
    devices: tuple[NodeDeviceConfig, ...] = Field(default=(), strict=False)

    @property
    def every_ms(self) -> int:
        """Period of reading the slots in milliseconds."""
        return milliseconds(self.every_s)

    @property
    def phase_ms(self) -> int:
        """How long after a multiple of the period the slots are read, in milliseconds."""
        return milliseconds(self.phase_s)

    @property
    def events_every_ms(self) -> int:
        """Period of looking for events in milliseconds."""
        return milliseconds(self.events_every_s)


class AlarmRule(TomlModel):
    """`[[alarms]]`: a rule of the gateway, in the point's unit. One of `above` and `below`, with a way back."""

    point: PointPath
    above: Number | None = None
    clear_below: Number | None = None
    below: Number | None = None
    clear_above: Number | None = None
    hold_s: Annotated[float, Field(ge=0, le=86400)] = 0

    @property
    def hold_ms(self) -> int:
        """How long the condition must last before the alarm is raised or cleared, in milliseconds."""
        return milliseconds(self.hold_s)


class ClockConfig(TomlModel):
    """`[clock]`: by whom the gateway knows the time."""

    trust: Literal["auto", "system", "platform"] = "auto"


class JournalConfig(TomlModel):
    """`[journal]`: the durable record on disk."""

    path: Annotated[str, Field(min_length=1, examples=["/var/lib/gatepost/journal.sqlite"])]
    commit_s: Seconds = 30
    commit_readings: Annotated[int, Field(ge=1, le=10000)] = 64
    budget_mib: Annotated[int, Field(ge=4, le=65536)] = 256
    fine_days: Annotated[int, Field(ge=0, le=3660)] = 0
    keep_acknowledged: bool = False


class UplinkConfig(BearerTerms):
    """`[uplink]`: where the platform is and how often it hears from us; with one bearer its terms stand here too."""

    url: PlatformUrl
    security: Literal["oscore", "clear"]
    identity_file: Annotated[str, Field(min_length=1, examples=["/etc/gatepost/gp-east-12.identity.toml"])] | None = (
        None
    )
    renew_keys_days: Annotated[Number, Field(gt=0, le=3650)] = 30
    format: Literal["auto", "senml", "compact-self"] = "auto"
    names: Literal["oma", "plain"] = "oma"
    bearer: Kind = "wired"
    bearers: Annotated[tuple[BearerConfig, ...], Field(max_length=MAX_BEARERS, strict=False)] = ()
    batch_s: Seconds = 900
    batch_readings: Annotated[int, Field(ge=1, le=10000)] = 4000
    backfill_kib_per_hour: Annotated[int, Field(ge=0, le=1_000_000)] = 1024

    @property
    def ways(self) -> tuple[BearerConfig, ...]:
        """The bearers, the preferred one first; where none is listed, the one that `bearer` says."""
        if self.bearers:
            return self.bearers
        terms = {key: getattr(self, key) for key in BearerTerms.model_fields}
        return (BearerConfig(name=self.bearer.replace("-", "_"), kind=self.bearer, **terms),)


class PoleConfig(TomlModel):
    """A whole pole.toml."""

    pole: PoleTable
    buses: Annotated[tuple[BusConfig, ...], Field(min_length=1, max_length=MAX_BUSES, strict=False)]
    nodes: Annotated[tuple[NodeConfig, ...], Field(max_length=MAX_NODES, strict=False)] = ()
    devices: Annotated[tuple[BusDeviceConfig, ...], Field(strict=False)] = ()
    alarms: Annotated[tuple[AlarmRule, ...], Field(strict=False)] = ()
    programmes: Annotated[tuple[ProgrammeConfig, ...], Field(max_length=32, strict=False)] = ()
    lamps: Annotated[tuple[LampConfig, ...], Field(max_length=MAX_NODES, strict=False)] = ()
    clock: ClockConfig = ClockConfig()
    journal: JournalConfig
    uplink: UplinkConfig

    def bus(self, name: str) -> BusConfig:
        """Return the bus of that name; KeyError when there is none."""
        for bus in self.buses:
            if bus.name == name:
                return bus
        raise KeyError(name)

    def node(self, name: str) -> NodeConfig:
        """Return the node of that name; KeyError when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

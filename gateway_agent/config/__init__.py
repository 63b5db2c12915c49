"""The configuration of a pole: one TOML file, checked with file, line, what is wrong and the mend."""

from gateway_agent.config.devices import Device, ProfileShelf, devices_of, line_of
from gateway_agent.config.load import advice, check_source, load_pole
from gateway_agent.config.schema import (
    AlarmRule,
    BusConfig,
    BusDeviceConfig,
    DeviceConfig,
    JournalConfig,
    LineSettings,
    NodeConfig,
    NodeDeviceConfig,
    PoleConfig,
    ReportConfig,
    UplinkConfig,
)

__all__ = [
    "AlarmRule",
    "BusConfig",
    "BusDeviceConfig",
    "Device",
    "DeviceConfig",
    "JournalConfig",
    "LineSettings",
    "NodeConfig",
    "NodeDeviceConfig",
    "PoleConfig",
    "ProfileShelf",
    "ReportConfig",
    "UplinkConfig",
    "advice",
    "check_source",
    "devices_of",
    "line_of",
    "load_pole",
]

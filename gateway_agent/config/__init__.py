"""The configuration of a pole: one TOML file, checked with file, line, what is wrong and the mend."""

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
    "DeviceConfig",
    "JournalConfig",
    "LineSettings",
    "NodeConfig",
    "NodeDeviceConfig",
    "PoleConfig",
    "ReportConfig",
    "UplinkConfig",
]

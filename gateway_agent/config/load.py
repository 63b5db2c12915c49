"""Reading a pole.toml: shape, cross checks, advice."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gateway_agent.config.boardcheck import advise_boards, check_boards
from gateway_agent.config.crosscheck import (
    check_buses,
    check_lamps,
    check_lines,
    check_names,
    check_phases,
    check_profiles,
    check_units,
)
from gateway_agent.config.devices import ProfileShelf, devices_of, line_of
from gateway_agent.config.forecast import forecast
from gateway_agent.config.keycheck import check_keys, key_files
from gateway_agent.config.lampcheck import check_lamp_nodes, check_place, check_programmes
from gateway_agent.config.pointcheck import check_alarms, check_node_periods, check_reports
from gateway_agent.config.schema import PoleConfig
from gateway_agent.config.sensorcheck import check_manholes, check_own_points, check_serial_sensors
from gateway_agent.config.uplinkcheck import advise_uplink, check_uplink
from gateway_agent.errors import GatepostError
from gateway_agent.node_keys import is_open_to_others
from gateway_agent.toml_source import Finding, Problem, TomlSource, load_toml, validate

_UNSTABLE_PORTS = ("/dev/ttyUSB", "/dev/ttyACM")
_FASTEST_GPIO_BAUD = 19200
_HIGH_LOAD = 0.7
_LESS_LOAD = "ask less often (every_s, events_every_s), raise the baud rate, or share the load between two buses"


def check_load(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """What is to be asked on a bus fits into the time."""
    try:
        forecasts = forecast(pole, shelf)
    except (GatepostError, KeyError):
        return  # another check tells what keeps it from being forecast
    for index, bus in enumerate(forecasts):
        if bus.load > 1:
            what = f"bus {bus.name} would need {bus.load:.0%} of its time for what is to be asked"
            yield Finding(("buses", index, "baud"), what, _LESS_LOAD)


_CHECKS = (
    check_names,
    check_buses,
    check_phases,
    check_node_periods,
    check_keys,
    check_place,
    check_programmes,
    check_uplink,
)
_CHECKS_WITH_PROFILES = (
    check_profiles,
    check_units,
    check_lines,
    check_lamps,
    check_lamp_nodes,
    check_boards,
    check_reports,
    check_alarms,
    check_serial_sensors,
    check_own_points,
    check_manholes,
    check_load,
)


def load_pole(path: Path | str) -> PoleConfig:
    """The checked configuration of a pole. Raises ConfigError with every problem found, each with its line.

    Paths of profiles, keys and the journal that are not absolute are taken from the folder of the file.
    """
    return check_source(load_toml(path))


def check_source(source: TomlSource) -> PoleConfig:
    """The checked configuration out of a source. Raises ConfigError."""
    shelf = ProfileShelf()
    with_profiles = [partial(check, shelf=shelf) for check in _CHECKS_WITH_PROFILES]
    source = replace(source, data=_with_paths(source.data, source.path.parent))
    return validate(PoleConfig, source, [*_CHECKS, *with_profiles])


def advice(pole: PoleConfig, source: TomlSource) -> list[Problem]:
    """What is allowed but unwise, each with its line and the mend."""
    return [source.problem(finding) for finding in _unwise(pole)]


def _unwise(pole: PoleConfig) -> Iterator[Finding]:
    for index, bus in enumerate(pole.buses):
        if bus.port.startswith(_UNSTABLE_PORTS):
            what = f"bus {bus.name}: {bus.port} may become another adapter's name when one is plugged in"
            yield Finding(("buses", index, "port"), what, "use its name in /dev/serial/by-id (or by-path)")
        if bus.rs485 == "gpio" and bus.baud > _FASTEST_GPIO_BAUD:
            what = f"bus {bus.name}: direction by GPIO at {bus.baud} baud may cut off quick answers"
            yield Finding(("buses", index, "baud"), what, f"use {_FASTEST_GPIO_BAUD} baud or less, or rs485 = rts")
    for index, bearer in enumerate(pole.uplink.bearers):
        if bearer.port is not None and bearer.port.startswith(_UNSTABLE_PORTS):
            what = f"bearer {bearer.name}: {bearer.port} may become another adapter's name when one is plugged in"
            yield Finding(("uplink", "bearers", index, "port"), what, "give it a name by udev (docs/modems.md)")
    for index, one in enumerate(forecast(pole)):
        if one.load > _HIGH_LOAD:
            what = f"bus {one.name} will be busy {one.load:.0%} of the time, without waiting and repeating"
            yield Finding(("buses", index, "baud"), what, _LESS_LOAD)
    yield from advise_boards(pole)
    yield from advise_uplink(pole)
    for loc, key_file in key_files(pole):
        if is_open_to_others(key_file):
            yield Finding(loc, f"other users of this computer may read the key in {key_file}", "chmod 600 it")
    places = {device.name: place for place, device in enumerate(pole.devices)}
    for device in devices_of(pole):
        if device.bus is None:
            continue
        place = ("devices", places[device.name])
        own = line_of(device.config, device.profile, device.bus.line)
        if own != device.bus.line:
            what = f"{device.name} talks at {own}, bus {device.bus.name} at {device.bus.line}"
            mend = "set the device to the bus's settings: each change of settings costs about 40 ms of the bus"
            yield Finding(place, what, mend)
        if device.profile.lamp is not None:
            what = f"{device.name} is a lamp without a node"
            yield Finding(place, what, "commands reach lamps on nodes only; here it can be read")


def _with_paths(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The parsed file with paths made absolute; anything of a wrong shape is left for the validation to tell."""
    whole = dict(data)
    for key in ("buses", "nodes", "devices"):
        if isinstance(whole.get(key), list):
            whole[key] = [_table_with_paths(table, folder) for table in whole[key]]
    journal = whole.get("journal")
    if isinstance(journal, dict) and isinstance(journal.get("path"), str):
        whole["journal"] = {**journal, "path": str(folder / journal["path"])}
    uplink = whole.get("uplink")
    if isinstance(uplink, dict) and isinstance(uplink.get("identity_file"), str):
        whole["uplink"] = {**uplink, "identity_file": str(folder / uplink["identity_file"])}
    return whole


def _table_with_paths(table: Any, folder: Path) -> Any:
    if not isinstance(table, dict):
        return table
    table = dict(table)
    profile = table.get("profile")
    if isinstance(profile, str) and profile.endswith(".toml"):
        table["profile"] = str(folder / profile)
    for key in ("key_file", "broadcast_key_file"):
        if isinstance(table.get(key), str):
            table[key] = str(folder / table[key])
    if isinstance(table.get("devices"), list):
        table["devices"] = [_table_with_paths(device, folder) for device in table["devices"]]
    return table

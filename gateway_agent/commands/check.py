"""`gatepost check`: what a pole.toml says, or what is wrong with it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway_agent.commands.check_bytes import bytes_a_day, tell_forecast
from gateway_agent.config import PoleConfig, advice, check_source, devices_of
from gateway_agent.config.forecast import BusForecast, forecast
from gateway_agent.errors import GatepostError
from gateway_agent.provision import digest, node_table
from gateway_agent.toml_source import ConfigError, Problem, load_toml


def command(
    pole: Annotated[Path, typer.Argument(help="The configuration to check.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a pole.toml and tell what the pole will do, or each problem with file, line and mend.

    Exit code 0 when it can be used, 1 when it cannot.

    Example: gatepost check pole.toml
    """
    try:
        source = load_toml(pole)
        checked = check_source(source)
        unwise = advice(checked, source)
        summary = summary_of(checked)
    except ConfigError as error:
        _tell_problems(error.problems, as_json)
        raise typer.Exit(1) from error
    except GatepostError as error:
        _tell_problems([Problem(str(pole), None, str(error), "mend the configuration")], as_json)
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps({"ok": True, "problems": [], "advice": [asdict(one) for one in unwise], **summary}))
        return
    for line in _sentences(summary):
        print(line)
    tell_forecast(checked)
    for one in unwise:
        print(f"advice: {one}")


def summary_of(pole: PoleConfig) -> dict[str, Any]:
    """What the pole will do, ready for JSON. Raises ProvisionError when a node's table cannot be made."""
    devices = list(devices_of(pole))
    return {
        "gateway": pole.pole.gateway,
        "points": sum(len(device.profile.points) for device in devices),
        "devices": len(devices),
        "nodes": [
            {
                "name": node.name,
                "devices": len(node.devices),
                "points": sum(len(device.profile.points) for device in devices if device.node is node),
                "table": f"{digest(node_table(pole, node.name)):08x}",
            }
            for node in pole.nodes
        ],
        "buses": [_bus(one) for one in forecast(pole)],
        "alarm_rules": len(pole.alarms),
        "uplink": pole.uplink.url,
        "security": pole.uplink.security,
        "bytes_a_day": bytes_a_day(pole),
        "plan_bytes": pole.uplink.ways[0].plan_bytes,
    }


def _bus(one: BusForecast) -> dict[str, Any]:
    return {
        "name": one.name,
        "port": one.port,
        "line": one.line,
        "load": round(one.load, 4),
        "requests_per_s": round(one.requests_per_s, 2),
    }


def _sentences(summary: dict[str, Any]) -> list[str]:
    lines = [
        f"{summary['gateway']}: {summary['points']} points of {summary['devices']} devices, "
        f"{len(summary['nodes'])} nodes, {summary['alarm_rules']} alarm rules"
    ]
    for bus in summary["buses"]:
        lines.append(
            f"bus {bus['name']} ({bus['port']}, {bus['line']}): {bus['requests_per_s']:g} requests a second, "
            f"busy {bus['load']:.1%} of the time"
        )
    for node in summary["nodes"]:
        lines.append(
            f"node {node['name']}: {node['points']} points of {node['devices']} devices, table {node['table']}"
        )
    lines.append(f"uplink {summary['uplink']}, security {summary['security']}")
    return lines


def _tell_problems(problems: list[Problem], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"ok": False, "problems": [asdict(problem) for problem in problems]}))
    else:
        for problem in problems:
            print(problem)

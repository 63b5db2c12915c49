"""The systemd unit starts a command that exists, again and again."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "gatepost.service"


def read_unit() -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            sections[section] = {}
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            sections[section].setdefault(key, []).append(value)
    return sections


def test_the_service_runs_a_command_of_the_package_at_boot_and_whenever_it_ends():
    unit = read_unit()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (start,) = unit["Service"]["ExecStart"]
    program, command, configuration, *_ = start.split()
    assert Path(program).is_absolute()
    assert Path(program).name in project["scripts"]
    assert command in project["entry-points"]["gatepost.commands"]
    assert configuration == "/etc/gatepost/pole.toml"
    assert unit["Service"]["Restart"] == ["always"]
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert unit["Install"]["WantedBy"] == ["multi-user.target"]


def test_the_service_can_reach_every_kind_of_serial_port_and_little_else():
    service = read_unit()["Service"]
    kinds = {"ttyUSB", "ttyACM", "ttyAMA", "ttyS"}
    assert {f"char-{kind} rw" for kind in kinds} <= set(service["DeviceAllow"])
    assert service["DevicePolicy"] == ["closed"]
    assert service["ProtectSystem"] == ["strict"]
    assert service["NoNewPrivileges"] == ["yes"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this computer")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/gatepost/bin/gatepost", sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")

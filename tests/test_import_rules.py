"""The folders import one way only."""

from pathlib import Path

import pytest

from tests.import_rules import find_violations

ROOT = Path(__file__).resolve().parent.parent


def test_the_folders_import_one_way_only():
    assert find_violations(ROOT) == []


@pytest.mark.parametrize(
    ("file", "source", "reason"),
    [
        ("protocols/rtu.py", "import gateway_agent.clock", "protocols imports nothing of ours"),
        ("protocols/rtu.py", "from typing import Any", "it does not run on both interpreters"),
        ("protocols/rtu.py", "from micropython import const", "catch its ImportError"),
        ("protocols/rtu.py", "def late():\n    import hardware.rig", "protocols imports nothing of ours"),
        ("firmware/node/lamp.py", "from machine import Pin", "only firmware/node/board.py may"),
        ("firmware/node/lamp.py", "import dataclasses", "only protocols and what MicroPython has"),
        ("firmware/main.py", "from gateway_agent import clock", "only protocols and what MicroPython has"),
        ("gateway_agent/collect/bus.py", "from hardware.rig import bus", "imports none of it"),
        ("gateway_agent/agent.py", "import importlib\nimportlib.import_module('hardware.rig')", "imports none of it"),
        ("gateway_agent/agent.py", "import firmware.node.board", "nobody imports firmware"),
        ("gateway_agent/agent.py", "from machine import Pin", "only firmware/node/board.py may"),
        ("hardware/rig/demo.py", "from node import board", "nobody imports firmware"),
        ("hardware/flash/session.py", "import esptool", "run it as a program"),
        ("hardware/rig/demo.py", "from tests import groups", "nobody imports tests"),
    ],
)
def test_a_planted_violation_is_caught(tmp_path, file, source, reason):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    (violation,) = find_violations(tmp_path)
    assert violation.startswith(f"{file}:{source.count(chr(10)) + 1}: ")
    assert reason in violation


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("protocols/rtu.py", "import struct\nfrom protocols import crc\nfrom . import modbus"),
        ("protocols/rtu.py", "try:\n    from micropython import const\nexcept ImportError:\n    const = int"),
        ("firmware/node/board.py", "import machine, esp32, network, asyncio"),
        ("firmware/node/server.py", "from node import board\nfrom protocols import rtu\nimport time"),
        ("gateway_agent/profiles/load.py", "from importlib.resources import files\nfiles('hardware')"),
        ("hardware/rig/demo.py", "from gateway_agent import agent\nfrom protocols import rtu"),
        ("hardware/rig/machine/shims/boot.py", "import machine"),
    ],
)
def test_what_the_rules_allow_is_let_through(tmp_path, file, source):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert find_violations(tmp_path) == []

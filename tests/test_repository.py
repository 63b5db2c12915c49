"""What a stranger who clones the repository relies on: locked versions, explained dependencies, a true help page."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
MACHINE = ROOT / "hardware" / "rig" / "machine"
ADDRESS = re.compile(r"https?://|(?:file|git\+ssh)://|index-url|find-links")


def locked_versions(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE))


def load_installer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "requirements" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_registry_and_has_hashes_for_every_package(lock):
    text = lock.read_text(encoding="utf-8")
    assert not ADDRESS.search(text)
    packages = text.replace("\\\n", " ").strip().splitlines()
    assert packages
    for package in packages:
        assert re.match(r"[A-Za-z0-9_.-]+==\S+", package), package
        assert "--hash=sha256:" in package, package


def test_the_lock_of_the_micropython_machine_names_no_registry_and_has_hashes():
    lock = json.loads((MACHINE / "package-lock.json").read_text(encoding="utf-8"))
    installed = {name: package for name, package in lock["packages"].items() if name}
    assert installed
    for name, package in installed.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name
        assert package["license"] == "MIT", name


def test_a_gateway_gets_the_very_versions_that_were_tested():
    runtime, tested = locked_versions("runtime"), locked_versions("dev")
    assert runtime
    assert {name: tested.get(name) for name in runtime} == runtime


def test_each_dependency_names_its_licence_and_its_reason():
    listed = 0
    inside = False
    for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines():
        if re.match(r"(dependencies|rig|flash|bundle|dev|node|stubs) = \[", line):
            inside = True
        elif line == "]":
            inside = False
        elif inside:
            assert re.match(r'    "[A-Za-z0-9_.-]+[=<>][^"]*",\s+# [A-Za-z0-9 .,-]+: .{10,}', line), line
            assert "GPL" not in line or re.search(r'"esptool==.* run as a program', line), line
            listed += 1
    assert listed >= 10


def test_make_help_lists_every_target():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
    assert set(phony.split()) == targets
    assert {line.split()[1] for line in shown.splitlines()} == targets


def test_a_second_setup_installs_nothing_and_a_changed_lock_only_its_own_part(tmp_path, monkeypatch):
    installer = load_installer()
    done: list[str] = []
    for name in ("VENV", "STATE", "VENV_PYTHON", "LOCKS", "MACHINE", "ROOT"):
        monkeypatch.setattr(installer, name, tmp_path / getattr(installer, name).relative_to(ROOT))
    for name in ("install_packages", "install_project", "install_stubs", "install_machine"):
        monkeypatch.setattr(installer, name, lambda name=name: done.append(name))

    def make_venv() -> None:
        done.append("make_venv")
        installer.VENV_PYTHON.parent.mkdir(parents=True)
        installer.VENV_PYTHON.touch()

    monkeypatch.setattr(installer, "make_venv", make_venv)
    monkeypatch.setattr(installer, "node_is_there", lambda: True)
    for folder in (installer.LOCKS, installer.MACHINE):
        folder.mkdir(parents=True)
    for path in (installer.LOCKS / "dev.lock", installer.LOCKS / "stubs.lock", installer.ROOT / "pyproject.toml"):
        path.write_text("one")
    (installer.MACHINE / "package-lock.json").write_text("one")

    installer.set_up()
    assert done == ["make_venv", "install_packages", "install_project", "install_stubs", "install_machine"]
    installer.set_up()
    assert len(done) == 5
    (installer.LOCKS / "dev.lock").write_text("two")
    installer.set_up()
    assert done[5:] == ["install_packages"]
    monkeypatch.setattr(installer, "node_is_there", lambda: False)
    installer.set_up()
    assert done[6:] == ["install_machine"]


def test_an_old_python_is_told_so_in_two_lines(monkeypatch, capsys):
    installer = load_installer()
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    assert installer.main() == 1
    told = capsys.readouterr().err
    assert "needs Python 3.11 or newer" in told
    assert "make PYTHON=" in told


def test_make_without_any_python_says_what_it_needs():
    done = subprocess.run(
        ["make", "setup", "PYTHON=python-that-is-not-there"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "python-that-is-not-there was not found; gatepost needs Python 3.11 or newer" in done.stderr


def test_the_firmware_types_know_the_esp32_and_catch_a_wrong_uart_argument(tmp_path):
    stubs = ROOT / ".venv" / "esp32-stubs"
    if not stubs.is_dir():
        pytest.skip("the ESP32 stubs come with `make setup`")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "esp32-stubs").symlink_to(stubs)
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    (firmware / "mypy.ini").write_text((ROOT / "firmware" / "mypy.ini").read_text(encoding="utf-8"))
    (firmware / "right.py").write_text("from machine import UART\n\nUART(1, baudrate=9600, tx=17, rx=16)\n")
    (firmware / "wrong.py").write_text('from machine import UART\n\nUART(1, baudrate="9600")\n')
    (firmware / "absent.py").write_text("import dataclasses\n")
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "."]
    environment = {key: value for key, value in os.environ.items() if key != "MYPYPATH"}
    done = subprocess.run(
        command, cwd=firmware, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert done.returncode == 1
    assert [error.partition(":")[0] for error in errors] == ["absent.py", "wrong.py"], done.stdout
    assert 'No overload variant of "UART"' in errors[1]

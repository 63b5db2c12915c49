"""A work order held against its poles, and the keys that are made for them."""

import os
import stat

import pytest

from gateway_agent.node_keys import read_key
from gateway_agent.profiles.load import profile_directory
from hardware.kit.planning import make_plan, read_keys
from hardware.kit.pole_shelf import make_keys
from hardware.kit.problems import KitProblems
from hardware.kit.sealed_file import SealedFileError
from hardware.kit.work_order import read_work_order
from tests.hardware.kit.desk import lay_desk, pole_text

HEAD = "terminal,pole,node,board,settings\n"


def plan_of(folder, *, must_guard=False, **desk):
    work_order = read_work_order(lay_desk(folder, **desk))
    return make_plan(work_order, folder, must_guard, lambda done, total: None)


def problems_of(folder, lines, **desk) -> list[str]:
    with pytest.raises(KitProblems) as caught:
        plan_of(folder, work_order=HEAD + lines, **desk)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_an_order_tells_what_the_pole_says_of_its_node(tmp_path):
    plan = plan_of(tmp_path)
    lamp, manhole, other = (one.order for one in plan.orders)
    assert (lamp.gateway, lamp.node, lamp.unit, lamp.bus_line) == ("gp-east-12", "lamp_node", 17, "19200 8N1")
    assert [(one.name, one.unit) for one in manhole.devices] == [("cover", None), ("well", 9), ("gas", 1)]
    assert other.gateway == "gp-east-13"
    assert lamp.table != manhole.table
    assert plan.boards == ("esp32-devkitc",)
    assert set(plan.profiles) == {
        "ecodim-dali-gw2",
        "peacefair-pzem-016",
        "renke-rs-fsxcs",
        "generic-door-switch",
        "qdy30a",
        "4mz-hh4",
    }
    assert plan.notes == (f"{tmp_path}/east-13.toml: no line orders manhole_node",)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("A-1,east-14,lamp_node,,", "pole east-14: there is no such file; check the path, or write the file first"),
        ("A-1,east-12,lamp,,", "east-12 has no node lamp; did you mean lamp_node?"),
        ("A-1,east-12,xyz,,", "east-12 has no node xyz; its nodes are: lamp_node, manhole_node"),
        ("A-1,east-12,,,", "no node is named, and east-12 has 2; write one of them: lamp_node, manhole_node"),
        ("A-1,east-12,lamp_node,esp32-devkit,", "the line says board esp32-devkit, but lamp_node is a esp32-devkitc"),
        ("A-1,east-12,lamp_node,kc868-a16,", "the line says board kc868-a16, but lamp_node is a esp32-devkitc"),
        ("A-1,east-12,lamp_node,,unit=18", "settings say unit=18, but lamp_node has unit=17 in east-12; mend"),
        ("A-1,east-12,lamp_node,,baud=4800", "settings say baud=4800, but lamp_node has baud=9600 in east-12; mend"),
        ("A-1,east-12,lamp_node,,guard=no", "settings say guard=no, but east-12 names a key file for lamp_node"),
        ("A-1,east-12,lamp_node,,guard=maybe", "settings say guard=maybe; write guard=yes or guard=no"),
    ],
)
def test_a_line_that_the_poles_contradict_is_told_with_its_number_and_the_mend(tmp_path, lines, told):
    (problem,) = problems_of(tmp_path, lines + "\n")
    assert problem.startswith(f"monday.csv:2: {told}")


def test_a_node_that_is_ordered_twice_is_told_whatever_the_pole_is_called(tmp_path):
    lines = "A-1,east-12,lamp_node,,\nA-2,./east-12.toml,lamp_node,,\n"
    assert problems_of(tmp_path, lines) == [
        "monday.csv:3: lamp_node of ./east-12.toml is ordered on line 2 already; each node has one terminal: mend one "
        "of them"
    ]


def test_a_mistake_within_a_pole_is_told_with_its_own_line_once_for_all_orders(tmp_path):
    work_order = lay_desk(tmp_path, work_order=HEAD + "A-1,east-12,lamp_node,,\nA-2,east-12,manhole_node,,\n")
    pole = tmp_path / "east-12.toml"
    text = pole.read_text().replace("unit = 18", 'unit = "18"')
    pole.write_text(text)
    line = text[: text.index('unit = "18"')].count("\n") + 1
    with pytest.raises(KitProblems) as caught:
        make_plan(read_work_order(work_order), tmp_path, False, lambda done, total: None)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(pole), line)


def test_two_files_of_one_pole_are_told(tmp_path):
    work_order = lay_desk(tmp_path, work_order=HEAD + "A-1,east-12,lamp_node,,\nA-2,east-13,lamp_node,,\n")
    (tmp_path / "east-13.toml").write_text(pole_text("gp-east-12"))
    with pytest.raises(KitProblems, match=r"east-13\.toml:\d+: gateway gp-east-12 is also that of .*east-12\.toml"):
        make_plan(read_work_order(work_order), tmp_path, False, lambda done, total: None)


@pytest.mark.parametrize(
    ("settings", "must_guard", "why"),
    [("guard=yes", False, "the line wants guard"), ("", True, "--guard wants a key for every node")],
)
def test_guard_that_is_wanted_without_a_key_file_is_told_with_the_line_to_add(tmp_path, settings, must_guard, why):
    order = HEAD + f"A-1,east-12,lamp_node,,{settings}\n"
    with pytest.raises(KitProblems) as caught:
        plan_of(tmp_path, with_keys=False, must_guard=must_guard, work_order=order)
    assert str(caught.value).endswith(
        f"monday.csv:2: {why}, but east-12 names no key file for lamp_node; "
        'add key_file = "keys/lamp_node.key" to the node lamp_node; the key is made for you'
    )


def test_a_node_without_a_key_on_a_bus_that_has_one_is_told(tmp_path):
    work_order = lay_desk(tmp_path, work_order=HEAD + "A-1,east-12,lamp_node,,\n")
    pole = tmp_path / "east-12.toml"
    pole.write_text(pole.read_text().replace('key_file = "keys/gp-east-12-lamp_node.key"\n', "", 1))
    with pytest.raises(KitProblems, match="bus pole has a broadcast_key_file, but east-12 names no key file"):
        make_plan(read_work_order(work_order), tmp_path, False, lambda done, total: None)


def test_nodes_with_keys_on_a_bus_without_one_are_noted(tmp_path):
    work_order = lay_desk(tmp_path, work_order=HEAD + "A-1,east-12,lamp_node,,\n")
    pole = tmp_path / "east-12.toml"
    pole.write_text(pole.read_text().replace('broadcast_key_file = "keys/gp-east-12.key"\n', "", 1))
    plan = make_plan(read_work_order(work_order), tmp_path, False, lambda done, total: None)
    assert "bus pole names no broadcast_key_file" in plan.notes[-1]


def test_missing_keys_are_made_for_their_owner_alone_and_each_order_gets_its_own(tmp_path):
    plan = plan_of(tmp_path)
    made = list(make_keys(plan.missing_keys))
    assert sorted(path.name for path in made) == [
        "gp-east-12-lamp_node.key",
        "gp-east-12-manhole_node.key",
        "gp-east-12.key",
        "gp-east-13-lamp_node.key",
        "gp-east-13-manhole_node.key",
        "gp-east-13.key",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    assert len({read_key(path) for path in made}) == 6
    assert sorted(os.listdir(tmp_path / "keys")) == sorted(path.name for path in made)
    keys = read_keys(plan)
    assert keys["A-1"].node == read_key(tmp_path / "keys/gp-east-12-lamp_node.key")
    assert keys["A-1"].broadcast == keys["A-2"].broadcast == read_key(tmp_path / "keys/gp-east-12.key")
    assert keys["A-1"].broadcast != keys["A-3"].broadcast


def test_a_key_that_is_there_is_never_written_over(tmp_path):
    plan = plan_of(tmp_path)
    paths = plan.missing_keys
    list(make_keys(paths))
    before = [path.read_bytes() for path in paths]
    assert list(make_keys(paths)) == []
    assert [path.read_bytes() for path in paths] == before


def test_keys_that_others_may_read_are_noted(tmp_path):
    key = tmp_path / "keys/gp-east-12.key"
    key.parent.mkdir()
    key.write_text("0" * 64)
    key.chmod(0o644)
    assert plan_of(tmp_path).notes[-1] == f"other users of this computer may read the key in {key}: chmod 600 it"


def test_a_key_file_that_is_no_key_is_told_and_left_as_it_is(tmp_path):
    plan = plan_of(tmp_path)
    (tmp_path / "keys").mkdir()
    bad = tmp_path / "keys/gp-east-12-lamp_node.key"
    bad.write_text("hello\n")
    list(make_keys(plan.missing_keys))
    with pytest.raises(KitProblems, match="is no key file; it holds 64 hexadecimal digits"):
        read_keys(plan)
    assert bad.read_text() == "hello\n"


def test_a_key_in_two_poles_is_told(tmp_path):
    plan = plan_of(tmp_path)
    list(make_keys(plan.missing_keys))
    copy = tmp_path / "keys/gp-east-13-lamp_node.key"
    copy.write_bytes((tmp_path / "keys/gp-east-12-lamp_node.key").read_bytes())
    with pytest.raises(KitProblems, match=r"is also one of .*east-12\.toml; give each pole keys of its own"):
        read_keys(plan)


def test_a_folder_in_which_no_key_can_be_made_is_told(tmp_path):
    plan = plan_of(tmp_path)
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(SealedFileError, match="cannot be made"):
        list(make_keys(plan.missing_keys))


def test_two_profiles_of_one_name_are_both_packed(tmp_path):
    work_order = lay_desk(tmp_path, work_order=HEAD + "A-1,east-12,manhole_node,,\nA-2,east-13,manhole_node,,\n")
    text = (profile_directory() / "qdy30a.toml").read_text()
    for number in (12, 13):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "well.toml").write_text(text.replace("QDY30A", f"QDY30A-{number}"))
        pole = tmp_path / f"east-{number}.toml"
        pole.write_text(pole.read_text().replace('"qdy30a"', f'"{number}/well.toml"'))
    plan = make_plan(read_work_order(work_order), tmp_path, False, lambda done, total: None)
    assert [one.order.devices[1].profile for one in plan.orders] == ["well", "well-2"]
    assert "QDY30A-13" in plan.profiles["well-2"]

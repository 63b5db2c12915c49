"""`gatepost kit` as its users meet it: from a work order to a kit, to results, to the tally."""

import csv
import json
import shutil

import pytest
from typer.testing import CliRunner

from gateway_agent.errors import GatepostError
from hardware.kit.command import app
from hardware.kit.kit_file import open_kit
from hardware.kit.results_lines import Record, append_record
from hardware.rig.esp32.stand_in_image import stand_in_image
from tests.hardware.kit.desk import PASSWORD, WORK_ORDER, lay_desk

VARIABLE = "GATEPOST_KIT_PASSWORD"


def run(*words, password=None, code=0):
    """What the command printed; a GatepostError is raised as the command line would tell it."""
    environment = {VARIABLE: password, "COLUMNS": "200"}
    done = CliRunner().invoke(app, [str(word) for word in words], env=environment)
    if isinstance(done.exception, GatepostError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with a kit that was made in it."""
    folder = tmp_path_factory.mktemp("desk")
    work_order = lay_desk(folder)
    (folder / "micropython.bin").write_bytes(stand_in_image())
    told = run("make", work_order, "--firmware", folder / "micropython.bin", "--trust", "--json", password=PASSWORD)
    return folder, json.loads(told)


@pytest.fixture
def kit(desk, tmp_path):
    """A copy of that kit in a folder of its own."""
    return shutil.copy(desk[0] / "monday.gpkit", tmp_path / "monday.gpkit")


def test_make_tells_what_is_in_the_kit_and_which_keys_it_made(desk):
    folder, told = desk
    assert (told["order_count"], told["guarded"], told["locked"]) == (3, 3, False)
    assert list(told["firmware"]) == ["esp32-devkitc"]
    assert told["images"][0]["known"] is False
    assert len(told["keys_made"]) == 6
    assert "password" not in told
    kit = open_kit(folder / "monday.gpkit", PASSWORD)
    assert kit.node_order("A-3").node_key is not None
    assert "slot_a/manifest.bin" in kit.application("esp32-devkitc").files
    assert kit.contents.work_order.decode() == WORK_ORDER


def test_make_never_writes_over_a_kit_unless_told(desk):
    folder, _ = desk
    with pytest.raises(GatepostError, match="is there already; name another file with --out, or add --replace"):
        run("make", folder / "monday.csv", "--firmware", folder / "micropython.bin")


def test_make_with_a_weak_password_makes_nothing(tmp_path):
    work_order = lay_desk(tmp_path)
    (tmp_path / "micropython.bin").write_bytes(stand_in_image())
    with pytest.raises(GatepostError, match="too weak: it has 5 characters"):
        run("make", work_order, "--firmware", tmp_path / "micropython.bin", "--trust", password="weak!")
    assert not (tmp_path / "keys").exists()
    assert not (tmp_path / "monday.gpkit").exists()


def test_make_without_keys_asks_for_no_password_and_makes_the_same_bytes_again(tmp_path):
    work_order = lay_desk(tmp_path, with_keys=False, work_order="terminal,pole,node\nA-1,east-12,lamp_node\n")
    (tmp_path / "micropython.bin").write_bytes(stand_in_image())
    for name in ("one", "two"):
        out = tmp_path / f"{name}.gpkit"
        told = run("make", work_order, "--firmware", tmp_path / "micropython.bin", "--trust", "--out", out)
        assert "none: what comes over the pole bus will not be guarded" in told
    assert (tmp_path / "one.gpkit").read_bytes() == (tmp_path / "two.gpkit").read_bytes()


def test_make_tells_programs_what_is_wrong_as_an_object(tmp_path):
    work_order = lay_desk(tmp_path, work_order="terminal,pole,node\nA-1,east-12,nobody\n")
    told = json.loads(run("make", work_order, "--firmware", tmp_path, "--json", code=1))
    assert told["ok"] is False
    assert [(one["line"], one["what"]) for one in told["problems"]] == [(2, "east-12 has no node nobody")]


def test_show_tells_what_is_to_be_done_without_the_password(kit):
    told = run("show", kit)
    assert "A-1" in told
    assert "3 of 3 nodes, locked by a password" in told
    assert "3 orders: 0 done, 0 failed, 3 open" in told


def test_show_takes_the_results_beside_the_kit(kit):
    kit_id = open_kit(kit, None).kit_id
    append_record(kit.with_suffix(".gpresults"), Record("A-2", "done", kit_id, "aa:bb"))
    told = json.loads(run("show", kit, "--json"))
    assert [one["state"] for one in told["orders"]] == ["open", "done", "open"]


def test_show_tells_all_of_one_order_and_names_what_is_there_for_another(kit):
    told = run("show", kit, "--terminal", "A-1")
    assert "mast arm, 6 m" in told
    assert "Renke RS-FSXCS-N01" in told
    with pytest.raises(GatepostError, match="no order for A-9; gatepost kit show lists what it has"):
        run("show", kit, "--terminal", "A-9")


def test_show_opens_the_keys_with_the_password_and_tells_a_wrong_one(kit):
    assert "3 of 3 nodes, open" in run("show", kit, password=PASSWORD)
    with pytest.raises(GatepostError, match="not the password"):
        run("show", kit, password="another-one-99")


def test_show_writes_the_profiles_of_the_devices(kit, tmp_path):
    run("show", kit, "--profiles", tmp_path / "profiles")
    assert "RS-FSXCS" in (tmp_path / "profiles/renke-rs-fsxcs.toml").read_text()


def test_results_of_several_technicians_become_one_table(kit, tmp_path):
    kit_id = open_kit(kit, None).kit_id
    for name, record in (
        ("ann", Record("A-1", "done", kit_id, "aa:01", at="2026-11-28T08:00:00Z")),
        ("bob", Record("A-2", "failed", kit_id, None, None, "silent", "no answer", "hold BOOT")),
        ("bob", Record("A-3", "done", "feed", "aa:03")),
    ):
        append_record(tmp_path / f"{name}.gpresults", record)
    files = [tmp_path / "ann.gpresults", tmp_path / "bob.gpresults"]
    told = run("results", kit, *files, "--csv", tmp_path / "done.csv", code=1)
    assert "3 orders: 1 done, 1 failed, 1 open" in told
    assert "not counted  from kit feed (an earlier one of the same orders? --also feed counts it): A-3" in told
    assert "3 orders: 2 done, 1 failed, 0 open" in run("results", kit, *files, "--also", "feed", code=1)
    with (tmp_path / "done.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["terminal"], row["state"], row["mac"], row["reason"]) for row in rows] == [
        ("A-1", "done", "aa:01", ""),
        ("A-2", "failed", "", "no answer; hold BOOT"),
        ("A-3", "open", "", ""),
    ]
    assert json.loads(run("results", kit, *files, "--json", code=1))["done"] == 1


def test_results_end_well_when_all_is_done(kit, tmp_path):
    kit_id = open_kit(kit, None).kit_id
    for terminal in ("A-1", "A-2", "A-3"):
        append_record(tmp_path / "all.gpresults", Record(terminal, "done", kit_id, f"aa:{terminal}"))
    assert "3 orders: 3 done, 0 failed, 0 open" in run("results", kit, tmp_path / "all.gpresults")

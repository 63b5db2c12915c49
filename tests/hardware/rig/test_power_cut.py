"""The machine's flash when the power is cut at a named operation."""

import asyncio
from pathlib import Path

from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine

PROGRAM = """
import os
with open("new.bin", "wb") as file:
    file.write(b"new")
    file.write(b"er")
os.mkdir("folder")
os.rename("new.bin", "folder/old.bin")
with open("folder/old.bin", "ab") as file:
    file.write(b"!")
os.remove("folder/old.bin")
os.rmdir("folder")
print("done")
"""
KINDS = ["open", "write", "write", "close", "mkdir", "rename", "open", "write", "close", "unlink", "rmdir"]


def state_of(folder: Path) -> dict[str, bytes | None]:
    """Every file (content) and folder (None) but the program."""
    found = {str(item.relative_to(folder)): item.read_bytes() if item.is_file() else None for item in folder.rglob("*")}
    return {name: content for name, content in found.items() if name != "main.py"}


def run_cut(folder: Path, number: int, after: bool, *, twice: bool = False) -> NodeMachine:
    """Run the program on an empty flash with a cut at operation `number`."""
    folder.mkdir()
    (folder / "main.py").write_text(PROGRAM)
    kept: list[NodeMachine] = []

    async def main(clock: RigClock) -> None:
        machine = await NodeMachine.start("node", folder, clock=clock)
        machine.records_flash = True
        machine.cut_at_operation(number, after=after)
        await machine.power_on()
        await asyncio.sleep(0.1)
        if twice:
            await machine.power_on()
        await machine.stop()
        kept.append(machine)

    run_virtual(main)
    return kept[0]


EMPTY: dict[str, bytes | None] = {}
STATES = [
    EMPTY,
    {"new.bin": b""},
    {"new.bin": b""},
    {"new.bin": b""},
    {"new.bin": b"newer"},
    {"new.bin": b"newer", "folder": None},
    {"folder": None, "folder/old.bin": b"newer"},
    {"folder": None, "folder/old.bin": b"newer"},
    {"folder": None, "folder/old.bin": b"newer"},
    {"folder": None, "folder/old.bin": b"newer!"},
    {"folder": None},
    EMPTY,
]


def test_without_a_cut_every_operation_is_counted_and_recorded(tmp_path: Path) -> None:
    machine = run_cut(tmp_path / "flash", 0, False)
    assert [one.kind for one in machine.operations] == KINDS
    assert machine.flash_operations == len(KINDS)
    assert b"".join(one.content for one in machine.operations) == b"newer!"
    assert machine.printed == ["done"]


def test_a_cut_before_or_after_an_operation_leaves_what_littlefs_would(tmp_path: Path) -> None:
    for number in range(1, len(KINDS) + 1):
        for after in (False, True):
            folder = tmp_path / f"{number}{after}"
            machine = run_cut(folder, number, after)
            assert state_of(folder) == STATES[number - 1 + after], (number, after)
            assert machine.ends[0][0] == "cut"
            assert machine.flash_operations == number - 1 + after
            assert machine.printed == []


def test_after_the_cut_the_machine_starts_again_and_is_cut_no_more(tmp_path: Path) -> None:
    machine = run_cut(tmp_path / "flash", 4, False, twice=True)
    assert state_of(tmp_path / "flash") == EMPTY
    assert machine.printed == ["done"]
    assert [how for how, _ in machine.ends] == ["cut"]

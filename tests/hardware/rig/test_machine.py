"""The node machine: real MicroPython, an ESP32's modules, the rig's clock, a flash that outlives the power."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import MachineError, NodeMachine, run_script

ECHO = """
import asyncio, machine
uart = machine.UART(2, 9600, tx=17, rx=16)
heard = asyncio.ThreadSafeFlag()
uart.irq(lambda port: heard.set(), machine.UART.IRQ_RX)
frame = bytearray(8)

async def main():
    while True:
        await heard.wait()
        while uart.any() >= 8:
            uart.readinto(frame, 8)
            uart.write(frame)

asyncio.run(main())
"""


class Wire:
    """A line with one far end: what the machine sends is kept, `say` is what it hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.settings: tuple[int, str, int] | None = None
        self.say: Callable[[bytes], None] = lambda _data: None

    def attach(self, _name: str, receive: Callable[[bytes], None]) -> "Wire":
        self.say = receive
        return self

    def send(self, data: bytes) -> float:
        self.heard.append(data)
        return 0.0

    def configure(self, baud: int, parity: str, stop_bits: int) -> None:
        self.settings = (baud, parity, stop_bits)

    def detach(self) -> None:
        self.say = lambda _data: None


def on_machine(program: str, folder: Path, body: Callable[[NodeMachine, Wire, RigClock], object]) -> None:
    """Start `program` as main.py on a flash in `folder` and await `body(machine, wire, clock)`."""
    (folder / "main.py").write_text(program)

    async def main(clock: RigClock) -> None:
        machine = await NodeMachine.start("lamp", folder, clock=clock)
        wire = Wire()
        machine.connect_uart(2, wire)
        await machine.power_on()
        try:
            await body(machine, wire, clock)  # type: ignore[misc]
        finally:
            await machine.stop()

    run_virtual(main)


def test_the_machine_is_micropython_itself():
    said = run_script({}, "import sys\nprint(sys.implementation.name, sys.implementation.version[:2])")
    assert said == "micropython (1, 27)\n"


def test_modules_that_a_stock_esp32_lacks_are_hidden():
    script = """
for name in ("js", "jsffi", "functools", "unittest", "datetime", "zlib", "base64"):
    try:
        __import__(name)
        print("visible:", name)
    except ImportError:
        pass
import asyncio, machine, network, esp32, json, hashlib, struct, collections
print("done")
"""
    assert run_script({}, script) == "done\n"


def test_a_package_on_the_flash_is_imported():
    files: dict[str, str | bytes] = {"house/__init__.py": "", "house/room.py": "SIZE = 12"}
    assert run_script(files, "from house.room import SIZE\nprint(SIZE)") == "12\n"


def test_an_exception_in_a_script_comes_out_with_its_traceback():
    with pytest.raises(MachineError, match="ValueError: wet"):
        run_script({}, "raise ValueError('wet')")


def test_sleeping_takes_the_rigs_time_and_none_of_ours():
    script = """
import asyncio, time
async def main():
    start = time.ticks_ms()
    for _ in range(1000):
        await asyncio.sleep(60)
    print(time.ticks_diff(time.ticks_ms(), start))
asyncio.run(main())
"""
    assert run_script({}, script) == "60000000\n"


def test_a_blocking_sleep_moves_the_machines_clock():
    script = "import time\na = time.ticks_ms()\ntime.sleep_ms(250)\nprint(time.ticks_diff(time.ticks_ms(), a))"
    assert run_script({}, script) == "250\n"


def test_bytes_pass_both_ways_and_the_line_settings_are_told(tmp_path):
    async def body(machine: NodeMachine, wire: Wire, _clock: RigClock) -> None:
        wire.say(b"12345678")
        await asyncio.sleep(0.01)
        assert wire.heard == [b"12345678"]
        assert wire.settings == (9600, "N", 1)
        assert "micropython" in machine.info()["implementation"]

    on_machine(ECHO, tmp_path, body)


def test_a_steady_exchange_leaves_no_heap_behind(tmp_path):
    async def body(machine: NodeMachine, wire: Wire, _clock: RigClock) -> None:
        wire.say(b"warm up.")
        before = machine.info()["heap_used_bytes"]
        for _ in range(500):
            wire.say(b"12345678")
        assert len(wire.heard) == 501
        assert machine.info()["heap_used_bytes"] == before

    on_machine(ECHO, tmp_path, body)


def test_a_closed_file_outlives_the_power_and_an_open_one_does_not(tmp_path):
    program = """
kept = open("kept.txt", "w")
kept.write("safe")
kept.close()
lost = open("lost.txt", "w")
lost.write("half")
import asyncio
asyncio.run(asyncio.sleep(1000))
"""

    async def body(machine: NodeMachine, _wire: Wire, _clock: RigClock) -> None:
        machine.kill()

    on_machine(program, tmp_path, body)
    assert (tmp_path / "kept.txt").read_text() == "safe"
    assert (tmp_path / "lost.txt").read_bytes() == b""  # littlefs makes the name at once, the content at close


def test_renaming_and_removing_reach_the_flash(tmp_path):
    program = """
import os
for name in ("a.txt", "b.txt"):
    with open(name, "w") as file:
        file.write(name)
os.mkdir("logs")
os.rename("a.txt", "logs/a.txt")
os.remove("b.txt")
"""

    async def body(_machine: NodeMachine, _wire: Wire, _clock: RigClock) -> None:
        await asyncio.sleep(0)

    on_machine(program, tmp_path, body)
    assert (tmp_path / "logs/a.txt").read_text() == "a.txt"
    assert not (tmp_path / "a.txt").exists()
    assert not (tmp_path / "b.txt").exists()


def test_a_reset_starts_the_program_again_and_says_why(tmp_path):
    program = """
import asyncio, machine
print("cause", machine.reset_cause())
async def main():
    await asyncio.sleep(5)
    machine.reset()
asyncio.run(main())
"""

    async def body(machine: NodeMachine, _wire: Wire, _clock: RigClock) -> None:
        await asyncio.sleep(8)
        assert machine.printed == ["cause 1", "cause 2"]
        assert machine.starts == 2

    on_machine(program, tmp_path, body)


def test_a_program_that_fails_stays_at_the_prompt_until_the_watchdog_resets_it(tmp_path):
    program = """
import machine
print("cause", machine.reset_cause())
watchdog = machine.WDT(timeout=8000)
if machine.reset_cause() != machine.WDT_RESET:
    raise RuntimeError("out of order")
"""

    async def body(machine: NodeMachine, _wire: Wire, _clock: RigClock) -> None:
        await asyncio.sleep(7)
        assert machine.printed == ["cause 1"]
        assert machine.ends[0][0] == "crash"
        assert "out of order" in machine.ends[0][1]
        await asyncio.sleep(2)
        assert machine.printed == ["cause 1", "cause 3"]

    on_machine(program, tmp_path, body)


def test_a_heap_that_outgrows_the_board_stops_the_node(tmp_path):
    program = """
import asyncio
async def main():
    kept = []
    while True:
        kept.append(bytearray(4096))
        await asyncio.sleep(1)
asyncio.run(main())
"""

    async def body(machine: NodeMachine, _wire: Wire, _clock: RigClock) -> None:
        await asyncio.sleep(120)
        assert not machine.running
        assert "MemoryError" in machine.ends[-1][1]

    on_machine(program, tmp_path, body)


def test_an_input_pin_raises_its_interrupt_on_the_wanted_edge(tmp_path):
    program = """
import asyncio, machine
pin = machine.Pin(27, machine.Pin.IN, machine.Pin.PULL_UP)
pin.irq(lambda which: print("level", which.value()), machine.Pin.IRQ_FALLING)
asyncio.run(asyncio.sleep(1000))
"""

    async def body(machine: NodeMachine, _wire: Wire, _clock: RigClock) -> None:
        machine.set_pin(27, 0)
        machine.set_pin(27, 1)
        machine.set_pin(27, 0)
        assert machine.printed == ["level 0", "level 0"]

    on_machine(program, tmp_path, body)


@pytest.mark.parametrize(("pin", "mode"), [(34, "OUT"), (6, "IN"), (40, "IN")])
def test_pins_that_an_esp32_cannot_use_so_are_refused(pin, mode):
    with pytest.raises(MachineError, match="ValueError"):
        run_script({}, f"import machine\nmachine.Pin({pin}, machine.Pin.{mode})")


def test_free_heap_is_what_a_board_of_that_size_would_have():
    script = "import gc\ngc.collect()\nfree = gc.mem_free()\nkept = bytearray(20000)\nprint(free, free - gc.mem_free())"
    free, taken = map(int, run_script({}, script, heap_bytes=150_000).split())
    assert 100_000 < free <= 150_000
    assert 20_000 <= taken < 21_000


def test_chance_follows_the_seed(tmp_path):
    def numbers(seed: int, folder: str) -> list[str]:
        flash = tmp_path / folder
        flash.mkdir()
        (flash / "main.py").write_text("import random\nprint(random.getrandbits(30))")

        async def main(clock: RigClock) -> list[str]:
            machine = await NodeMachine.start("lamp", flash, clock=clock, seed=seed)
            await machine.power_on()
            await machine.stop()
            return machine.printed

        return run_virtual(main)

    assert numbers(1, "a") == numbers(1, "b") != numbers(2, "c")

"""How much heap one poll takes: the firmware itself, with a counter around each of its steps.

Counted is from building the request to storing the values, waits excluded; the collector is off meanwhile, so what is
taken stays taken. The first polls, which fill caches, are left out.
"""

from pathlib import Path

PROGRAM = """
import asyncio
import gc
import sys

sys.path.insert(0, "slot_a")

from node import app

LEFT_OUT = %(left_out)d
COUNTED = %(counted)d

taken = [0, 0]


def ask(unit):
    before = gc.mem_alloc()
    wait = inner_ask(unit)
    taken[0] += gc.mem_alloc() - before
    return wait


def step():
    before = gc.mem_alloc()
    wait = inner_step()
    taken[0] += gc.mem_alloc() - before
    return wait


def take(unit):
    before = gc.mem_alloc()
    inner_take(unit)
    taken[0] += gc.mem_alloc() - before
    taken[1] += 1
    if taken[1] == LEFT_OUT:
        gc.collect()
        gc.disable()
        taken[0] = 0
    if taken[1] == LEFT_OUT + COUNTED:
        print("heap", taken[0], poller.good, poller.failed)
        gc.enable()


async def main():
    global poller, inner_ask, inner_step, inner_take
    parts = await app.assemble()
    poller, bus = parts[1].poller, parts[1].bus
    inner_ask, inner_step, inner_take = poller._ask, bus.step, poller._take_result
    poller._ask, bus.step, poller._take_result = ask, step, take
    await app.run(parts)


asyncio.run(main())
"""


def install(flash: Path, left_out: int, counted: int) -> None:
    """Put the probe in the place of main.py; after `left_out + counted` polls it prints one line for `read`."""
    (flash / "main.py").write_text(PROGRAM % {"left_out": left_out, "counted": counted})


def read(printed: list[str]) -> tuple[int, int, int]:
    """Bytes that the counted polls took, and how many polls were good and failed until then; ValueError if the probe
    has not printed yet."""  # fmt: skip
    for line in printed:
        words = line.split()
        if words and words[0] == "heap":
            return int(words[1]), int(words[2]), int(words[3])
    raise ValueError("the probe has not come to its end")

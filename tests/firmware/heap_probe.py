"""How much heap one poll, and one event, takes: the firmware itself, with a counter around each of its steps.

Counted is from building the request to storing the values, waits excluded; the collector is off in each counted step,
so what is taken shows. The first polls, which fill caches, are left out.
"""

from protocols import event_codes

_POLLS = """
import gc
import sys

sys.path.insert(0, "slot_a")

from node import app, client, poller

LEFT_OUT = %(left_out)d
COUNTED = %(counted)d

taken = [0, 0]
inner_ask, inner_step, inner_take = poller.Poller._ask, client.Client.step, poller.Poller._take_result


def ask(self, unit):
    gc.disable()
    before = gc.mem_alloc()
    wait = inner_ask(self, unit)
    taken[0] += gc.mem_alloc() - before
    gc.enable()
    return wait


def step(self):
    gc.disable()
    before = gc.mem_alloc()
    wait = inner_step(self)
    taken[0] += gc.mem_alloc() - before
    gc.enable()
    return wait


def take(self, unit):
    gc.disable()
    before = gc.mem_alloc()
    inner_take(self, unit)
    taken[0] += gc.mem_alloc() - before
    gc.enable()
    taken[1] += 1
    if taken[1] == LEFT_OUT:
        taken[0] = 0
    if taken[1] == LEFT_OUT + COUNTED:
        print("heap", taken[0], self.good, self.failed)


poller.Poller._ask = ask
client.Client.step = step
poller.Poller._take_result = take
app.main()
"""

_EVENTS = """
import gc
import sys

sys.path.insert(0, "slot_a")

from node import app, events

inner = events.Events.add


def add(self, code, slot=%(no_slot)d, value=0):
    gc.disable()
    before = gc.mem_alloc()
    inner(self, code, slot, value)
    taken = gc.mem_alloc() - before
    gc.enable()
    print("event", taken)


events.Events.add = add
app.main()
"""


def polls_program(left_out: int, counted: int) -> str:
    """A main.py that prints one line for `read_polls` after `left_out + counted` polls."""
    return _POLLS % {"left_out": left_out, "counted": counted}


def events_program() -> str:
    """A main.py that prints a line for `read_events` at each event."""
    return _EVENTS % {"no_slot": event_codes.NO_SLOT}


def read_polls(printed: list[str]) -> tuple[int, int, int]:
    """Bytes that the counted polls took, and how many polls were good and failed until then; ValueError if the probe
    has not printed yet."""  # fmt: skip
    for line in printed:
        words = line.split()
        if words and words[0] == "heap":
            return int(words[1]), int(words[2]), int(words[3])
    raise ValueError("the probe has not come to its end")


def read_events(printed: list[str]) -> list[int]:
    """Bytes that each event took."""
    return [int(line.split()[1]) for line in printed if line.startswith("event ")]

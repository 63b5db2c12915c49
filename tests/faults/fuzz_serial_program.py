"""The program that fuzzes one sensor's reader inside the machine: it makes bytes, polls, and judges what was taken."""

PROGRAM = """
import asyncio
import gc
import json
import random
from array import array

from node import client, frames, ticks
from protocols import frame, node_table, quality
from protocols import node_table_layout as layout

POLLS = %(polls)d
TRUSTING = %(trusting)d
ROUND = 500
random.seed(%(seed)d)

with open("sensor.tab", "rb") as file:
    table = file.read()
node_table.check(table)
with open("rules.json") as file:
    rules = json.load(file)
samples = [bytes(sample) for sample in rules["frames"]]
SYNC = bytes(rules["sync"])
TAIL = bytes(rules["tail"])
NAMES = [name.encode() for name in rules["names"]]
KIND = rules["kind"]
FIRST, AT, END, BYTES = rules["first"], rules["at"], rules["end"], rules["bytes"]
EXTREMES = b"\\x00\\x01\\x7f\\x80\\xff\\xfe,*$\\r"

# Half of it bytes that mean something to one reader or another.
NOISE = bytes([EXTREMES[random.getrandbits(8) %% 10] if random.getrandbits(1) else random.getrandbits(8)
               for _ in range(16384)])
now = 0
waiting = bytearray(400)
filled = 0
taken = 0
pieces = 1


def fake_now():
    return now


ticks.now = fake_now
ticks.between = lambda moment, earlier: moment - earlier
ticks.later = lambda moment, ms: moment + ms


class Line:
    # Hands over what is waiting, in `pieces`; time passes only when the reader waits.
    silence_ms = 4
    character_us = 1042

    def drain(self):
        return False

    def quiet_ms(self):
        return 10000

    def duration_ms(self, characters):
        return characters + 1

    def begin_send(self, buffer, length):
        return 1

    def end_send(self):
        return 0

    def take(self, buffer, have):
        global taken, pieces
        if taken == filled:
            return have
        count = (filled - taken + pieces - 1) // pieces
        pieces = max(1, pieces - 1)
        buffer[have : have + count] = waiting[taken : taken + count]
        taken += count
        return have + count


def chance(n):
    return random.getrandbits(16) %% n


def put(some):
    global filled
    some = some[: 280 - filled]
    waiting[filled : filled + len(some)] = some
    filled += len(some)


def noise(count):
    begin = chance(len(NOISE) - count)
    put(NOISE[begin : begin + count])


def make():
    # Fill `waiting`; where a right frame begins, or -1.
    global filled, taken, pieces
    filled = 0
    taken = 0
    pieces = 1 + chance(3)
    kind = chance(8)
    if kind == 0:
        noise(chance(200))
        return -1
    sample = samples[chance(len(samples))]
    if kind == 1:
        put(sample)
        return 0
    if kind == 2:
        noise(chance(60))
        begin = filled
        put(sample)
        noise(chance(20))
        return begin
    if kind == 3:
        put(sample[chance(len(sample)) :])
        put(samples[chance(len(samples))][: chance(len(sample))])
        return -1
    if kind == 4:
        put(sample[: chance(len(sample))])
        begin = filled
        put(sample)
        return begin
    put(sample)
    for _ in range(1 + chance(4)):
        waiting[chance(filled)] = EXTREMES[chance(10)] if chance(2) else random.getrandbits(8)
    return -1


def text_is_right(buffer, start, have, name):
    # From `$`: two more letters, the name, a star within a hundred bytes, and the XOR of all between them.
    if bytes(buffer[start + 3 : start + 6]) != name or buffer[start] != 0x24:
        return False
    check = 0
    place = start + 1
    while place < have and buffer[place] != 0x2A:
        check ^= buffer[place]
        place += 1
    return place + 2 < have and place < start + 98 and bytes(buffer[place + 1 : place + 3]) == b"%%02X" %% check


def is_right(buffer, start, have, number):
    # The rules of the sensor once more, written from its profile.
    if KIND == "xor":
        return text_is_right(buffer, start, have, NAMES[number])
    if start + BYTES > have or bytes(buffer[start : start + len(SYNC)]) != SYNC:
        return False
    whole = bytes(buffer[start : start + BYTES])
    if TAIL and whole[-len(TAIL):] != TAIL:
        return False
    if BYTES == 32 and whole[2] * 256 + whole[3] != 28:
        return False
    total = sum(whole[FIRST:END])
    if KIND == "sum16":
        return whole[AT] * 256 + whole[AT + 1] == total & 0xFFFF
    return whole[AT] == (-total if KIND == "negated-sum8" else total) & 0xFF


def value_fits(slot):
    # A number is good and in its range, or it is no number.
    point = layout.point_at(table, slot)
    low, high = layout.u32(table, point + 4), layout.u32(table, point + 8)
    low -= (low >> 31) << 32
    high -= (high >> 31) << 32
    if qualities[slot] == %(good)d:
        return low <= values[slot] <= high
    return values[slot] == 0 and qualities[slot] < len(quality.NAMES)


reader = frames.FrameReader(Line(), table)
if TRUSTING:
    frame.is_right = lambda table, at, buffer, start, length: True
values = array("i", [0] * node_table.slot_count(table))
qualities = bytearray(node_table.slot_count(table))
requests = node_table.request_count(table)
counts = [0] * 6
TRIED, ANSWERED, WHOLE, CRASHED, LOST, WRONG = range(6)


def poll(number):
    global now
    wait = reader.begin_read(0, 0, number, 1, 300, 4, 0)
    steps = 0
    while wait > 0:
        now += wait
        steps += 1
        wait = reader.step()
        if steps > 1000:
            raise RuntimeError("the reader does not come to an end")


def one():
    global now
    begin = make()
    number = chance(requests)
    reader._is_fresh = False
    counts[TRIED] += 1
    poll(number)
    now = 0
    if reader.result != %(good)d:
        counts[LOST] += begin >= 0
        return
    counts[ANSWERED] += 1
    start = reader.start
    have = reader._have
    if begin >= 0 and start >= begin:
        counts[WHOLE] += 1
    if not is_right(reader.answer, start, have, number):
        counts[WRONG] += 1
        return
    for slot in range(node_table.request_first_slot(table, number),
                      node_table.request_first_slot(table, number) + node_table.request_slot_count(table, number)):
        values[slot] = 12345
        reader.decode(table, slot, values, qualities)
        if not value_fits(slot):
            counts[WRONG] += 1


def many(times):
    for _ in range(times):
        try:
            one()
        except Exception as error:
            counts[CRASHED] += 1


async def collected():
    # The machine collects when nothing runs.
    # What lies in buffers may look like the address of something that is gone.
    waiting[:] = bytes(len(waiting))
    reader.answer[:] = bytes(len(reader.answer))
    for slot in range(len(values)):
        values[slot] = 0
    gc.collect()
    await asyncio.sleep_ms(1)
    gc.collect()
    await asyncio.sleep_ms(1)
    return gc.mem_alloc()


async def main():
    # The first quarter fills what is made once. What is dead may look alive, for a word on the stack may look like its
    # address: the least of all looks in the second half is held against the least in the quarter before it. What grows
    # with the polls shows all the same.
    rounds = POLLS // ROUND
    first = last = 1 << 29
    for number in range(rounds):
        many(ROUND)
        heap = await collected()
        if number >= rounds // 2:
            last = min(last, heap)
        elif number >= rounds // 4:
            first = min(first, heap)
    print("tried", counts[TRIED], "answered", counts[ANSWERED], "whole", counts[WHOLE], "crashed", counts[CRASHED],
          "lost", counts[LOST], "wrong", counts[WRONG], "heap_growth_bytes", last - first)


asyncio.run(main())
"""
"""The text to be filled in: `polls`, `trusting`, `seed`, and `good`, the quality of a number that counts."""

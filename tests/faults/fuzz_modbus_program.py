"""The program that fuzzes a node's server inside its machine: it makes frames, hands them over, checks each answer."""

from protocols import lamp_schedule, node_map

CHECKED_BLOCKS = tuple(
    (getattr(node_map, name), getattr(node_map, name + "_REGISTERS"))
    for name in (
        "IDENTITY",
        "TERMINAL",
        "HEALTH",
        "TIME",
        "SETTINGS",
        "SETTINGS_STATE",
        "LAMP_COMMAND",
        "LAMP_STATE",
        "LAMP_SCHEDULE",
        "SCHEDULE_COMMAND",
        "BOOT",
        "UPDATE_COMMAND",
        "UPDATE",
        "BROADCAST",
        "EVENTS",
        "EVENT_ACKNOWLEDGEMENT",
    )
) + ((node_map.SLOTS, 32),)
"""Address and length of what the fuzzed node can be asked for."""

_SCHEDULE_HEAD_REGISTERS = lamp_schedule.HEADER_BYTES // 2

_PROGRAM = """
import asyncio
import gc
import random
import sys

sys.path.insert(0, "slot_a")

from node import assembly
from node import server as server_module
from protocols import rtu

TRIES = %(tries)d
WARM_UP = 4000
TRUSTING = %(trusting)d
KEYED = %(keyed)d
REQUESTS = %(requests)r
UNIT = 17
EXTREMES = b"\\x00\\x01\\x7f\\x80\\xff\\xfe"

counts = [0] * 7
TRIED, ANSWERED, REFUSED, SILENT, CRASHED, LOST, WRONG = range(7)
frame = bytearray(300)


def chance(n):
    return random.getrandbits(16) %% n


def fill(request):
    frame[0] = UNIT if chance(10) else 0
    for index in range(len(request)):
        frame[1 + index] = request[index]
    return 1 + len(request)


def spoil(length, times):
    for _ in range(times):
        at = 1 + chance(min(length - 1, 14) if chance(4) else length - 1)
        frame[at] = EXTREMES[chance(6)] if chance(2) else random.getrandbits(8)


def make():
    # Length of the next frame, negative if it must be answered.
    kind = chance(10)
    if kind == 0:
        length = 1 + chance(299)
        for index in range(length):
            frame[index] = random.getrandbits(8)
        if chance(2):
            frame[0] = UNIT
        return length
    if kind == 1:
        length = 2 + chance(252)
        for index in range(length):
            frame[index] = random.getrandbits(8)
        frame[0] = UNIT
        return rtu.seal(frame, length)
    length = fill(REQUESTS[chance(len(REQUESTS))])
    if kind == 2:
        length = rtu.seal(frame, length)
        return -length if frame[0] == UNIT else length
    spoil(length, 1 + chance(4))
    if kind == 3:
        length = max(2, min(254, length - 4 + chance(12)))
    if kind == 4:
        return length
    return rtu.seal(frame, length)


def is_sealed(start, end):
    # A second implementation, bit by bit.
    value = 0xFFFF
    for index in range(start, end - 2):
        value ^= frame[index]
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return frame[end - 2] == value & 255 and frame[end - 1] == value >> 8


def fits(start, length, have):
    answer = server._answer
    if length < 5 or length > 256 or answer[0] != UNIT or not rtu.is_sealed(answer, 0, length):
        return False
    end = have if not rtu.request_length(frame, start, have) > 0 else start + rtu.request_length(frame, start, have)
    if frame[start] != UNIT or end > have or not is_sealed(start, end):
        return False
    function = frame[start + 1]
    if function >= 0x80:
        return False  # two nodes that answer each other's exceptions never end
    if answer[1] == function | 0x80:
        counts[REFUSED] += 1
        return length == 5 and answer[2] in (1, 2, 3, 4, 6)
    if answer[1] != function:
        return False
    if function == 3 or function == 4:
        return length == 5 + answer[2] and answer[2] == 2 * rtu.get_u16(frame, start + 4)
    if function == 6 or function == 16:
        return length == 8 and not KEYED  # with a key, nothing that is made here can be right
    return function in (20, 21) and length == 5 + answer[2]


def one():
    length = make()
    is_due = length < 0
    have = abs(length)
    received = server._received
    for index in range(have):
        received[index] = frame[index]
    counts[TRIED] += 1
    start = rtu.find_request(received, have, UNIT)
    if start < 0:
        counts[SILENT] += 1
        counts[LOST] += is_due
        return
    length = server.respond(received, start)
    if length == 0:
        counts[SILENT] += 1
        counts[WRONG] += frame[start] == UNIT and frame[start + 1] < 0x80
        return
    counts[ANSWERED] += 1
    if not fits(start, length, have):
        counts[WRONG] += 1


def trusting(buffer, have, unit):
    return 0 if have >= 4 and buffer[0] == unit else -1


def send(requests):
    for request in requests:
        length = rtu.seal(frame, fill(request))
        frame[0] = UNIT
        length = rtu.seal(frame, length - 2)
        server.respond(frame, rtu.find_request(frame, length, UNIT))


BEGINNING = %(beginning)r
SETTLING = %(settling)r


async def many(times):
    for number in range(times):
        try:
            one()
        except Exception as error:
            counts[CRASHED] += 1
            if counts[CRASHED] < 4:
                sys.print_exception(error)
        if number %% 100 == 99:
            await asyncio.sleep_ms(20)
        if counts[TRIED] %% 5000 == 0:
            print("done", counts[TRIED])


async def look(when):
    # The same state before each look at the heap: an update was begun and abandoned, a file is half there, no
    # command is under way.
    send(SETTLING)
    await asyncio.sleep_ms(120000)
    send(BEGINNING)
    await asyncio.sleep_ms(5000)
    send(SETTLING)
    await asyncio.sleep_ms(120000)
    print("heap", when)
    await asyncio.sleep_ms(5000)


async def fuzz():
    await asyncio.sleep_ms(3000)
    for name in ("first", "before"):
        await many(min(WARM_UP, TRIES // 4))
        await look(name)
    await many(TRIES - counts[TRIED])
    await look("after")
    print("counts", "tried", counts[TRIED], "answered", counts[ANSWERED], "refused", counts[REFUSED],
          "silent", counts[SILENT], "crashed", counts[CRASHED], "lost", counts[LOST], "wrong", counts[WRONG])


inner = server_module.Server.__init__


def remember(self, *parts):
    global server
    inner(self, *parts)
    server = self


server_module.Server.__init__ = remember


async def main():
    random.seed(%(seed)d)
    tasks = await assembly.assemble()
    if TRUSTING:
        rtu.find_request = trusting
    await asyncio.gather(fuzz(), *tasks)


asyncio.run(main())
"""


def program(requests: list[bytes], tries: int, seed: int, *, trusting: bool = False, keyed: bool = False) -> str:
    """The text of main.py: fuzz with `tries` frames made from `requests` (PDUs), then print the counts.

    `trusting` puts a server in the place of ours that takes any bytes of its unit for a request. `keyed`: no write may
    be taken.
    """
    head = bytes(4) + (2 * _SCHEDULE_HEAD_REGISTERS).to_bytes(2, "big") + bytes(2 * _SCHEDULE_HEAD_REGISTERS - 6)
    schedule = bytes([6, 60002 >> 8, 60002 & 255, 0, 0, 0, _SCHEDULE_HEAD_REGISTERS]) + head
    update = bytes([16, 0, node_map.UPDATE_COMMAND, 0, 5, 10])
    beginning = [update + bytes([0, 1, 0, 0, 0x40, 0, 0, 0, 0, 9])]
    settling = [
        bytes([21, len(schedule)]) + schedule,
        update + bytes([0, 3, 0, 0, 0, 0, 0, 0, 0, 0]),
        bytes([21, 9, 6, 60001 >> 8, 60001 & 255, 0, 0, 0, 1, 0, 0]),
    ]
    return _PROGRAM % {
        "requests": requests,
        "tries": tries,
        "seed": seed,
        "trusting": trusting,
        "keyed": keyed,
        "settling": settling,
        "beginning": beginning,
    }

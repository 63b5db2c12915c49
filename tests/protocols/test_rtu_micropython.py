"""The golden vectors of RTU, read inside the MicroPython machine."""

import json
from pathlib import Path

from hardware.rig.machine import package_files, run_script

ROOT = Path(__file__).parents[2]

SCRIPT = """
import json
from binascii import hexlify, unhexlify
from protocols import crc, errors, rtu, rtu_check

with open("rtu.json") as file:
    vectors = json.load(file)
buffer = bytearray(256)
checked = 0


def text(length):
    return hexlify(bytes(buffer[:length])).decode()


for case in vectors["crc"]:
    body = unhexlify(case["bytes"])
    value = crc.crc16(body, 0, len(body))
    assert "%02x%02x" % (value & 255, value >> 8) == case["line"], case
    checked += 1
for case in vectors["requests"]:
    unit = case["unit"]
    if case["kind"] == "read":
        length = rtu.build_read(buffer, unit, case["function"], case["address"], case["count"])
    elif case["kind"] == "write_single":
        length = rtu.build_write_single(buffer, unit, case["address"], case["value"])
    else:
        length = rtu.build_write_multiple(buffer, unit, case["address"], case["registers"], len(case["registers"]))
    assert text(length) == case["frame"], case
    assert rtu.find_request(buffer, length, unit) == 0, case
    checked += 1
for case in vectors["answers"]:
    request, frame = unhexlify(case["request"]), unhexlify(case["frame"])
    assert rtu.find_answer(frame, len(frame), request) == 0, case
    assert rtu.exception_code(frame, 0) == case.get("exception", 0), case
    for index, value in enumerate(case.get("registers", [])):
        assert rtu.get_u16(frame, 3 + 2 * index) == value, case
    checked += 1
for case in vectors["refused"]:
    frame = unhexlify(case["frame"])
    try:
        rtu_check.check_answer(frame, 0, len(frame), unhexlify(case["request"]))
        assert False, case
    except errors.WireError as error:
        assert errors.NAMES[error.reason] == case["reason"], (case, error.reason)
    checked += 1
print(checked)
"""

HEAP_SCRIPT = """
import gc
from protocols import rtu

request = bytearray(8)
answer = bytearray(256)
server = bytearray(256)


def exchange():
    rtu.build_read(request, 17, 3, 500, 16)
    start = rtu.find_request(request, 8, 17)
    at = rtu.begin_read_answer(server, 17, 3, rtu.get_u16(request, start + 4))
    for index in range(16):
        rtu.put_u16(server, at + 2 * index, index * 4000)
    length = rtu.seal(server, at + 32)
    for index in range(length):
        answer[index] = server[index]
    return rtu.get_u16(answer, rtu.find_answer(answer, length, request) + 5)


def allocated(times):
    before = gc.mem_alloc()
    for _ in range(times):
        exchange()
    return gc.mem_alloc() - before


allocated(2)
gc.collect()
print(allocated(100))
"""


def test_micropython_agrees_with_the_vectors() -> None:
    files = package_files(ROOT / "protocols", "protocols")
    vectors = (ROOT / "protocols/vectors/rtu.json").read_text()
    cases = sum(len(group) for group in json.loads(vectors).values() if isinstance(group, list))
    assert run_script({**files, "rtu.json": vectors}, SCRIPT) == f"{cases}\n"


def test_an_exchange_takes_no_heap() -> None:
    assert run_script(package_files(ROOT / "protocols", "protocols"), HEAP_SCRIPT) == "0\n"

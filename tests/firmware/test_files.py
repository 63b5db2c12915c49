"""Numbered files behind functions 20 and 21: what is served, what is refused, that nothing is allocated."""

from pathlib import Path

from hardware.rig.machine import package_files, run_script

ROOT = Path(__file__).parents[2]

SCRIPT = """
import gc
from node import files
from protocols import modbus, rtu, rtu_check

store = bytearray(20000)
calls = []


def reader(file, record, count, buffer, at):
    if file == 12:
        raise MemoryError if record else OSError(5)
    for index in range(2 * count):
        buffer[at + index] = store[2 * record + index]
    return 0


def writer(file, record, count, buffer, at):
    for index in range(2 * count):
        store[2 * record + index] = buffer[at + index]
    return 0


files.add(10, 12, reader, writer)
files.add(60003, 60003, reader, None)
answer = bytearray(256)


def ask(pdu):
    frame = bytearray(300)
    frame[0] = 17
    frame[1 : 1 + len(pdu)] = pdu
    length = rtu.seal(frame, 1 + len(pdu))
    assert rtu.find_request(frame, length, 17) == 0, pdu
    out = files.respond(frame, 0, answer, 17)
    assert out <= 256
    rtu_check.check_frame(answer, 0, out)
    return bytes(answer[1 : out - 2])


def group(file, record, count, data=b"", kind=6):
    head = bytes((kind, file >> 8, file & 255, record >> 8, record & 255, count >> 8, count & 255))
    return head + data


def read(*groups):
    body = b"".join(groups)
    return ask(bytes((20, len(body))) + body)


def write(*groups):
    body = b"".join(groups)
    return ask(bytes((21, len(body))) + body)


data = bytes(range(244))
assert write(group(10, 100, 122, data)) == bytes((21, 251)) + group(10, 100, 122, data)
assert store[200:444] == data
assert read(group(10, 100, 121)) == bytes((20, 244, 243, 6)) + data[:242]
assert read(group(10, 100, 1), group(11, 101, 2)) == bytes((20, 10, 3, 6, 0, 1, 5, 6, 2, 3, 4, 5))
assert write(group(10, 0, 1, b"ab"), group(10, 9999, 1, b"cd"))[:2] == bytes((21, 18))
assert store[:2] == b"ab" and store[19998:] == b"cd"
assert read(group(60003, 0, 1))[0] == 20

refused = (
    (read, (group(10, 100, 122),), 3),  # one more than the answer may hold
    (read, (group(10, 0, 60), group(10, 0, 61), group(10, 0, 1)), 3),
    (read, (b"",), 3),
    (read, (group(10, 0, 1) + b"x",), 3),
    (read, (group(10, 0, 0),), 2),
    (read, (group(10, 9999, 2),), 2),
    (read, (group(10, 65535, 1),), 2),
    (read, (group(10, 0, 1, b"", 5),), 2),
    (read, (group(9, 0, 1),), 2),
    (read, (group(0, 0, 1),), 2),
    (read, (group(12, 0, 1),), 4),
    (read, (group(12, 1, 1),), 4),
    (write, (group(60003, 0, 1, b"ab"),), 2),
    (write, (group(10, 0, 2, b"ab"),), 3),
    (write, (group(10, 0, 1, b"ab") + b"xyz",), 3),
    (write, (group(10, 0, 0),), 3),
    (write, (group(10, 0, 65535, b"ab"),), 3),
    (write, (group(13, 0, 1, b"ab"),), 2),
)
for call, groups, code in refused:
    found = call(*groups)
    assert found == bytes(((20 if call is read else 21) | 128, code)), (groups, found)
assert store[:2] == b"ab"

files.remove(10)
assert read(group(10, 0, 1)) == bytes((148, 2))
files.add(10, 12, reader, writer)

frame = bytearray(300)
before = _ = body = None  # names that come into being later would take heap
for body in (bytes((21, 251)) + group(10, 100, 122, data), bytes((20, 7)) + group(10, 100, 121)):
    frame[0] = 17
    frame[1 : 1 + len(body)] = body
    rtu.seal(frame, 1 + len(body))
    for _ in range(2):
        files.respond(frame, 0, answer, 17)
        gc.collect()
        gc.mem_alloc()
    before = gc.mem_alloc()
    for _ in range(50):
        files.respond(frame, 0, answer, 17)
    print(gc.mem_alloc() - before)
"""


def test_files_are_read_and_written_as_the_standard_says() -> None:
    files = package_files(ROOT / "protocols", "protocols") | package_files(ROOT / "firmware/node", "node")
    written, read = (int(word) for word in run_script(files, SCRIPT).split())
    print(f"bytes of heap in 50 writes {written}, in 50 reads {read}")
    assert (written, read) == (0, 0)

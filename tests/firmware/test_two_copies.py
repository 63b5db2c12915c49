"""Two copies: old or new, never broken, whatever happens to one of them."""

from pathlib import Path

from hardware.rig.machine import run_script

NODE = Path(__file__).parents[2] / "firmware/node"
FILES: "dict[str, str | bytes]" = {"node/__init__.py": "", "node/two_copies.py": (NODE / "two_copies.py").read_bytes()}

WRITES = """
from node import two_copies
print(two_copies.read("x"), two_copies.newest("x"), two_copies.sequence("x"))
for number in range(1, 6):
    two_copies.write("x", b"%d" % number * 300)
    print(two_copies.newest("x"), two_copies.sequence("x"), two_copies.read("x") == b"%d" % number * 300)
two_copies.write("x", b"")
print(two_copies.read("x"), two_copies.sequence("x"))
writing = two_copies.Writing("x")
for piece in (b"one ", b"two ", b"three"):
    writing.add(piece)
print(two_copies.read("x"))
writing.finish()
print(two_copies.read("x"))
"""

DAMAGES = """
from node import two_copies
def put(name, content):
    with open(name, "wb") as file:
        file.write(content)
two_copies.write("x", b"first")
two_copies.write("x", b"second")
with open("x.b", "rb") as file:
    whole = file.read()
bad = 0
for at in range(len(whole)):
    for bit in range(8):
        put("x.b", whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1:])
        bad += two_copies.read("x") != b"first"
for length in range(len(whole)):
    put("x.b", whole[:length])
    bad += two_copies.read("x") != b"first"
put("x.b", whole + b"!")
bad += two_copies.read("x") != b"first"
two_copies.write("x", b"third")
print(bad, two_copies.read("x"), two_copies.newest("x"))
put("x.a", b"")
put("x.b", b"")
print(two_copies.read("x"))
two_copies.write("x", b"again")
print(two_copies.read("x"))
"""

WRAPS = """
import binascii
from node import two_copies
def put(name, sequence, body):
    content = sequence.to_bytes(4, "big") + body
    with open(name, "wb") as file:
        file.write(content + binascii.crc32(content).to_bytes(4, "big"))
put("x.a", 0xFFFFFFFE, b"before the last")
for number in range(4):
    two_copies.write("x", b"%d" % number)
    print(two_copies.newest("x"), two_copies.sequence("x"), two_copies.read("x"))
"""


def test_each_write_goes_to_the_other_copy() -> None:
    assert run_script(FILES, WRITES).split("\n")[:-1] == [
        "None None 0",
        "x.a 1 True",
        "x.b 2 True",
        "x.a 3 True",
        "x.b 4 True",
        "x.a 5 True",
        "b'' 6",
        "b''",
        "b'one two three'",
    ]


def test_any_damage_to_the_newest_copy_leaves_the_one_before() -> None:
    assert run_script(FILES, DAMAGES).split("\n")[:-1] == ["0 b'third' x.b", "None", "b'again'"]


def test_after_the_last_sequence_comes_the_first() -> None:
    assert run_script(FILES, WRAPS).split("\n")[:-1] == [
        "x.b 4294967295 b'0'",
        "x.a 1 b'1'",
        "x.b 2 b'2'",
        "x.a 3 b'3'",
    ]

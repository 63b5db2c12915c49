"""Tags of guarded writes: golden vectors in both interpreters, Python's hmac as oracle."""

import hashlib
import hmac
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.machine import package_files, run_script
from protocols import node_auth

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "protocols/vectors/node-auth.json"

SCRIPT = """
import json
from binascii import unhexlify
from protocols import node_auth

with open("vectors.json") as file:
    vectors = json.load(file)
checked = 0
for case in vectors["hmac"]:
    assert node_auth.hmac_sha256(unhexlify(case["key"]), unhexlify(case["message"])) == unhexlify(case["digest"]), case
    checked += 1
for case in vectors["writes"]:
    tag = node_auth.write_tag(
        unhexlify(case["key"]),
        case["unit"],
        case["function"],
        case["address"],
        case["counter"],
        unhexlify(case["fields"]),
        unhexlify(case["content"]),
    )
    assert tag == unhexlify(case["tag"]), case
    assert node_auth.is_same(tag, b"xx" + tag, 2)
    assert not node_auth.is_same(tag, b"xx" + tag[:7] + bytes((tag[7] ^ 1,)), 2)
    checked += 1
print(checked)
"""


def test_the_vectors_hold_in_the_machine() -> None:
    files = package_files(ROOT / "protocols", "protocols")
    text = VECTORS.read_text()
    cases = sum(len(group) for group in json.loads(text).values() if isinstance(group, list))
    assert run_script({**files, "vectors.json": text}, SCRIPT) == f"{cases}\n"


def test_the_vectors_hold_in_cpython() -> None:
    vectors = json.loads(VECTORS.read_text())
    for case in vectors["hmac"]:
        digest = node_auth.hmac_sha256(bytes.fromhex(case["key"]), bytes.fromhex(case["message"]))
        assert digest.hex() == case["digest"]
    for case in vectors["writes"]:
        message = bytes.fromhex(case["message"])
        assert hmac.digest(bytes.fromhex(case["key"]), message, hashlib.sha256)[:8].hex() == case["tag"]
        tag = node_auth.write_tag(
            bytes.fromhex(case["key"]),
            case["unit"],
            case["function"],
            case["address"],
            case["counter"],
            bytes.fromhex(case["fields"]),
            bytes.fromhex(case["content"]),
        )
        assert tag.hex() == case["tag"]


@given(st.binary(max_size=64), st.binary(max_size=400))
def test_our_hmac_is_pythons(key: bytes, message: bytes) -> None:
    assert node_auth.hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_tags_are_the_same_only_if_all_bytes_are(one: bytes, other: bytes) -> None:
    assert node_auth.is_same(one, other, 0) == (one == other)

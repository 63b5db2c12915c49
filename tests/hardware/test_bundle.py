"""Building and signing an update, and the node's own check of the signature against another implementation."""

import hashlib
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from hardware.bundle.__main__ import app
from hardware.bundle.bundle_writer import make_bundle, sign
from hardware.bundle.firmware_files import firmware_files, source_version
from hardware.bundle.keys import KeyProblemError, load_key, new_key, node_file, save_key
from hardware.rig.machine import run_script
from protocols import bundle

KEY = new_key()
VERIFY = """
import asyncio
from node import update_signature

class Seat:
    def check_in(self):
        pass

async def main():
    for digest, signature, modulus in CASES:
        print(await update_signature.is_signed(digest, signature, modulus, Seat()))

asyncio.run(main())
"""


def verdicts_of_the_node(cases: list[tuple[bytes, bytes, bytes]]) -> list[bool]:
    """What the node makes of (digest, signature, modulus)."""
    files: dict[str, str | bytes] = {**firmware_files(beside=[VERIFY])}
    said = run_script(files, VERIFY.replace("CASES", repr(cases)))
    return [line == "True" for line in said.split()]


def test_the_node_takes_what_cryptography_signs_and_nothing_else() -> None:
    manifest = b"manifest of a test"
    digest = hashlib.sha256(manifest).digest()
    modulus = node_file(KEY)
    good = sign(manifest, KEY)
    n = KEY.public_key().public_numbers().n
    private = KEY.private_numbers().d

    def raw(encoded: bytes) -> bytes:
        return pow(int.from_bytes(encoded, "big"), private, n).to_bytes(384, "big")

    info = bytes.fromhex("3031300d060960864801650304020105000420")
    short_padding = b"\x00\x01" + b"\xff" * 8 + b"\x00" + info + digest
    cases = {
        "good": (digest, good, modulus),
        "other digest": (hashlib.sha256(b"other").digest(), good, modulus),
        "bit flipped": (digest, bytes([good[0] ^ 1]) + good[1:], modulus),
        "other key": (digest, sign(manifest, new_key()), modulus),
        "PSS": (digest, KEY.sign(manifest, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()), modulus),
        "SHA-512": (digest, KEY.sign(manifest, padding.PKCS1v15(), hashes.SHA512()), modulus),
        "short padding, garbage after it": (digest, raw(short_padding.ljust(384, b"\x01")), modulus),
        "no digest info": (digest, raw(b"\x00\x01" + b"\xff" * 349 + b"\x00" + digest), modulus),
        "zero": (digest, bytes(384), modulus),
        "one": (digest, bytes(383) + b"\x01", modulus),
        "the modulus itself": (digest, modulus, modulus),
        "too short": (digest, good[1:], modulus),
        "no key": (digest, good, b""),
        "half a key": (digest, good, modulus[:192]),
    }
    assert dict(zip(cases, verdicts_of_the_node(list(cases.values())))) == {name: name == "good" for name in cases}


def test_the_signature_is_one_that_cryptography_verifies() -> None:
    made = make_bundle({"node/app.mpy": b"x"}, (0, 2, 0), (0, 0, 0), 1, KEY)
    signature = made.content[len(made.manifest) : len(made.manifest) + bundle.SIGNATURE_BYTES]
    KEY.public_key().verify(signature, made.manifest, padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(signature, made.manifest + b"x", padding.PKCS1v15(), hashes.SHA256())


def test_equal_sources_give_an_equal_bundle() -> None:
    files = firmware_files((0, 2, 0))
    first = make_bundle(files, (0, 2, 0), (0, 1, 0), 1, KEY)
    assert make_bundle(dict(reversed(files.items())), (0, 2, 0), (0, 1, 0), 1, KEY) == first
    assert bundle.check(first.manifest, 1, first.manifest[18], 0) == 0


def test_the_commands_make_a_key_and_a_bundle(tmp_path: Path) -> None:
    key, public, out = tmp_path / "city.pem", tmp_path / "update.key", tmp_path / "new.gpb"
    runner = CliRunner()
    assert runner.invoke(app, ["key", str(key), str(public)]).exit_code == 0
    assert key.stat().st_mode & 0o077 == 0
    assert public.stat().st_size == bundle.SIGNATURE_BYTES
    again = runner.invoke(app, ["key", str(key), str(public)])
    assert again.exit_code == 1
    built = runner.invoke(app, ["build", "--key", str(key), "--version", "9.8.7", "--out", str(out)])
    assert built.exit_code == 0, built.output
    content = out.read_bytes()
    assert bundle.version(content) == 9 << 24 | 8 << 16 | 7
    assert bundle.check_head(content, len(content)) == 0
    assert f"{len(content)} bytes" in built.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--version", "1.2"], "is no version"),
        (["--version", "1.2.3", "--minimum", "2.0.0"], "no node takes that"),
        (["--key", "/nowhere/key.pem"], "cannot be read"),
        (["--board", "no-such-board"], "no-such-board"),
        (["--out", "/dev/null/new.gpb"], "cannot be written"),
    ],
)
def test_words_that_are_off_are_told(tmp_path: Path, words: list[str], said: str) -> None:
    key = tmp_path / "city.pem"
    save_key(KEY, key, None)
    done = CliRunner().invoke(app, ["build", "--key", str(key), *words])
    assert done.exit_code != 0
    assert said in done.output


def test_the_file_of_a_node_that_trusts_two_keys(tmp_path: Path) -> None:
    first, second, public = tmp_path / "first.pem", tmp_path / "second.pem", tmp_path / "both.key"
    save_key(KEY, first, None)
    other = new_key()
    save_key(other, second, None)
    runner = CliRunner()
    assert runner.invoke(app, ["trust", str(public), str(first), str(second)]).exit_code == 0
    assert public.read_bytes() == node_file(KEY, other)
    assert runner.invoke(app, ["trust", str(public), *[str(first)] * 3]).exit_code == 2
    wrong = runner.invoke(app, ["trust", str(public), str(public)])
    assert wrong.exit_code == 1
    assert "is no private key" in wrong.output


def test_a_key_is_written_wholly_or_not_at_all(tmp_path: Path) -> None:
    runner = CliRunner()
    for private, public in (("/dev/null/city.pem", tmp_path / "update.key"), (tmp_path / "city.pem", "/dev/null/k")):
        done = runner.invoke(app, ["key", str(private), str(public)])
        assert done.exit_code == 1
        assert "cannot be written" in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    short, curve, locked = tmp_path / "short.pem", tmp_path / "curve.pem", tmp_path / "locked.pem"
    save_key(rsa.generate_private_key(65537, 2048), short, None)
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    curve.write_bytes(pem)
    save_key(KEY, locked, "secret")
    for path, password in ((short, None), (curve, None), (locked, None), (locked, "wrong")):
        with pytest.raises(KeyProblemError):
            load_key(path, password)
    assert load_key(locked, "secret").private_numbers() == KEY.private_numbers()


def test_a_version_is_that_of_the_sources_unless_told_otherwise() -> None:
    files = firmware_files()
    assert files == firmware_files(source_version())
    assert files != firmware_files((9, 9, 9))

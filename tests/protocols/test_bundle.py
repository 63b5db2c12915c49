"""The manifest of an update bundle: what is taken and what is refused."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hardware.bundle.firmware_files import BYTECODE
from hardware.bundle.manifest_writer import make_manifest
from protocols import bundle, update_codes, update_names

FILES = {"node/app.mpy": b"app", "node/__init__.mpy": b"", "protocols/crc.mpy": b"crc16"}
BOARD = 3


def manifest_of(files: dict[str, bytes] = FILES) -> bytes:
    return make_manifest(files, (1, 2, 3), (1, 0, 0), BOARD)


def test_a_manifest_says_what_was_put_into_it() -> None:
    manifest = manifest_of()
    assert bundle.version(manifest) == 1 << 24 | 2 << 16 | 3
    assert bundle.minimum(manifest) == 1 << 24
    assert bundle.manifest_bytes(manifest) == len(manifest)
    assert bundle.content_bytes(manifest) == 8
    at, names = bundle.HEAD_BYTES, []
    for _ in range(bundle.file_count(manifest)):
        names.append(bundle.name_at(manifest, at).decode())
        assert bundle.length_at(manifest, at) == len(FILES[names[-1]])
        at = bundle.next_at(manifest, at)
    assert names == sorted(FILES)
    assert bundle.check_head(manifest, len(manifest) + bundle.SIGNATURE_BYTES + 8) == 0
    assert bundle.check(manifest, BOARD, BYTECODE, 1 << 24) == 0


def test_a_manifest_for_others_is_refused_with_its_reason() -> None:
    manifest = manifest_of()
    assert bundle.check(manifest, BOARD + 1, BYTECODE, 0) == update_codes.OTHER_BOARD
    assert bundle.check(manifest, BOARD, BYTECODE + 1, 0) == update_codes.OTHER_BYTECODE
    assert bundle.check(manifest, BOARD, BYTECODE, bundle.version(manifest) + 1) == update_codes.TOO_OLD
    assert bundle.check_head(manifest, len(manifest)) == update_codes.WRONG_LENGTH
    contrary = make_manifest(FILES, (1, 0, 0), (1, 0, 1), BOARD)
    assert bundle.check(contrary, BOARD, BYTECODE, 0) == update_codes.TOO_OLD


@given(st.binary(max_size=60))
def test_only_plain_module_names_are_paths(name: bytes) -> None:
    for path in (name, b"node/" + name, b"node/" + name + b".mpy"):
        if bundle.is_path(b"##" + path + b"#", 2, 2 + len(path)):
            folder, _, module = path.decode("ascii").partition("/")
            assert folder in ("node", "protocols")
            assert module.removesuffix(".mpy").replace("_", "a").isalnum()
            assert "/" not in module
            assert "." not in module.removesuffix(".mpy")


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=2, max_size=5))
def test_entries_must_stand_in_rising_order(names: list[bytes]) -> None:
    stems = [bytes(97 + byte % 3 for byte in name) for name in names]
    paths = [b"node/" + stem + b".mpy" for stem in stems]
    entries = b"".join(bytes(36) + bytes([len(path)]) + path for path in paths)
    manifest = bytearray(manifest_of()[: bundle.HEAD_BYTES])
    manifest[5] = len(paths)
    manifest[6:8] = (bundle.HEAD_BYTES + len(entries)).to_bytes(2, "big")
    manifest[20:24] = bytes(4)
    is_rising = all(earlier < later for earlier, later in itertools.pairwise(paths))
    reason = bundle.check(manifest + entries, BOARD, BYTECODE, 0)
    assert reason == (0 if is_rising else update_codes.BAD_PATH)


@given(st.binary(min_size=bundle.HEAD_BYTES, max_size=400), st.integers(0, 2**32 - 1))
def test_any_bytes_give_a_reason_and_never_an_error(content: bytes, total: int) -> None:
    assert bundle.check_head(content, total) in update_names.REASONS


@given(st.data())
def test_a_signed_manifest_with_any_entries_gives_a_reason_and_never_an_error(data: st.DataObject) -> None:
    manifest = bytearray(manifest_of())
    for _ in range(data.draw(st.integers(1, 8))):
        manifest[data.draw(st.integers(8, len(manifest) - 1))] = data.draw(st.integers(0, 255))
    assert bundle.check(manifest, BOARD, BYTECODE, 0) in update_names.REASONS


def test_every_reason_has_a_sentence_and_every_state_a_name() -> None:
    reasons = {
        number
        for name, number in vars(update_codes).items()
        if name.isupper() and name not in ("BEGIN", "TRY", "ABANDON")
    }
    assert reasons <= set(update_names.REASONS)
    assert update_names.STATES[update_codes.WENT_BACK] == "went-back"

"""The NVS partition: what the generator writes is what our own reader, and so the node, finds."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.flash.identity import KEY, NAMESPACE, PAGE_BYTES, factory_bytes, nvs_image, read_nvs
from hardware.flash.node_file import NodeOrder
from protocols import factory_record

KEYS = st.one_of(st.none(), st.binary(min_size=32, max_size=32))
TERMINALS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=32)
ORDER = NodeOrder("110108-0004711", "esp32-devkitc", node_key=bytes(range(32)), broadcast_key=bytes(32))


@given(terminal=TERMINALS, node_key=KEYS, broadcast_key=KEYS, pages=st.integers(3, 6))
def test_every_identity_comes_back_whole(
    terminal: str, node_key: bytes | None, broadcast_key: bytes | None, pages: int
) -> None:
    order = NodeOrder(terminal, "esp32-devkitc", node_key=node_key, broadcast_key=broadcast_key)
    image = nvs_image(order, pages * PAGE_BYTES)
    assert len(image) == pages * PAGE_BYTES
    assert image == nvs_image(order, pages * PAGE_BYTES)
    found = read_nvs(image)
    assert found == {(NAMESPACE, KEY): factory_bytes(order)}
    record = factory_bytes(order)
    assert factory_record.field(record, factory_record.TERMINAL_CODE) == terminal.encode()
    assert factory_record.field(record, factory_record.NODE_KEY) == node_key
    assert factory_record.field(record, factory_record.BROADCAST_KEY) == broadcast_key


@given(at=st.integers(0, 3 * PAGE_BYTES - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_never_gives_another_identity(at: int, bit: int) -> None:
    image = bytearray(nvs_image(ORDER, 3 * PAGE_BYTES))
    image[at] ^= 1 << bit
    assert read_nvs(bytes(image)).get((NAMESPACE, KEY)) in (None, factory_bytes(ORDER))


@given(st.binary(max_size=2 * PAGE_BYTES))
def test_any_bytes_are_read_to_an_end(data: bytes) -> None:
    assert isinstance(read_nvs(data), dict)


def test_an_erased_partition_holds_nothing() -> None:
    assert read_nvs(b"\xff" * 4 * PAGE_BYTES) == {}


def test_keys_do_not_show_in_an_order() -> None:
    assert "00010203" not in repr(ORDER).replace("\\x", "")
    assert "node_key" not in repr(ORDER)

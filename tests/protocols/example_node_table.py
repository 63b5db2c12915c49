"""Node tables and answers made for tests."""

import struct

from protocols import node_table, quality
from protocols.node_table_writer import NodeTableWriter

UNLISTED = -128


def example_table() -> bytes:
    """Two Modbus devices with a point of every kind, a device of pins, and a lamp."""
    writer = NodeTableWriter(9600, "E", 2)
    meter = writer.add_device(2000, unit=7, reply_timeout_ms=200, gap_ms=20, retries=2)
    writer.add_request(7, 4, 0x0100, 20)
    writer.add_point("u16", -1, 800, 2600, register=0, sentinels=(0xFFFF,))
    writer.add_point("s16", -1, -400, 800, register=1, sentinels=(0x7FFF, 0x8000))
    writer.add_point("u32", 0, 0, 9999999999, register=2, little=True)
    writer.add_point("s32", -2, -(2**31), 2**31 - 1, register=4)
    writer.add_point("f32", -2, -1000000, 1000000, register=6)
    writer.add_point("u48", 0, 0, 2**31 - 1, register=8, sentinels=(0xFFFFFFFFFFFF,))
    writer.add_point("u64", 0, 0, 2**31 - 1, register=11, little=True)
    writer.add_point("bool", 0, 0, 1, parts=((15, 3, 1),), inverted=True)
    writer.add_point("u16", -1, 0, 1000, register=16, zero_means_retry=True)
    writer.add_point("u16", -2, -4000, 8500, register=17, offset=-4000)
    writer.add_point("f32", -6, -1000000, 1000000, register=18, little=True)
    writer.add_device(
        60000, unit=9, reply_timeout_ms=300, gap_ms=50, retries=1, warm_up_s=30, zero_tries=5, zero_wait_ms=2000
    )
    writer.add_request(10, 3, 0, 6)
    status = writer.lookup(5, 0, 8, {0: quality.WARMING_UP, 1: quality.GOOD, 4: quality.GOOD}, quality.FAULT)
    decimals = writer.lookup(0, 8, 4, {0: 0, 4: -1, 8: -2, 12: -3}, UNLISTED)
    unit_code = writer.lookup(0, 12, 4, {2: 0, 4: 2}, UNLISTED)
    parts = ((0, 6, 2), (1, 0, 16))
    writer.add_point("bits", -1, 0, 100000, parts=parts, status=status, decimals=decimals, unit_code=unit_code)
    writer.add_device(1000)
    writer.add_pin(32, True, "up", 50, True)
    writer.add_pin(33, False, "down", 0, False)
    writer.set_lamp(meter, 7, 6, 3000, 0, 7, 3, 3004, 500, tuple(min(2 * level, 199) for level in range(101)))
    return writer.table()


def answer(*registers: int) -> bytes:
    """Registers as they go on the wire."""
    return struct.pack(f">{len(registers)}H", *registers)


def meter_answer(**registers: int) -> bytes:
    """An answer of the first device of plausible values, some of its registers (`r0` to `r19`) changed."""
    words = [0] * 20
    words[0], words[16], words[17] = 2300, 500, 6500
    for name, value in registers.items():
        words[int(name[1:])] = value
    return answer(*words)


def gas_answer(unit: int, decimals: int, concentration: int, status: int) -> bytes:
    """An answer of the second device."""
    head = unit << 12 | decimals << 8 | concentration >> 16 << 6
    return answer(head, concentration & 0xFFFF, 0, 0, 0, status)


def outcome(table: bytes, slot: int, registers: bytes) -> tuple[int, int, bool]:
    """Value, quality and whether it is to be asked again, read out of the middle of a larger buffer."""
    from array import array

    values = array("i", [12345] * node_table.slot_count(table))
    qualities = bytearray([quality.NEVER] * node_table.slot_count(table))
    frame = b"\xaa\xbb\xcc" + registers + b"\xdd\xee"
    again = node_table.decode_point(table, slot, frame, 3, values, qualities)
    others = [index for index in range(len(values)) if index != slot]
    assert all(values[index] == 12345 and qualities[index] == quality.NEVER for index in others)
    return values[slot], qualities[slot], again

"""Whether the entries of a node table stay inside the table and inside the answers they read; see `node_table`."""

from protocols import node_table_layout as layout
from protocols import quality
from protocols.errors import VALUE, WireError
from protocols.node_table_layout import point_at, s8, u16

_REGISTERS = (1, 1, 2, 2, 2, 3, 4)
_MAX_F32_DIGITS = 6
_MAX_POWER = 9
_FIRST_INPUT_ONLY = 34
_LEAST_BAUD = 1200
_MOST_BAUD = 115200


def check_entries(table: bytes) -> None:
    """Raises WireError(VALUE), its detail the place of the first entry that leads astray.

    The table has a whole header and the right length; nothing else is taken for granted.
    """
    sections = (
        (layout.DEVICES_AT, layout.DEVICE_BYTES, table[layout.DEVICE_COUNT_AT]),
        (layout.REQUESTS_AT, layout.REQUEST_BYTES, table[layout.REQUEST_COUNT_AT]),
        (layout.POINTS_AT, layout.POINT_BYTES, table[layout.SLOT_COUNT_AT]),
        (layout.FRAMES_AT, layout.FRAME_BYTES, table[layout.FRAME_COUNT_AT]),
    )
    for at, size, count in sections:
        _demand(u16(table, at) >= layout.HEADER_BYTES and u16(table, at) + size * count <= len(table), at)
    _demand(table[layout.SLOT_COUNT_AT] <= layout.MAX_SLOTS, layout.SLOT_COUNT_AT)
    # Without a sensor bus its line has no speed; a pole bus that cannot be opened would put the node out of reach.
    for at in (layout.BAUD_AT, layout.POLE_BAUD_AT):
        baud = layout.u32(table, at)
        _demand(_LEAST_BAUD <= baud <= _MOST_BAUD or (baud == 0 and at == layout.BAUD_AT), at)
    for at in (layout.STOP_BITS_AT, layout.POLE_STOP_BITS_AT):
        _demand(1 <= table[at] <= 2, at)
    _demand(table[layout.PARITY_AT] <= layout.PARITY_ODD, layout.PARITY_AT)
    _demand(1 <= table[layout.NODE_UNIT_AT] <= 247, layout.NODE_UNIT_AT)
    _demand(table[layout.POLE_PARITY_AT] <= layout.PARITY_ODD, layout.POLE_PARITY_AT)
    for at in (layout.DIMMER_PIN_AT, layout.RELAY_PIN_AT):
        _demand(table[at] == 0 or (table[at] < _FIRST_INPUT_ONLY and u16(table, layout.LAMP_AT) == 0), at)
    for frame in range(table[layout.FRAME_COUNT_AT]):
        _check_frame(table, u16(table, layout.FRAMES_AT) + frame * layout.FRAME_BYTES)
    for device in range(table[layout.DEVICE_COUNT_AT]):
        _check_device(table, u16(table, layout.DEVICES_AT) + device * layout.DEVICE_BYTES)
    for request in range(table[layout.REQUEST_COUNT_AT]):
        _check_request(table, u16(table, layout.REQUESTS_AT) + request * layout.REQUEST_BYTES)
    for slot in range(table[layout.SLOT_COUNT_AT]):
        _check_point(table, point_at(table, slot))
    if u16(table, layout.LAMP_AT):
        _check_lamp(table, u16(table, layout.LAMP_AT))
    if u16(table, layout.MANHOLE_AT):
        _check_manhole(table, u16(table, layout.MANHOLE_AT))


def _demand(right: bool, at: int) -> None:
    if not right:
        raise WireError(VALUE, at)


def _check_device(table: bytes, at: int) -> None:
    _demand(table[at + 16] + table[at + 17] <= table[layout.REQUEST_COUNT_AT], at + 16)
    _demand(table[at + 18] + table[at + 19] <= table[layout.SLOT_COUNT_AT], at + 18)
    _demand(u16(table, at + 4) < 0x4000 and (u16(table, at + 4) or u16(table, at + 6)) != 0, at + 4)


def _check_request(table: bytes, at: int) -> None:
    _demand(table[at] < table[layout.DEVICE_COUNT_AT], at)
    _demand(table[at + 2] in (0, 3, 4), at + 2)
    if table[at + 2] == 0:
        _demand(u16(table, at + 4) < table[layout.FRAME_COUNT_AT], at + 4)
        frame = u16(table, layout.FRAMES_AT) + u16(table, at + 4) * layout.FRAME_BYTES
        if table[frame] != layout.SENTENCE:
            _demand(table[frame + layout.FRAME_ORIGIN] + 2 * table[at + 3] <= table[frame + layout.FRAME_LEAST], at + 3)
    _demand(1 <= table[at + 3] <= 125 and u16(table, at + 4) + table[at + 3] <= 0x10000, at + 3)
    _demand(table[at + 6] + table[at + 7] <= table[layout.SLOT_COUNT_AT], at + 6)
    for slot in range(table[at + 6], table[at + 6] + table[at + 7]):
        point = point_at(table, slot)
        _demand(at == u16(table, layout.REQUESTS_AT) + table[point + 23] * layout.REQUEST_BYTES, point + 23)


def _check_point(table: bytes, at: int) -> None:
    kind = table[at]
    _demand(kind <= layout.FIELD, at)
    _demand(table[at + 22] < table[layout.DEVICE_COUNT_AT], at + 22)
    if kind == layout.ANALOG:
        _demand(u16(table, at + 20) > 0, at + 20)
    if layout.PIN <= kind <= layout.TILT:
        return
    _demand(table[at + 23] < table[layout.REQUEST_COUNT_AT], at + 23)
    _demand(_is_of_sentence(table, table[at + 23]) == (kind == layout.FIELD), at + 23)
    if kind == layout.FIELD:
        _demand(table[at + 12] <= layout.TEXT_TIME and table[at + 2] > 0, at + 12)
        _demand(-_MAX_F32_DIGITS <= s8(table, at + 3) <= 0, at + 3)
        return
    _demand(table[at + 19] <= table[at + 15], at + 19)
    count = table[u16(table, layout.REQUESTS_AT) + table[at + 23] * layout.REQUEST_BYTES + 3]
    if kind < layout.BITS:
        _demand(table[at + 2] + _REGISTERS[kind] <= count, at + 2)
    if kind == layout.F32:
        _demand(-_MAX_F32_DIGITS <= s8(table, at + 3) <= 0, at + 3)
    parts = u16(table, layout.PARTS_AT) + table[at + 12] * layout.PART_BYTES
    _demand(parts + table[at + 13] * layout.PART_BYTES <= len(table), at + 12)
    width = 0
    for part in range(parts, parts + table[at + 13] * layout.PART_BYTES, layout.PART_BYTES):
        _check_bits(table, part, count)
        width += (table[part + 1] & 15) + 1
    _demand(width <= 32, at + 13)
    sentinels = u16(table, layout.SENTINELS_AT) + (table[at + 14] + table[at + 15]) * layout.SENTINEL_BYTES
    _demand(sentinels <= len(table), at + 14)
    least = most = -s8(table, at + 3)
    for index in range(at + 16, at + 19):
        if table[index] == layout.NONE:
            continue
        lookup = u16(table, layout.LOOKUPS_AT) + table[index] * layout.LOOKUP_BYTES
        _check_lookup(table, lookup, count)
        meanings = _meanings(table, lookup)
        if index == at + 16:
            _demand(min(meanings) >= 0 and max(meanings) < len(quality.NAMES), lookup)
        else:
            meanings = [meaning for meaning in meanings if meaning != layout.UNLISTED]
            _demand(len(meanings) > 0, lookup)
            least += min(meanings)
            most += max(meanings)
    if kind != layout.F32 and (table[at + 17] != layout.NONE or table[at + 18] != layout.NONE):
        _demand(least >= -_MAX_POWER and most <= _MAX_POWER, at + 3)


def _check_bits(table: bytes, at: int, count: int) -> None:
    """A part or the head of a lookup: register offset, lowest bit << 4 | width - 1."""
    _demand(table[at] < count and (table[at + 1] >> 4) + (table[at + 1] & 15) <= 15, at)


def _check_lookup(table: bytes, at: int, count: int) -> None:
    _demand(at + layout.LOOKUP_BYTES <= len(table), at)
    _check_bits(table, at, count)
    codes = u16(table, layout.CODES_AT) + (u16(table, at + 4) + table[at + 3]) * layout.CODE_BYTES
    _demand(codes <= len(table), at + 4)


def _meanings(table: bytes, lookup: int) -> list[int]:
    """The meaning for unlisted codes and those of the listed ones."""
    # MicroPython has no starred items in a list.
    codes = u16(table, layout.CODES_AT) + u16(table, lookup + 4) * layout.CODE_BYTES
    listed = [s8(table, codes + index * layout.CODE_BYTES + 2) for index in range(table[lookup + 3])]
    return [s8(table, lookup + 2)] + listed


def _check_lamp(table: bytes, at: int) -> None:
    _demand(at >= layout.HEADER_BYTES and at + layout.LAMP_BYTES <= len(table), layout.LAMP_AT)
    _demand(table[at] < table[layout.DEVICE_COUNT_AT], at)
    _demand(table[at + 2] in (6, 16) and table[at + 9] in (3, 4), at + 2)
    _demand(table[at + 3] < table[layout.SLOT_COUNT_AT], at + 3)


def _is_of_sentence(table: bytes, request: int) -> bool:
    at = u16(table, layout.REQUESTS_AT) + request * layout.REQUEST_BYTES
    frame = u16(table, at + 4)
    if table[at + 2] != 0 or frame >= table[layout.FRAME_COUNT_AT]:
        return False
    return table[u16(table, layout.FRAMES_AT) + frame * layout.FRAME_BYTES] == layout.SENTENCE


def _check_frame(table: bytes, at: int) -> None:
    kind = table[at]
    least = table[at + layout.FRAME_LEAST]
    _demand(kind <= layout.SENTENCE and 1 <= table[at + layout.FRAME_SYNC_COUNT] <= 4, at)
    _demand(table[at + layout.FRAME_ORIGIN] <= 1, at + layout.FRAME_ORIGIN)
    _demand(4 <= least <= table[at + layout.FRAME_MOST] <= layout.FRAME_MAX_BYTES, at + layout.FRAME_LEAST)
    _demand(max(table[at + 19], table[at + 40]) <= layout.FRAME_COMMAND_BYTES, at + layout.FRAME_REQUEST_COUNT)
    _demand(table[at + layout.FRAME_TAIL_COUNT] <= 2, at + layout.FRAME_TAIL_COUNT)
    check = table[at + layout.FRAME_CHECK]
    _demand(check <= layout.XOR_HEX and (check == layout.XOR_HEX) == (kind == layout.SENTENCE), at + 12)
    if kind == layout.SENTENCE:
        _demand(table[at + layout.FRAME_SYNC_COUNT] == 3 and least >= 10, at + layout.FRAME_SYNC_COUNT)
        return
    _demand(kind == layout.STREAMING or table[at + layout.FRAME_REQUEST_COUNT] > 0, at + layout.FRAME_REQUEST_COUNT)
    width = table[at + layout.FRAME_LENGTH_WIDTH]
    if table[at + layout.FRAME_LENGTH_AT] != layout.NONE:
        _demand(width in (1, 2) and table[at + layout.FRAME_LENGTH_AT] + width <= least, at + layout.FRAME_LENGTH_AT)
    for length in (least, table[at + layout.FRAME_MOST]):
        place = _from_end(table, at + layout.FRAME_CHECK_AT, length)
        end = _from_end(table, at + layout.FRAME_CHECK_TO, length)
        _demand(0 <= place <= length - (2 if check == layout.SUM16 else 1), at + layout.FRAME_CHECK_AT)
        _demand(table[at + layout.FRAME_CHECK_FROM] < end <= length, at + layout.FRAME_CHECK_FROM)


def _from_end(table: bytes, at: int, length: int) -> int:
    place = s8(table, at)
    return place + length if place < 0 else place


def _check_manhole(table: bytes, at: int) -> None:
    _demand(at >= layout.HEADER_BYTES and at + layout.MANHOLE_BYTES <= len(table), layout.MANHOLE_AT)
    rules = at + layout.MANHOLE_BYTES
    end = rules + table[at + layout.MANHOLE_RULES] * layout.RULE_BYTES
    _demand(end <= len(table) and table[at + layout.MANHOLE_RULES] <= 16, at + layout.MANHOLE_RULES)
    cover = table[at + layout.MANHOLE_COVER]
    _demand(cover == layout.NONE or cover < table[layout.SLOT_COUNT_AT], at)
    _demand(100 <= u16(table, at + layout.MANHOLE_FILTER_MS) <= 60000, at + layout.MANHOLE_FILTER_MS)
    for rule in range(rules, end, layout.RULE_BYTES):
        _demand(table[rule] < table[layout.SLOT_COUNT_AT] and table[rule + 1] < 16, rule)

"""The devices in a report at the console: one line for each device of the node table, with how its last poll went."""

from node import console, console_sheet
from protocols import node_table, quality


async def tell(sheet: console_sheet.Sheet, node: console.Console) -> None:
    """Put a line for each device; in safe mode and without a table there is none to be told."""
    if node.table is None or node.poller is None:
        return
    for device in range(node_table.device_count(node.table)):
        await sheet.put("device %d" % device, _device(node.table, device, node.core.slots.qualities))


def _device(table: bytes, device: int, qualities: bytearray) -> str:
    first = node_table.device_first_slot(table, device)
    count = node_table.device_slot_count(table, device)
    found = qualities[first : first + count]
    text = (
        "unit %d" % node_table.device_unit(table, device) if node_table.device_request_count(table, device) else "pins"
    )
    text += " %s, %d of %d points good" % (_standing(found), _count(found, quality.GOOD), count)
    warming = _count(found, quality.WARMING_UP)
    return text + ", %d warming up" % warming if warming else text


def _standing(qualities: bytearray) -> str:
    """What the worst of its points says of the device."""
    if _count(qualities, quality.NO_ANSWER):
        return "silent"
    if _count(qualities, quality.BAD_ANSWER):
        return "garbled"
    return "waiting" if _count(qualities, quality.NEVER) else "answered"


def _count(qualities: bytearray, wanted: int) -> int:
    found = 0
    for one in qualities:
        if one == wanted:
            found += 1
    return found

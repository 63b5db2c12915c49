"""Kits and results for programs: JSON objects, and CSV for table programs."""

import csv
import io
from pathlib import Path
from typing import Any

from hardware.kit.kit_file import Kit
from hardware.kit.results import Merged, OrderResult, State


def csv_bytes(merged: Merged) -> bytes:
    """The orders with what became of them as CSV, which table programs read as UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(_row(merged.orders[0])), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_row(one) for one in merged.orders)
    return text.getvalue().encode("utf-8-sig")


def _row(one: OrderResult) -> dict[str, Any]:
    order, last = one.order, one.last
    return {
        "terminal": order.terminal,
        "type": order.type,
        "pole": order.pole,
        "gateway": order.gateway,
        "node": order.node,
        "board": order.board,
        "mount": order.mount,
        "state": str(one.state),
        "mac": one.mac or "",
        "at": "" if last is None else last.record.at or "",
        "tries": len(one.tries),
        "reason": one.reason,
        "where": "" if last is None else last.place,
    }


def plain_merged(merged: Merged) -> dict[str, Any]:
    """What became of the orders, ready for JSON."""
    strangers = [
        {"where": one.place, "terminal": one.record.terminal, "result": one.record.result, "why": why}
        for one, why in merged.strangers
    ]
    return {
        "finished": merged.is_finished,
        **{str(state): merged.count(state) for state in State},
        "orders": [{**_row(one), "devices": one.order.as_plain()["devices"]} for one in merged.orders],
        "not_counted": strangers,
        "warnings": list(merged.warnings),
    }


def plain_kit(kit: Kit, path: Path) -> dict[str, Any]:
    """What is in a kit, ready for JSON."""
    contents = kit.contents
    return {
        "file": str(path),
        "kit": kit.kit_id,
        "made_by": contents.made_by,
        "order_count": len(kit.orders()),
        "guarded": sum(order.has_node_key for order in kit.orders()),
        "locked": kit.is_locked,
        "images": [{"name": image.name, "sha256": image.sha256, "known": image.is_known} for image in kit.images()],
        "firmware": {board: one.version_text for board, one in contents.applications.items()},
        "profiles": list(kit.profiles()),
        "update_key": contents.update_key is not None,
    }

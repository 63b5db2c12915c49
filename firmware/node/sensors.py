"""Which of the sensor modules a node table needs, and putting them together: none of them is loaded without need."""

from node import client, core, line, poller
from protocols import node_table
from protocols import node_table_layout as layout


def modules(table: bytes) -> "tuple[str, ...]":
    """The modules that the table needs, to be loaded one after the other."""
    found = ("frames",) if node_table.frame_count(table) else ()
    if _watches_cover(table):
        found += ("manhole", "cover_angle", "lis3dh", "cover_watch")  # type: ignore[assignment]
    if node_table.has_type(table, layout.ANALOG, layout.TILT):
        found += ("own_points",)  # type: ignore[assignment]
    return found


def open_bus(table: bytes, sensor_line: line.Line) -> client.Client:
    """What the second UART is: the sensor bus, or the reader of a serial sensor."""
    if not node_table.frame_count(table):
        return client.Client(sensor_line)
    from node import frames

    return frames.FrameReader(sensor_line, table)


def watch_cover(table: bytes, node_core: core.Core):  # type: ignore[no-untyped-def]
    """What watches a cover or a manhole, a `cover_watch.CoverWatch`; None on a node that has neither."""
    if not _watches_cover(table):
        return None
    from node import cover_watch

    watch = cover_watch.CoverWatch(table, node_core.slots, node_core.events, node_core.clock)
    if watch.manhole is not None:
        from node import manhole_registers

        manhole_registers.ManholeRegisters(node_core.registers, watch.manhole)
    return watch


def open_own_points(table: bytes, node_core: core.Core, node_poller: poller.Poller, cover) -> None:  # type: ignore[no-untyped-def]
    """Let the poller sample what the node measures itself; `cover` is what `watch_cover` gave."""
    if not node_table.has_type(table, layout.ANALOG, layout.TILT):
        return
    from node import own_points

    angle = None if cover is None else cover.angle
    node_poller.own_points = own_points.OwnPoints(table, node_core.slots, angle)  # type: ignore[assignment]


def _watches_cover(table: bytes) -> bool:
    return node_table.has_manhole(table) or node_table.has_type(table, layout.TILT, layout.TILT)

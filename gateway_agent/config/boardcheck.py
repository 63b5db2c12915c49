"""Checks of a pole.toml against the boards of its nodes: which pins there are, which port carries what."""

from collections.abc import Iterable, Iterator, Sequence

from gateway_agent.boards import Board, UnknownBoardError, load_board
from gateway_agent.boards.rules import INPUT_ONLY
from gateway_agent.config.crosscheck import Loc, resolved_devices
from gateway_agent.config.devices import ProfileShelf
from gateway_agent.config.schema import NodeConfig, PoleConfig
from gateway_agent.profiles import Point
from gateway_agent.toml_source import Finding


def check_boards(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """Each node's board exists, carries its buses, and leaves free the pins that its devices use."""
    boards: dict[str, Board] = {}
    for index, node in enumerate(pole.nodes):
        loc: Loc = ("nodes", index)
        try:
            boards[node.name] = load_board(node.board)
        except UnknownBoardError as error:
            yield Finding((*loc, "board"), f"there is no board {node.board}", error.mend)
            continue
        yield from _lines(pole, loc, node, boards[node.name])
    for loc, device, resolved, owner in resolved_devices(pole, shelf):
        if owner is None or owner.name not in boards:
            continue
        board = boards[owner.name]
        for point in resolved.points:
            for gpio, what, free in _needs(point, board):
                if gpio not in free:
                    mend = f"its free ones are {', '.join(map(str, free)) or 'none'}"
                    yield Finding(loc, f"{device.name} needs GPIO{gpio} as {what}, not free on a {owner.board}", mend)
            for pin in (point.pin, point.pulses):
                if pin is not None and pin.pull != "none" and pin.number in INPUT_ONLY:
                    what = f"{device.name} wants GPIO{pin.number} pulled {pin.pull}, which has no resistor for that"
                    yield Finding(loc, what, 'solder one to the input and write pull = "none", or take a pin below 34')


def advise_boards(pole: PoleConfig) -> Iterator[Finding]:
    """Sensor buses on a board whose one transceiver is the pole bus."""
    for index, node in enumerate(pole.nodes):
        port = load_board(node.board).sensor_port
        if node.sensor_bus is not None and port.transceiver == "none":
            what = f"{node.name}: the one transceiver of a {node.board} is the pole bus, its sensor bus has none"
            mend = f"hang one that turns round by itself on GPIO{port.tx} and GPIO{port.rx}, or read a serial sensor"
            yield Finding(("nodes", index, "sensor_bus"), what, mend)


def _needs(point: Point, board: Board) -> Iterator[tuple[int, str, Sequence[int]]]:
    """Each pin that a point needs, what for, and which pins of the board are free for that."""
    if point.pin is not None:
        yield point.pin.number, "an input", board.free.inputs
    if point.pulses is not None:
        yield point.pulses.number, "a pulse input", board.free.inputs
    if point.current is not None:
        yield point.current.number, "an analogue input", board.free.analog
    if point.tilt is not None:
        wires = () if board.i2c is None else (board.i2c.sda, board.i2c.scl)
        both = tuple(sorted({*wires, *(set(board.free.inputs) & set(board.free.outputs))}))
        yield point.tilt.sda, "I2C data", both
        yield point.tilt.scl, "I2C clock", both


def _lines(pole: PoleConfig, loc: Loc, node: NodeConfig, board: Board) -> Iterator[Finding]:
    bus = next((bus for bus in pole.buses if bus.name == node.bus), None)
    lines = [("pole bus", board.pole_bus, bus), ("sensor bus", board.sensor_port, node.sensor_bus)]
    for name, port, line in lines:
        if line is not None and port.max_baud is not None and line.baud > port.max_baud:
            what = f"its {name} runs at {line.baud} baud, the transceiver of a {node.board} carries {port.max_baud}"
            yield Finding((*loc, "board"), what, "slow the bus down, or take another board")

"""From the lines of a work order to orders: each pole is read and checked, each node gets its table.

Everything that is wrong is found before anything is made. What a work order says of a node beside its name is checked
against the pole.toml and changes nothing there: the gateway believes a node only when it runs the table that the
pole.toml makes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from gateway_agent.boards import board_names
from gateway_agent.config import Device, NodeConfig, PoleConfig, ProfileShelf
from gateway_agent.node_keys import KeyFileError, is_open_to_others, read_key
from gateway_agent.profiles.load import profile_directory
from gateway_agent.provision import ProvisionError, digest, node_table
from gateway_agent.toml_source import ConfigError, Problem, load_toml
from gateway_agent.toml_wording import nearest
from hardware.kit.kit_order import Keys, KitDevice, KitOrder
from hardware.kit.pole_shelf import PoleFile, PoleShelf
from hardware.kit.problems import KitProblems
from hardware.kit.work_order import OrderLine, WorkOrder

Progress = Callable[[int, int], None]
_WORDS = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Planned:
    """An order with what is made of it: its `table`, and its pole."""

    order: KitOrder
    table: bytes
    pole: PoleFile


@dataclass(frozen=True, slots=True)
class Plan:
    """All orders of a work order.

    `profiles` are the texts of the profiles that their devices use, by name; `notes` say what is allowed but should be
    known.
    """

    work_order: WorkOrder
    orders: tuple[Planned, ...]
    poles: tuple[PoleFile, ...]
    profiles: dict[str, str]
    notes: tuple[str, ...]

    @property
    def boards(self) -> tuple[str, ...]:
        """The boards that the orders use, sorted."""
        return tuple(sorted({one.order.board for one in self.orders}))

    @property
    def missing_keys(self) -> tuple[Path, ...]:
        """The key files that the poles name and that do not exist."""
        return tuple(dict.fromkeys(path for pole in self.poles for path in pole.missing_keys))


def make_plan(work_order: WorkOrder, folder: Path, must_guard: bool, show: Progress) -> Plan:
    """Check every line against its pole, which is looked for from `folder`; `must_guard` wants a key for every node.

    `show` is told how many of how many lines are done. Raises KitProblems with everything that is wrong.
    """
    shelf, profiles = PoleShelf(), ProfileShelf()
    planned: list[Planned] = []
    problems: list[Problem] = []
    nodes: dict[tuple[Path, str], int] = {}
    texts = _ProfileTexts()
    for done, line in enumerate(work_order.lines):
        show(done, len(work_order.lines))
        try:
            pole = shelf.get(_pole_path(folder, line.pole))
            node = _node(work_order, line, pole)
            place = (pole.path.resolve(), node.name)
            if place in nodes:
                what = f"{node.name} of {line.pole} is ordered on line {nodes[place]} already"
                raise KitProblems([work_order.problem(line.line, what, "each node has one terminal: mend one of them")])
            nodes[place] = line.line
            table = node_table(pole.pole, node.name, profiles)
            devices = [Device(config, profiles.get(config), node, None) for config in node.devices]
            order = _order(line, pole, node, table, [texts.device(one) for one in devices])
            faults = list(_faults(line, order, must_guard, pole))
            problems += [work_order.problem(line.line, what, mend) for what, mend in faults]
            planned.append(Planned(order, table, pole))
        except KitProblems as error:
            problems += error.problems
        except ConfigError as error:
            problems += _pole_problems(work_order, line, error)
        except ProvisionError as error:
            what = f"{line.node} has no table: {'; '.join(str(error).splitlines())}"
            problems.append(work_order.problem(line.line, what, f"mend {line.pole}"))
    show(len(work_order.lines), len(work_order.lines))
    problems += _same_gateways(shelf.poles)
    if problems:
        raise KitProblems(problems)
    notes = (*_unordered(shelf.poles, nodes), *_deaf_to_broadcasts(planned), *_open_keys(shelf.poles))
    return Plan(work_order, tuple(planned), shelf.poles, dict(sorted(texts.by_name.items())), notes)


def read_keys(plan: Plan) -> dict[str, Keys]:
    """The keys of every order that has one, by terminal. The key files must exist by now.

    Raises KitProblems when a key file is not right, or two poles have one key.
    """
    problems: list[Problem] = []
    owners: dict[bytes, str] = {}
    keys: dict[str, Keys] = {}
    for pole in plan.poles:
        try:
            pole.whole()
        except ConfigError as error:
            problems += error.problems
            continue
        for path in dict.fromkeys([*pole.keys_of_nodes.values(), *pole.keys_of_buses.values()]):
            key = _key(path)
            if owners.setdefault(key, str(pole.path)) != str(pole.path):
                what = f"the key in {path} is also one of {owners[key]}"
                problems.append(Problem(str(pole.path), None, what, "give each pole keys of its own"))
    if problems:
        raise KitProblems(problems)
    for one in plan.orders:
        node, bus = one.pole.keys_of_nodes.get(one.order.node), one.pole.keys_of_buses.get(one.order.bus)
        if node is not None or bus is not None:
            keys[one.order.terminal] = Keys(
                None if node is None else _key(node),
                None if bus is None else _key(bus),
            )
    return keys


def _key(path: Path) -> bytes:
    try:
        return read_key(path)
    except KeyFileError as error:
        raise KitProblems([Problem(str(path), None, error.what, error.mend)]) from error


def _pole_path(folder: Path, written: str) -> Path:
    """The path of a pole as the work order writes it; its ending may be left out."""
    path = folder / written
    return path if path.suffix == ".toml" else path.with_name(path.name + ".toml")


def _pole_problems(work_order: WorkOrder, line: OrderLine, error: ConfigError) -> list[Problem]:
    """What is wrong with a pole; where it is the file itself, with the line of the work order that names it."""
    if all(problem.line is None for problem in error.problems):
        return [
            work_order.problem(line.line, f"pole {line.pole}: {problem.what}", f"{problem.mend} ({problem.file})")
            for problem in error.problems
        ]
    return list(error.problems)


def _node(work_order: WorkOrder, line: OrderLine, pole: PoleFile) -> NodeConfig:
    names = [node.name for node in pole.pole.nodes]
    if not line.node and len(names) == 1:
        return pole.pole.nodes[0]
    if line.node in names:
        return pole.pole.node(line.node)
    known = ", ".join(names) or "none"
    if not line.node:
        what, mend = f"no node is named, and {line.pole} has {len(names)}", f"write one of them: {known}"
    else:
        guess = nearest(line.node, names)
        what = f"{line.pole} has no node {line.node}"
        mend = f"did you mean {guess}?" if guess else f"its nodes are: {known}"
    raise KitProblems([work_order.problem(line.line, what, mend)])


def _order(line: OrderLine, pole: PoleFile, node: NodeConfig, table: bytes, devices: list[KitDevice]) -> KitOrder:
    return KitOrder(
        line=line.line,
        terminal=line.terminal,
        type=line.type,
        pole=line.pole,
        gateway=pole.pole.pole.gateway,
        node=node.name,
        board=node.board,
        mount=line.mount,
        settings=dict(line.settings),
        note=line.note,
        unit=node.unit,
        bus=node.bus,
        bus_line=str(pole.pole.bus(node.bus).line),
        table=f"{digest(table):08x}",
        has_node_key=node.name in pole.keys_of_nodes,
        has_broadcast_key=node.bus in pole.keys_of_buses,
        devices=tuple(devices),
    )


def _faults(line: OrderLine, order: KitOrder, must_guard: bool, pole: PoleFile) -> Iterator[tuple[str, str]]:
    """What the line says and the pole does not."""
    if line.board and line.board != order.board:
        what = f"the line says board {line.board}, but {order.node} is a {order.board} in {line.pole}"
        known = board_names()
        guess = None if line.board in known else nearest(line.board, known)
        yield what, f"did you mean {guess}?" if guess else "mend the one that is wrong"
    real = {"unit": str(order.unit), "bus": order.bus, "table": order.table, "baud": _sensor_baud(pole.pole, order)}
    for name, value in line.settings.items():
        if name != "guard" and value.lower() != real[name].lower():
            what = f"settings say {name}={value}, but {order.node} has {name}={real[name]} in {line.pole}"
            yield what, "mend the one that is wrong"
    word = line.settings.get("guard", "").lower()
    if word and word not in _WORDS:
        yield f"settings say guard={word}", "write guard=yes or guard=no"
    elif word == "no" and order.is_guarded:
        what = f"settings say guard=no, but {line.pole} names a key file for {order.node}"
        yield what, "mend the one that is wrong"
    elif not order.is_guarded and (word == "yes" or must_guard or order.has_broadcast_key):
        why = "the line wants guard" if word == "yes" else "--guard wants a key for every node"
        if order.has_broadcast_key and not must_guard and word != "yes":
            why = f"bus {order.bus} has a broadcast_key_file"
        what = f"{why}, but {line.pole} names no key file for {order.node}"
        yield what, f'add key_file = "keys/{order.node}.key" to the node {order.node}; the key is made for you'


def _sensor_baud(pole: PoleConfig, order: KitOrder) -> str:
    line = pole.node(order.node).sensor_bus
    return "none" if line is None else str(line.baud)


def _same_gateways(poles: tuple[PoleFile, ...]) -> Iterator[Problem]:
    """Two files that say they are one pole: somebody copied a file and did not change its name."""
    seen: dict[str, Path] = {}
    for one in poles:
        name = one.pole.pole.gateway
        if name in seen:
            what = f"gateway {name} is also that of {seen[name]}"
            yield Problem(str(one.path), one.source.line_of(("pole", "gateway")), what, "each pole has its own name")
        seen.setdefault(name, one.path)


def _unordered(poles: tuple[PoleFile, ...], nodes: dict[tuple[Path, str], int]) -> Iterator[str]:
    for one in poles:
        left = [node.name for node in one.pole.nodes if (one.path.resolve(), node.name) not in nodes]
        if left:
            yield f"{one.path}: no line orders {', '.join(left)}"


def _open_keys(poles: tuple[PoleFile, ...]) -> Iterator[str]:
    for path in (path for one in poles for path in (*one.keys_of_buses.values(), *one.keys_of_nodes.values())):
        if is_open_to_others(path):
            yield f"other users of this computer may read the key in {path}: chmod 600 it"


def _deaf_to_broadcasts(planned: list[Planned]) -> Iterator[str]:
    """A node with a key takes no guarded broadcast without that of its bus (protocols/spec/node-auth.md)."""
    deaf = {
        (str(one.pole.path), one.order.bus): None
        for one in planned
        if one.order.has_node_key and not one.order.has_broadcast_key
    }
    for path, bus in deaf:
        yield (
            f"{path}: its nodes have keys, but bus {bus} names no broadcast_key_file: they will take no command that "
            "is meant for all of them at once"
        )


class _ProfileTexts:
    """The text of each profile that is used; two files of one name get two names."""

    def __init__(self) -> None:
        self.by_name: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def device(self, device: Device) -> KitDevice:
        """What an order tells of a device."""
        profile = device.profile
        name = self._name(device.config.profile)
        return KitDevice(device.name, profile.profile.device.model, name, device.config.unit, len(profile.points))

    def _name(self, named: str) -> str:
        if named not in self._names:
            path = Path(named) if named.endswith(".toml") else profile_directory() / f"{named}.toml"
            text, stem = load_toml(path).text, path.stem
            candidates = chain([stem], (f"{stem}-{number}" for number in count(2)))
            name = next(one for one in candidates if self.by_name.get(one, text) == text)
            self.by_name[name] = text
            self._names[named] = name
        return self._names[named]

"""Where the orders come from: one node file, a folder of them, or a kit; and what belongs to each of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway_agent.toml_wording import nearest
from hardware.flash.application import Application, build_application
from hardware.flash.images import FirmwareImage
from hardware.flash.layout import FlashPlan, make_plan
from hardware.flash.node_file import NodeOrder, read_node_file
from hardware.flash.problem import FlashProblem, Kind
from hardware.kit.kit_file import Kit


@dataclass(frozen=True, slots=True)
class Job:
    """One order with all that goes onto its board; `kit` is the id of the kit it comes from."""

    order: NodeOrder
    image: FirmwareImage
    application: Application
    plan: FlashPlan
    kit: str | None = None


@dataclass(slots=True)
class OrderBook:
    """The orders in their sequence, by terminal code; each is laid out when it is needed, the firmware once a board.

    `image` is what all of them get; `application_of` gives the firmware for a board; `kit` is the id of their kit.
    """

    image: FirmwareImage
    application_of: Callable[[str], Application]
    _orders: Mapping[str, Callable[[], NodeOrder]]
    kit: str | None = None
    _applications: dict[str, Application] = field(default_factory=dict)
    _last: Job | None = None

    @property
    def terminals(self) -> tuple[str, ...]:
        """The terminal codes in the sequence of the orders."""
        return tuple(self._orders)

    def job(self, terminal: str) -> Job:
        """The order for a terminal. Raises FlashProblem(FILES) when there is none, and what its files raise."""
        if terminal not in self._orders:
            guess = nearest(terminal, list(self._orders))
            mend = (
                f"did you mean {guess}?" if guess else f"the first of {len(self._orders)} is {next(iter(self._orders))}"
            )
            raise FlashProblem(Kind.FILES, f"there is no order for {terminal}", mend)
        if self._last is None or self._last.order.terminal != terminal:
            order = self._orders[terminal]()
            if order.board not in self._applications:
                self._applications[order.board] = self.application_of(order.board)
            application = self._applications[order.board]
            self._last = Job(order, self.image, application, make_plan(self.image, order, application), self.kit)
        return self._last


def orders_of_files(place: Path, board: str | None, image: FirmwareImage) -> OrderBook:
    """The order of a node file, or those of every `.toml` of a folder, sorted by name.

    Raises FlashProblem(FILES) for a folder without any and for two files with one terminal, ConfigError for files that
    are not right.
    """
    paths = sorted(place.glob("*.toml")) if place.is_dir() else [place]
    if not paths:
        raise FlashProblem(
            Kind.FILES, f"{place} has no node files", "write one .toml a node (hardware/nodes/example.toml)"
        )
    found: dict[str, NodeOrder] = {}
    for path in paths:
        order = read_node_file(path, board)
        if order.terminal in found:
            raise FlashProblem(
                Kind.FILES,
                f"{path} and {found[order.terminal].origin} are both {order.terminal}",
                "give each node its own terminal code",
            )
        found[order.terminal] = order
    return OrderBook(image, build_application, {name: partial(_same, order) for name, order in found.items()})


def orders_of_kit(kit: Kit, image: FirmwareImage | None) -> OrderBook:
    """The orders of a kit in their sequence, with the kit's first image unless another is given.

    Raises FlashProblem(FILES) for a kit without images.
    """
    if image is None and not kit.images():
        raise FlashProblem(Kind.FILES, f"{kit.path} has no MicroPython image", "name one with --firmware")
    orders = {one.terminal: partial(kit.node_order, one.terminal) for one in kit.orders()}
    return OrderBook(image or kit.images()[0], kit.application, orders, kit.kit_id)


def _same(order: NodeOrder) -> NodeOrder:
    return order

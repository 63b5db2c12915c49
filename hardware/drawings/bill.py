"""Bills of material: what is to be bought for a board, and for a whole pole."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gateway_agent.boards import load_board
from gateway_agent.boards.wiring import PartSection
from gateway_agent.config.schema import PoleConfig
from gateway_agent.modem.dialect import load_modem
from hardware.drawings.parts import load_pole_parts
from hardware.drawings.stations import Station, WiredDevice, modem_bearers, stations_of

_EFFICIENCY = 0.85
"""What a small converter makes of its input: usual, no source."""

_MARKS = {"C": "source read", "C2": "two sources read", "K": "usual practice", "": ""}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill. `current_ma` is what one piece draws at most, None where that is not known."""

    quantity: int
    part: str
    model: str
    purpose: str
    supply: str = ""
    current_ma: int | None = None
    remark: str = ""
    source: str = ""
    mark: str = ""


COLUMNS = ("pos", "qty", "part", "model", "what for", "supply", "mA each", "remark", "source", "how sure")


def board_bill(parts: Iterable[PartSection]) -> list[Line]:
    """The lines of one board."""
    return [_of_part(part, part.quantity, part.purpose) for part in parts]


def pole_bill(pole: PoleConfig) -> list[Line]:
    """The lines of a pole: gateway and buses, nodes with what their boards need, devices. Equal parts are one line."""
    buses = stations_of(pole)
    nodes = [station for listed in buses.values() for station in listed if station.board is not None]
    devices = [device for listed in buses.values() for station in listed for device in station.devices]
    sensor_buses = [node for node in nodes if any(device.link in ("rs485", "ttl") for device in node.devices)]
    modems = list(modem_bearers(pole))
    counts = {
        "pole": 1,
        "bus": len(buses),
        "sensor bus": len(sensor_buses),
        "ttl device": sum(device.link == "ttl" for device in devices),
        "modem": len(modems),
    }
    lines = [_of_part(one, one.quantity * counts[one.each], one.purpose) for one in load_pole_parts().parts]
    for kind, name in modems:
        model = load_modem(name).modem.name if name else f"as the operator asks, {kind}"
        remark = "supply of its own: 2 A in bursts"
        lines.append(Line(1, "Modem", model, "way to the platform", "", None, remark, "docs/modems.md", "K"))
    for board in sorted({node.board for node in nodes if node.board}):
        users = [node for node in nodes if node.board == board]
        for part in load_board(board).parts:
            needing = [node for node in users if _needs(node, part)]
            names = ", ".join(node.name for node in needing)
            purpose = f"{part.purpose}; of {names}" if part.part == "Node" else part.purpose
            lines.append(_of_part(part, part.quantity * len(needing), purpose))
    lines += [_of_device(device) for device in devices]
    return list(_joined(line for line in lines if line.quantity))


def totals(lines: Sequence[Line]) -> list[str]:
    """Sentences that sum up: pieces, and the currents that are known, by supply."""
    pieces = sum(line.quantity for line in lines)
    sums: dict[str, int] = {}
    for line in lines:
        if line.current_ma is not None:
            sums[line.supply] = sums.get(line.supply, 0) + line.quantity * line.current_ma
    told = [f"{pieces} pieces in {len(lines)} positions."]
    rail = load_pole_parts().rail_volts
    for supply, total in sums.items():
        told.append(f"At {supply}: {total} mA at most, as far as the currents above are known.")
        volts = supply.split()[0]
        if volts.isdecimal() and int(volts) < rail:
            through = round(total * int(volts) / rail / _EFFICIENCY)
            told.append(f"Through converters of {_EFFICIENCY:.0%} that is {through} mA from the rail of {rail} V.")
    unknown = sum(line.quantity for line in lines if line.supply and line.current_ma is None)
    if unknown:
        told.append(f"Not in these sums: {unknown} pieces with a supply whose current is not known here.")
    return told


def rows(lines: Sequence[Line]) -> Iterator[tuple[str, ...]]:
    """The lines as cells, in the order of COLUMNS."""
    for position, line in enumerate(lines, 1):
        current = "" if line.current_ma is None else str(line.current_ma)
        yield (
            *(str(position), str(line.quantity), line.part, line.model, line.purpose, line.supply),
            *(current, line.remark, line.source, _MARKS[line.mark]),
        )


def _needs(node: Station, part: PartSection) -> bool:
    """Whether a node needs a part of its board: outputs of a lamp only where the pole uses them."""
    pins = {"relay": node.relay_pin, "dimmer": node.dimmer_pin}
    return part.needed_by is None or pins[part.needed_by] is not None


def _of_part(part: PartSection, quantity: int, purpose: str) -> Line:
    return Line(
        *(quantity, part.part, part.model, purpose, part.supply),
        *(part.current_ma, part.remark, part.source, part.mark),
    )


def _of_device(device: WiredDevice) -> Line:
    wiring = device.wiring
    current = None
    if wiring is not None and wiring.supply == "dc" and wiring.power_w is not None:
        current = round(wiring.power_w / load_pole_parts().rail_volts * 1000) or 1
    supply = f"{load_pole_parts().rail_volts} V DC" if device.takes(load_pole_parts().rail_volts) else device.supply
    remark = wiring.remark if wiring is not None else ""
    if wiring is not None and wiring.supply == "mains" and wiring.power_w is not None:
        remark = f"draws up to {wiring.power_w:g} W itself; {remark}"
    if device.link == "pin":
        supply = "" if device.wiring is None else supply
    source = wiring.source if wiring is not None else ""
    mark = wiring.mark if wiring is not None else ""
    return Line(1, device.kind.capitalize(), device.model, device.name, supply, current, remark, source, mark)


def _joined(lines: Iterable[Line]) -> Iterator[Line]:
    """Lines of the same part become one, with all that it is for."""
    groups: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.part, line.model, line.supply), []).append(line)
    for group in groups.values():
        purposes = "; ".join(dict.fromkeys(line.purpose for line in group))
        remarks = "; ".join(dict.fromkeys(line.remark for line in group if line.remark))
        yield replace(group[0], quantity=sum(line.quantity for line in group), purpose=purposes, remark=remarks)

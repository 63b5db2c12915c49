"""Checks of a pole.toml that concern points: how they are reported, at what periods, and the alarm rules on them."""

from collections.abc import Iterable, Iterator

from gateway_agent.config.crosscheck import Loc, all_devices, resolved_devices
from gateway_agent.config.devices import ProfileShelf, seconds_in_ms
from gateway_agent.config.schema import AlarmRule, DeviceConfig, PoleConfig, ReportConfig
from gateway_agent.profiles import Point
from gateway_agent.toml_source import Finding
from gateway_agent.toml_wording import nearest


def check_reports(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """Reports name points that there are, are of one kind, and their windows are made of whole poll slots."""
    for loc, device, resolved, _ in resolved_devices(pole, shelf):
        points = {point.name: point for point in resolved.points}
        for name, report in device.report.items():
            place = (*loc, "report", name)
            if name not in points:
                guess = nearest(name, list(points))
                mend = f"did you mean {guess}?" if guess else f"its points: {', '.join(points)}"
                yield Finding(place, f"{device.name} has no point {name}", mend)
                continue
            yield from _report(place, f"{device.name}/{name}", report, device)
        for point in resolved.points:
            if point.name not in device.report:
                yield from _profile_window(loc, point, device)


def check_node_periods(pole: PoleConfig) -> Iterable[Finding]:
    """A node is read at least as often as it measures, or samples would be lost between two readings."""
    for node_index, node in enumerate(pole.nodes):
        for index, device in enumerate(node.devices):
            if device.every_ms < node.every_ms:
                what = f"{device.name} is measured every {device.every_s:g} s, but {node.name} is read every"
                mend = f"set every_s of {node.name} to {device.every_s:g} or less, or measure less often"
                yield Finding(("nodes", node_index, "devices", index, "every_s"), f"{what} {node.every_s:g} s", mend)


def check_alarms(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """Alarm rules name points that there are and have one limit with a way back."""
    points: dict[str, Point] = {}
    unknown = {device.name for _, device in all_devices(pole)}  # those whose profile cannot be used: told elsewhere
    for _, device, resolved, _ in resolved_devices(pole, shelf):
        if resolved.profile.blocks:
            continue
        unknown.discard(device.name)
        points.update({f"{device.name}/{point.name}": point for point in resolved.points})
    codes: set[tuple[str, str]] = set()
    for index, rule in enumerate(pole.alarms):
        loc: Loc = ("alarms", index)
        if rule.point not in points and rule.point.partition("/")[0] not in unknown:
            guess = nearest(rule.point, list(points))
            own = [name for name in points if name.partition("/")[0] == rule.point.partition("/")[0]]
            mend = f"did you mean {guess}?" if guess else f"choose {', '.join(own)}" if own else "name a device's point"
            yield Finding((*loc, "point"), f"there is no point {rule.point}", mend)
        yield from _limits(loc, rule)
        code = (rule.point, "above" if rule.above is not None else "below")
        if code in codes:
            what = f"{rule.point} has two rules for {code[1]}"
            yield Finding((*loc, "point"), what, "keep one of them: a point has one limit on each side")
        codes.add(code)


def _limits(loc: Loc, rule: AlarmRule) -> Iterator[Finding]:
    if (rule.above is None) == (rule.below is None):
        what = f"the alarm on {rule.point} has {'no limit' if rule.above is None else 'two limits'}"
        yield Finding(loc, what, "give it above or below; make two rules for two limits")
        return
    if rule.above is not None:
        if rule.clear_above is not None:
            yield Finding((*loc, "clear_above"), "clear_above goes with below", "write clear_below")
        elif rule.clear_below is not None and rule.clear_below > rule.above:
            what = f"clear_below {rule.clear_below:g} is over above {rule.above:g}"
            yield Finding((*loc, "clear_below"), what, "it must not be greater, or the alarm would clear itself")
    elif rule.clear_below is not None:
        yield Finding((*loc, "clear_below"), "clear_below goes with above", "write clear_above")
    elif rule.clear_above is not None and rule.below is not None and rule.clear_above < rule.below:
        what = f"clear_above {rule.clear_above:g} is under below {rule.below:g}"
        yield Finding((*loc, "clear_above"), what, "it must not be less, or the alarm would clear itself")


def _report(loc: Loc, name: str, report: ReportConfig, device: DeviceConfig) -> Iterator[Finding]:
    if report.window_s is None and report.change is None and report.every_s is None:
        yield Finding(loc, f"the report of {name} says nothing", "give change and every_s, or window_s")
    elif report.window_s is not None and (report.change is not None or report.every_s is not None):
        yield Finding(loc, f"{name} is reported by window and on change", "choose window_s, or change and every_s")
    elif report.window_s is not None:
        window_ms = seconds_in_ms(report.window_s) or 0
        if window_ms % device.every_ms or window_ms < 2 * device.every_ms:
            what = f"the window of {name} is {report.window_s:g} s, measured every {device.every_s:g} s"
            yield Finding((*loc, "window_s"), what, "it must be a multiple of every_s, at least twice")


def _profile_window(loc: Loc, point: Point, device: DeviceConfig) -> Iterator[Finding]:
    """The profile's own window may not fit the period that this pole gives the device."""
    window_s = point.report.window_s
    if window_s is not None and (window_s * 1000 % device.every_ms or window_s * 1000 < 2 * device.every_ms):
        what = f"the profile reports {device.name}/{point.name} by windows of {window_s} s"
        mend = f"choose an every_s that divides {window_s} s, or give the point a report of its own"
        yield Finding((*loc, "every_s"), f"{what}, which {device.every_s:g} s does not divide", mend)

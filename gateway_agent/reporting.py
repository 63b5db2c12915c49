"""The configuration turned into rules: how each point is reported, which limits are watched, its unit and channels."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from gateway_agent.compact import Channel, ChannelTable
from gateway_agent.condense import ReportRule
from gateway_agent.config import AlarmRule, BusDeviceConfig, DeviceConfig, PoleConfig, ReportConfig, devices_of
from gateway_agent.config.devices import seconds_in_ms
from gateway_agent.watch import Limit


def report_rules(pole: PoleConfig) -> dict[str, ReportRule]:
    """The report rule of every point, by full name."""
    return {
        device.point_name(point): _rule(device.report(point), device.config, point.exponent)
        for device in devices_of(pole)
        for point in device.profile.points
    }


def limits(pole: PoleConfig) -> list[Limit]:
    """The limits of `[[alarms]]`, in counts of their points."""
    exponents = {
        device.point_name(point): point.exponent for device in devices_of(pole) for point in device.profile.points
    }
    return [_limit(rule, exponents) for rule in pole.alarms]


def units(pole: PoleConfig) -> dict[str, str]:
    """The unit of every point, by full name."""
    return {device.point_name(point): point.unit for device in devices_of(pole) for point in device.profile.points}


def channel_table(pole: PoleConfig) -> ChannelTable:
    """The channels of compact batches: what each point may report, with the polls and windows that come together."""
    rules = report_rules(pole)
    channels: list[Channel] = []
    group = 0
    for device in devices_of(pole):
        points = list(device.profile.points)
        names = [device.point_name(point) for point in points]
        windows: dict[int, list[Channel]] = {}
        for name, point in zip(names, points, strict=True):
            rule = rules[name]
            channels.append(Channel(name, "sample", point.unit, point.exponent, rule.period_ms, group))
            for figure in rule.figures if rule.window_ms else ():
                if figure != "last":
                    exponent = point.exponent - 1 if figure == "mean" else point.exponent
                    window = Channel(name, figure, point.unit, exponent, rule.window_ms or 0, 0)
                    windows.setdefault(window.period_ms, []).append(window)
        for figures in windows.values():
            group += 1
            channels += (replace(figure, group=group) for figure in figures)
        group += 1
    return ChannelTable(tuple(channels))


def _rule(report: ReportConfig, device: DeviceConfig, exponent: int) -> ReportRule:
    change = None if report.change is None else max(1, _counts(report.change, exponent, ROUND_HALF_EVEN))
    return ReportRule(
        device.every_ms,
        change=change,
        every_ms=seconds_in_ms(report.every_s),
        window_ms=seconds_in_ms(report.window_s),
        figures=report.figures,
        phase_ms=device.phase_ms if isinstance(device, BusDeviceConfig) else 0,
    )


def _limit(rule: AlarmRule, exponents: Mapping[str, int]) -> Limit:
    """A limit between two counts is moved to the count on the side that keeps its meaning."""
    exponent = exponents[rule.point]
    if rule.above is not None:
        raise_at = _counts(rule.above, exponent, ROUND_FLOOR)
        clear_at = raise_at + 1 if rule.clear_below is None else _counts(rule.clear_below, exponent, ROUND_CEILING)
        return Limit(rule.point, "above", raise_at, clear_at, rule.hold_ms)
    raise_at = _counts(rule.below or 0, exponent, ROUND_CEILING)
    clear_at = raise_at - 1 if rule.clear_above is None else _counts(rule.clear_above, exponent, ROUND_FLOOR)
    return Limit(rule.point, "below", raise_at, clear_at, rule.hold_ms)


def _counts(number: float, exponent: int, rounding: str) -> int:
    """A number in a point's unit as counts of its exponent; exact for what TOML can write."""
    return int(Decimal(str(number)).scaleb(-exponent).to_integral_value(rounding))

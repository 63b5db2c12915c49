"""The month of a data plan: it begins on a day of the month, at midnight where the pole stands."""

from datetime import datetime, timedelta, tzinfo


def begin_of(unix_ms: int, begins_day: int, zone: tzinfo) -> int:
    """When the billing month of a moment began (unix milliseconds); `begins_day` is 1 to 28."""
    now = datetime.fromtimestamp(unix_ms / 1000, zone)
    begins = now.replace(day=begins_day, hour=0, minute=0, second=0, microsecond=0)
    if begins > now:
        begins = (begins.replace(day=1) - timedelta(days=1)).replace(day=begins_day)
    return round(begins.timestamp() * 1000)


def end_of(begins_ms: int, begins_day: int, zone: tzinfo) -> int:
    """When the billing month that began then ends (unix milliseconds)."""
    begins = datetime.fromtimestamp(begins_ms / 1000, zone)
    following = (begins.replace(day=28) + timedelta(days=4)).replace(day=begins_day)
    return round(following.timestamp() * 1000)

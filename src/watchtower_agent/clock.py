"""Times for people, and how far this host's clock is from the collector's."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

# What clock_offset cannot tell from nothing, in seconds.
CLOCK_RESOLUTION = 2
# Of a slower answer nobody knows when its Date was written.
_ROUND_TRIP_SECONDS = 2.0


def moment(seconds: float) -> str:
    """Return a time in seconds since 1970 as 2026-03-14 09:26:53 UTC."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "a time that no clock shows"


def span(seconds: float) -> str:
    """Return a length of time in its largest useful unit: 90 seconds, 5 minutes, 3 days."""
    count = int(abs(seconds))
    unit = "second"
    for larger, size in (("minute", 60), ("hour", 3600), ("day", 86400)):
        if abs(seconds) >= 2 * size:
            count, unit = int(abs(seconds) // size), larger
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def when(seconds: float, now: float) -> str:
    """Return a time both as such and as its distance from now: … UTC (3 minutes ago)."""
    distance = now - seconds
    if abs(distance) < 1:
        relative = "just now"
    elif distance > 0:
        relative = f"{span(distance)} ago"
    else:
        relative = f"{span(distance)} ahead of this host's clock"
    return f"{moment(seconds)} ({relative})"


def read_timestamp(text: str) -> float:
    """Return an event's timestamp, as event.format_timestamp writes it, in seconds since 1970.

    Raises:
        ValueError: it is not one.
    """
    return (
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()
    )


def clock_offset(date: str | None, received_at: float, round_trip: float) -> int | None:
    """Return by how many seconds this host's clock is ahead of who wrote a Date header.

    A Date has whole seconds (RFC 9110, 5.6.7), cut off, so it stands for half a second later; it
    was sent about half the round trip before ``received_at`` (seconds since 1970). Servers write
    it once a second, so it can be a second old. The result is exact to two seconds: from -2 to 2
    the clocks agree. None when there is no usable Date or the answer took too long.
    """
    if date is None or round_trip > _ROUND_TRIP_SECONDS:
        return None
    try:
        written_at = parsedate_to_datetime(date).timestamp() + 0.5
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return round(received_at - round_trip / 2 - written_at)

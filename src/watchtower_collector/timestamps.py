"""Points in time: RFC 3339 text on the wire, integer microseconds since 1970 in the store."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone

# RFC 3339, section 5.6: "date-time". The offset is required: a time without one is a guess.
_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Without its zone, as adding to one and writing its offset takes half of the time.
_EPOCH_IN_UTC = _EPOCH.replace(tzinfo=None)
_MICROSECOND = timedelta(microseconds=1)


def now_us() -> int:
    """Return the present as microseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1_000


def parse_rfc3339(text: str) -> int:
    """Return the microseconds since 1970 of an RFC 3339 date-time; finer digits are cut off.

    Raises:
        ValueError: ``text`` is not a date-time of RFC 3339, or names no real instant.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time such as 2026-01-31T23:59:59.123456Z")
    if match[7] is not None and len(match[7]) == 6 and text.endswith("Z"):
        # How agents write it: the usual case, at half the cost.
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    year, month, day, hour, minute, second, fraction, sign, offset_hour, offset_minute = (
        match.groups()
    )
    zone: timezone = UTC
    if sign is not None:
        offset = timedelta(hours=int(offset_hour), minutes=int(offset_minute))
        zone = timezone(-offset if sign == "-" else offset)
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    moment = datetime(
        int(year), int(month), int(day), int(hour), int(minute), int(second), microsecond, zone
    )
    try:
        return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND
    except OverflowError:
        raise ValueError("outside the years 1 to 9999 in UTC") from None


def format_rfc3339(microseconds: int) -> str:
    """Return microseconds since 1970 as RFC 3339 in UTC, always with six fraction digits."""
    moment = _EPOCH_IN_UTC + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds") + "Z"

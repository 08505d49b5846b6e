"""Points in time as people say them. What has no offset is in the admin's time zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_SPAN = re.compile(r"(?:\d{1,6}[smhdw])+", re.ASCII)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORDS = "|".join(("today", "yesterday", *_DAYS))
_DAY = re.compile(rf"({_WORDS})?(?:(?:^| +)(\d?\d):(\d\d)(?::(\d\d))?)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d($|[t ]\d\d:\d\d)", re.ASCII)
Choice = Callable[[Iterable[datetime]], datetime]  # min or max
EXAMPLES = "2h, 30m, 3d, today, yesterday 18:00, monday, 2026-03-14, '2026-03-14 09:00'"


def parse_span(text: str) -> timedelta:
    """Return a length of time such as ``30m``, ``7d`` or ``1d12h``.

    Raises:
        ValueError: it is not one, or longer than a century.
    """
    if not _SPAN.fullmatch(text):
        raise ValueError(f"{text!r} is no length of time: say it like 30m, 12h, 7d or 1d12h")
    parts = re.findall(r"(\d+)([smhdw])", text)
    try:
        span = sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())
    except OverflowError:
        span = timedelta.max
    if span > timedelta(days=36_525):
        raise ValueError(f"{text!r} is longer than a century")
    return span


def local_now() -> datetime:
    """Return the present in the admin's time zone."""
    return datetime.now(UTC).astimezone()


def parse_moment(text: str, now: datetime, choose: Choice = min) -> datetime:
    """Return the point in time that ``text`` means, seen from ``now``.

    Lengths of time (``2h``) count back from ``now``. A day alone is its midnight. A day of the
    week is the latest one that is not in the future, today included; so is a time of day alone.

    A local time that a change of the clocks repeats or skips can mean two points in time: ``min``
    takes the earlier, ``max`` the later one.

    Raises:
        ValueError: ``text`` means no point in time.
    """
    said = " ".join(text.split()).lower()
    try:
        if said == "now":
            return now
        if _SPAN.fullmatch(said):
            return now - parse_span(said)
        match = _DAY.fullmatch(said)
        if said and match is not None:
            return _recent(match, now, choose)
        # Of ISO 8601 only what people write: no week dates, no digits in one row.
        moment = datetime.fromisoformat(said.upper()) if _DATE.match(said) else None
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None:
        raise ValueError(f"{text!r} is no point in time: say it like {EXAMPLES}")
    try:
        moment = moment if moment.tzinfo else _instant(moment, choose)
        # It is sent in UTC and shown in the admin's zone: the calendar must hold it in both.
        wire(moment)
        show(moment)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is too far away: say it like {EXAMPLES}") from None
    return moment


def _instant(local: datetime, choose: Choice) -> datetime:
    """Return one of the two readings of a local time (PEP 495), nearly always the same."""
    return choose(local.replace(fold=fold).astimezone() for fold in (0, 1))


def _recent(match: re.Match[str], now: datetime, choose: Choice) -> datetime:
    day, *clock = match.groups()
    hour, minute, second = (int(number or 0) for number in clock)
    # Without an offset: a day across the change to summer time has 23 hours.
    moment = now.replace(tzinfo=None, hour=hour, minute=minute, second=second, microsecond=0)
    if day == "yesterday":
        moment -= timedelta(days=1)
    elif day in _DAYS:
        moment -= timedelta(days=(moment.weekday() - _DAYS.index(day)) % 7)
        if _instant(moment, min) > now:
            moment -= timedelta(days=7)
    elif day is None and _instant(moment, min) > now:
        moment -= timedelta(days=1)
    return _instant(moment, choose)


def parse_range(
    since: str | None, until: str | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return both ends of a range of time.

    A day of the week, or a time of day, that would end the range before it begins means the next
    one: on a Wednesday at 3 a.m., ``tuesday 20:00`` until ``wednesday 06:00`` ends today. Where a
    change of the clocks leaves a choice, the range is the wider one: it leaves nothing out.

    Raises:
        ValueError: an end means no point in time, or the range ends before it begins.
    """
    begin = None if since is None else _end("--since", since, now, min)
    end = None if until is None else _end("--until", until, now, max)
    if begin is None or end is None or begin < end:
        return begin, end
    said = " ".join((until or "").split()).lower()
    if said.startswith(_DAYS):
        end = _later(end, days=7)
    elif re.match(r"\d?\d:", said):
        end = _later(end, days=1)
    if begin < end:
        return begin, end
    raise ValueError(
        f"--until {until!r} ({show(end)}) is not after --since {since!r} ({show(begin)})"
    )


def _end(option: str, text: str, now: datetime, choose: Choice) -> datetime:
    try:
        return parse_moment(text, now, choose)
    except ValueError as error:
        raise ValueError(f"{option} {error}") from None


def _later(moment: datetime, days: int) -> datetime:
    return _instant(moment.replace(tzinfo=None) + timedelta(days=days), max)


def wire(moment: datetime) -> str:
    """Return a point in time as the collector takes it: RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def show(moment: datetime) -> str:
    """Return a point in time for people: in the admin's time zone, with its offset."""
    return moment.astimezone().isoformat(" ", "seconds")


def show_text(text: object) -> str:
    """Return a time of the collector's for people; what is no time stays as it is."""
    if not isinstance(text, str):
        return ""
    try:
        return show(datetime.fromisoformat(text))
    except (ValueError, OverflowError, OSError):
        return text


def age(text: object, now: datetime) -> str:
    """Return how long ago a time of the collector's was, in its largest unit, such as ``5m``."""
    if not isinstance(text, str):
        return ""
    try:
        seconds = (now - datetime.fromisoformat(text)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return text
    for name in ("d", "h", "m"):
        size = _UNITS[name].total_seconds()
        if seconds >= size:
            return f"{seconds // size:.0f}{name}"
    return f"{max(seconds, 0):.0f}s"

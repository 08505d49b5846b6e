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
_UNIT = r" ?([smhdw]|secs?|seconds?|mins?|minutes?|hrs?|hours?|days?|weeks?)(?![a-z])"
_PART = re.compile(rf"(\d{{1,6}}){_UNIT}", re.ASCII)
_SPAN = re.compile(rf"(?:\d{{1,6}}{_UNIT} ?)+?", re.ASCII)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORDS = "|".join(("today", "yesterday", *_DAYS))
_DAY = re.compile(rf"({_WORDS})?(?:(?:^| +)(\d?\d):(\d\d)(?::(\d\d))?)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d($|[t ]\d\d:\d\d)", re.ASCII)
# What is meant as a day, with a time of day perhaps.
_LIKE_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[t ]\d\d:\d\d(?::\d\d)?)?", re.ASCII)
Choice = Callable[[Iterable[datetime]], datetime]  # min or max
EXAMPLES = "2h, 30m, 3d, today, yesterday 18:00, monday, 2026-03-14, '2026-03-14 09:00'"


def parse_span(text: str) -> timedelta:
    """Return a length of time such as ``30m``, ``7d`` or ``1d12h``.

    Raises:
        ValueError: it is not one, or longer than a century.
    """
    if not _SPAN.fullmatch(text):
        raise ValueError(f"{text!r} is no length of time: say it like 30m, 12h, 7d or 1d12h")
    parts = _PART.findall(text)
    try:
        span = sum((int(number) * _UNITS[unit[0]] for number, unit in parts), timedelta())
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
        span = said.removesuffix(" ago")
        if _SPAN.fullmatch(span):
            return now - parse_span(span)
        match = _DAY.fullmatch(said)
        if said and match is not None:
            return _recent(match, now, choose)
        # Of ISO 8601 only what people write: no week dates, no digits in one row.
        moment = datetime.fromisoformat(said.upper()) if _DATE.match(said) else None
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None:
        _refuse_calendar(text, said)
        raise ValueError(f"{text!r} is no point in time: say it like {EXAMPLES}")
    try:
        moment = moment if moment.tzinfo else _instant(moment, choose)
        # It is sent in UTC and shown in the admin's zone: the calendar must hold it in both.
        wire(moment)
        show(moment)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is too far away: say it like {EXAMPLES}") from None
    return moment


def _refuse_calendar(text: str, said: str) -> None:
    """Say so where what was said has the right form, and no calendar or clock has it."""
    date = _LIKE_DATE.fullmatch(said)
    if date is not None:
        try:
            datetime.fromisoformat(date[1])
        except ValueError:
            raise ValueError(f"{text!r}: there is no such day") from None
    clock = _DAY.fullmatch(said)
    if date is not None or (clock is not None and clock[2] is not None):
        raise ValueError(f"{text!r}: there is no such time of day")


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
    if begin is not None and begin > now:
        raise ValueError(f"--since {since!r} ({show(begin)}) is still to come: now is {show(now)}")
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


def local(text: object) -> datetime | str | None:
    """Return a time of the collector's in the admin's zone; what is no time stays as it is."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        return text


def show_text(text: object) -> str:
    """Return a time of the collector's for people; what is no time stays as it is."""
    moment = local(text)
    return show(moment) if isinstance(moment, datetime) else moment or ""


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

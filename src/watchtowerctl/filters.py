"""The options that choose events: shared by the commands that ask about events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchtowerctl.errors import USAGE, CommandError
from watchtowerctl.moments import EXAMPLES, local_now, parse_range, show, wire
from watchtowerctl.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# By less than that a host's clock may be ahead without a word.
_CLOCKS_DIFFER = timedelta(minutes=5)
# Offered by the shell's completion; what counts is what the collector knows.
EVENT_TYPES = (
    "login",
    "login_failed",
    "login_step",
    "login_refused",
    "session_opened",
    "session_closed",
    "connection_failed",
    "connection_dropped",
    "sudo",
    "sudo_failed",
    "su",
    "su_failed",
    "heartbeat",
    "journal_gap",
    "spool_overflow",
    "store_restored",
    "untrusted",
)
HEARTBEAT = "heartbeat"
# All types but that one: there is no way to ask for what is not. By their first letters, so that a
# collector's newer types are asked for, too.
_NO_HEARTBEATS = tuple(sorted({f"{name[0]}*" for name in EVENT_TYPES if name != HEARTBEAT}))
METHODS = ("password", "publickey", "keyboard-interactive/pam", "hostbased", "gssapi-with-mic")


def complete_type(incomplete: str) -> list[str]:
    """Return the types that begin so."""
    return [name for name in EVENT_TYPES if name.startswith(incomplete)]


def complete_method(incomplete: str) -> list[str]:
    """Return the methods that begin so."""
    return [name for name in METHODS if name.startswith(incomplete)]


_SEVERAL = "several allowed, abc* for all that begin so"
User = Annotated[
    list[str] | None, typer.Option("--user", metavar="NAME", help=f"whose; {_SEVERAL}")
]
Host = Annotated[
    list[str] | None, typer.Option("--host", metavar="NAME", help=f"on which host; {_SEVERAL}")
]
Type = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="what happened; several allowed, sudo* for all that begin so",
        autocompletion=complete_type,
    ),
]
Heartbeats = Annotated[
    bool,
    typer.Option("--heartbeats", help="heartbeats, too: every agent sends one a minute"),
]
Source = Annotated[
    list[str] | None,
    typer.Option(
        "--source", metavar="ADDRESS", help="from which address or network (CIDR); several allowed"
    ),
]
Method = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="METHOD",
        help=f"how they proved who they are; {_SEVERAL}",
        autocompletion=complete_method,
    ),
]
Region = Annotated[
    list[str] | None, typer.Option("--region", metavar="LABEL", help=f"label; {_SEVERAL}")
]
Group = Annotated[
    list[str] | None, typer.Option("--group", metavar="LABEL", help=f"label; {_SEVERAL}")
]
Severity = Annotated[
    list[str] | None, typer.Option("--severity", metavar="LABEL", help=f"label; {_SEVERAL}")
]
Flagged = Annotated[
    bool | None, typer.Option("--flagged/--not-flagged", help="only hosts with that label")
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text",
        "-q",
        metavar="TEXT",
        help="somewhere in the log line, user, host, address or key",
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help=f"from then on: {EXAMPLES}")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="WHEN", help="before then, said in the same ways")
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="how many, the newest")]
All = Annotated[bool, typer.Option("--all", help="all of them, however many")]
Json = Annotated[bool, typer.Option("--json", help="JSON Lines, for programs")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV, for spreadsheets")]


def event_filters(  # noqa: PLR0913  # one for each filter of the interface
    *,
    user: list[str] | None,
    host: list[str] | None,
    kind: list[str] | None,
    heartbeats: bool,
    source: list[str] | None,
    method: list[str] | None,
    region: list[str] | None,
    group: list[str] | None,
    severity: list[str] | None,
    flagged: bool | None,
    text: str | None,
) -> list[tuple[str, str]]:
    """Return the options as parameters of the collector.

    Heartbeats are left out unless they are asked for: they would drown everything else.
    """
    if kind and heartbeats:
        kind = [*kind, HEARTBEAT]
    elif not kind and not heartbeats:
        kind = list(_NO_HEARTBEATS)
    named = {
        "user": user,
        "hostname": host,
        "type": kind,
        "source_ip": source,
        "method": method,
        "region": region,
        "host_group": group,
        "severity": severity,
    }
    parameters = [(name, value) for name, values in named.items() for value in values or ()]
    if flagged is not None:
        parameters.append(("flagged", "true" if flagged else "false"))
    if text is not None:
        parameters.append(("q", text))
    return parameters


def left_out(kind: list[str] | None, heartbeats: bool) -> str:
    """Return the sentence for the end of a line that says that heartbeats are left out, if so."""
    return "" if kind or heartbeats else " Heartbeats are left out: --heartbeats shows them."


def check_form(*, json: bool, csv: bool) -> None:
    """Refuse two forms of output at once.

    Raises:
        CommandError: both options are on the command line.
    """
    if json and csv:
        raise CommandError(USAGE, "--json and --csv exclude each other: give one of them")


def how_many(context: typer.Context, limit: int, everything: bool) -> int | None:
    """Return how many entries are wanted, ``None`` for every one.

    Raises:
        CommandError: both options are on the command line.
    """
    if not everything:
        return limit
    source = context.get_parameter_source("limit")
    if source is not None and source.name == "COMMANDLINE":
        raise CommandError(USAGE, "--all and --limit exclude each other: give one of them")
    return None


def time_range(since: str | None, until: str | None) -> list[tuple[str, str]]:
    """Return both ends as parameters of the collector.

    Raises:
        CommandError: an end means no point in time, or the range is empty.
    """
    begin, end = _range(since, until)
    ends = (("since", begin), ("until", end))
    return [(name, wire(moment)) for name, moment in ends if moment is not None]


def found_in_words(
    number: int, noun: str, parameters: Sequence[tuple[str, str]], *, more: bool
) -> str:
    """Return how many were found, of what range of time, and whether those are all."""
    what = f"The newest {counted(number, noun)}" if more else counted(number, noun)
    rest = " There are more: --limit or --all shows them." if more else ""
    return f"{what}, {_range_in_words(parameters)}.{rest}"


def dated_ahead(found: Iterable[Mapping[str, Any]], parameters: Sequence[tuple[str, str]]) -> str:
    """Return a sentence on events of the future, which are the newest until an end is asked for.

    A host dates its events itself: its clock is ahead, or somebody wants others not to be seen.
    """
    if "until" in dict(parameters):
        return ""
    # As texts: the collector's times have one form, and so has ``wire``.
    latest = wire(local_now() + _CLOCKS_DIFFER)
    number = sum(str(event.get("timestamp")) > latest for event in found)
    if not number:
        return ""
    of_them = "1 event of these is" if number == 1 else f"{number} events of these are"
    return f" {of_them} of the future: events --until now shows the others."


def _range_in_words(parameters: Sequence[tuple[str, str]]) -> str:
    """Return what range of time the parameters ask for, in the admin's time zone."""
    ends = dict(parameters)
    begin, end = (
        show(datetime.fromisoformat(ends[name])) if name in ends else word
        for name, word in (("since", "the beginning"), ("until", "now"))
    )
    return f"from {begin} to {end}"


def _range(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    try:
        return parse_range(since, until, local_now())
    except ValueError as error:
        raise CommandError(USAGE, str(error)) from None

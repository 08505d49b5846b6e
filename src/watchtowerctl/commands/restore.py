"""``watchtowerctl restore``: a backup in the place of the database."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  # Typer reads the annotation
from typing import TYPE_CHECKING, Annotated

import typer

from watchtowerctl.errors import TRY_LATER, UNAVAILABLE, USAGE, CommandError
from watchtowerctl.host_database import host_database, not_done, not_here
from watchtowerctl.moments import show_text
from watchtowerctl.output import print_fields, say
from watchtowerctl.text import counted

if TYPE_CHECKING:
    from watchtower_collector.loss import Lost
    from watchtower_collector.restore import Restored

_AGAIN = (
    "Restore a newer backup, or allow it to lose them (--lose-newer): agents then send again what "
    "their hosts' journals hold from a day before that time on. Heartbeats, reports of gaps, what "
    "other clients had sent, and what the journals no longer hold do not come again"
)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the backup")],
    lose_newer: Annotated[
        bool,
        typer.Option("--lose-newer", help="even if the database has events that FILE has not"),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Put a backup in the place of the database on this host. The collector must be stopped."""
    try:
        from watchtower_collector import restore as collector  # noqa: PLC0415  # there only
        from watchtower_collector.keeping_errors import (  # noqa: PLC0415  # likewise
            DatabaseInUseError,
            KeepingError,
            NewerEventsError,
        )
    except ImportError:
        raise not_here() from None
    database = host_database()
    if file.exists() and database.exists() and file.samefile(database):
        raise CommandError(USAGE, f"{file} is the present database itself, not a backup of it")
    if not yes:
        _ask(file, database)
    try:
        result = collector.restore(file.absolute(), database, lose_newer=lose_newer)
    except DatabaseInUseError as error:
        raise CommandError(TRY_LATER, str(error)) from None
    except NewerEventsError as error:
        raise CommandError(UNAVAILABLE, f"{error}, {_stored(error.lost)}. {_AGAIN}") from None
    except KeepingError as error:
        raise not_done("nothing was restored", error) from None
    _report(database, result)


def _ask(file: Path, database: Path) -> None:
    if not sys.stdin.isatty():
        raise CommandError(USAGE, "there is no terminal to ask you at: add --yes")
    try:
        agreed = typer.confirm(f"Replace {database} by {file}?", err=True)
    except typer.Abort:
        say("")
        agreed = False
    if not agreed:
        say("Nothing was changed.")
        raise typer.Exit(1)


def _stored(lost: Lost) -> str:
    from watchtower_collector.timestamps import format_rfc3339  # noqa: PLC0415  # there only

    since, until = (show_text(format_rfc3339(moment)) for moment in (lost.since, lost.until))
    return f"stored from {since} to {until}"


def _report(database: Path, result: Restored) -> None:
    print_fields(
        [
            ("Database", database),
            ("Events", result.contents.events),
            ("Newest id", result.contents.newest_id),
            ("Set aside", result.set_aside or "there was none"),
        ]
    )
    lost = result.lost
    if lost is not None:
        unknown = "an unknown number of events"
        number = unknown if lost.events is None else counted(lost.events, "event")
        say(f"Lost: {number} {_stored(lost)}.")
    if not result.carried_over:
        say(
            "The database before could not be read to its end, or was not the one that the backup "
            "was made of: tokens revoked since the backup may be valid again. Look at "
            "watchtowerctl token list once the collector runs. New ids begin far above."
        )
    say("Now: systemctl start watchtower-collector.socket watchtower-collector.service")

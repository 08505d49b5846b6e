"""``watchtowerctl backup``: a whole copy of the database, while the collector runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from watchtowerctl.host_database import host_database, not_done, not_here
from watchtowerctl.output import print_fields


def backup(
    directory: Annotated[
        Path, typer.Option("--directory", help="where to; it belongs to the collector's user")
    ] = Path("/var/backups/watchtower"),
    keep: Annotated[
        int, typer.Option("--keep", min=1, help="how many to keep there, the newest")
    ] = 14,
) -> None:
    """Back up the database of the collector on this host, and check the copy."""
    try:
        from watchtower_collector.backup import back_up  # noqa: PLC0415  # installed there only
        from watchtower_collector.keeping_errors import KeepingError  # noqa: PLC0415  # likewise
    except ImportError:
        raise not_here() from None
    try:
        made = back_up(host_database(), directory.absolute(), keep, _show)
    except KeepingError as error:
        raise not_done("no backup was made", error) from None
    print_fields(
        [
            ("Backup", made.path),
            ("Bytes", made.size),
            ("Schema", made.contents.schema),
            ("Events", made.contents.events),
            ("Newest id", made.contents.newest_id),
            *(("Removed", old) for old in made.removed),
        ]
    )


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\r" if done < total else "\n"
        print(f"copied {100 * done // total:3} %", end=end, file=sys.stderr, flush=True)

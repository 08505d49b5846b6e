"""The program: its commands, and how it ends."""

from __future__ import annotations

from typing import Annotated

import typer

from watchtowerctl.command import Command
from watchtowerctl.commands import (
    audit,
    backup,
    check,
    event,
    events,
    forget,
    hosts,
    restore,
    stats,
    tail,
    token,
)
from watchtowerctl.errors import READER_GONE, CommandError
from watchtowerctl.output import emit, prepare_messages, prepare_output, say
from watchtowerctl.version import read_version

# Plain help: it is read in pipes and by screen readers, too.
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Ask a Watchtower collector who logged in where, and look after it.",
)
app.command(cls=Command)(events.events)
app.command(cls=Command)(event.event)
app.command(cls=Command)(tail.tail)
app.command(cls=Command)(hosts.hosts)
app.command(cls=Command)(forget.forget)
app.command(cls=Command)(stats.stats)
app.add_typer(token.app, name="token")
app.command(cls=Command)(audit.audit)
app.command(cls=Command)(check.check)
app.command(cls=Command)(backup.backup)
app.command(cls=Command)(restore.restore)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(read_version())
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="show the version"),
    ] = False,
) -> None:
    pass


def main() -> int:
    """Run the command line and return the exit status."""
    prepare_messages()
    try:
        prepare_output()
        status = _run()
        emit("", flush=True)
    except CommandError as error:
        if error.status != READER_GONE:
            say(f"watchtowerctl: {error}")
        return error.status
    return status


def _run() -> int:
    try:
        app(prog_name="watchtowerctl")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0

"""What is printed: tables for people, JSON Lines for programs, words beside it on stderr."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from watchtowerctl.errors import OUTPUT, READER_GONE, CommandError
from watchtowerctl.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

# Wide enough for any row: what is not a terminal gets whole lines, however long.
_UNBOUNDED = 1 << 20
_TIME = 25  # characters of a time with its offset: in one piece it can be read and copied


def say(message: str) -> None:
    """Tell the admin something that is not the answer itself."""
    print(visible(message), file=sys.stderr, flush=True)


class _Output(io.FileIO):
    """Standard output that ends the command when it cannot be written, whoever writes.

    Typer's help goes through it, too; Typer would make status 1 of a reader that is gone.
    """

    def write(self, data: Buffer, /) -> int:
        try:
            # What is never ready is no better than what is full.
            written = cast("int | None", super().write(data))
            if written is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        except OSError as error:
            # What is still in the buffer goes nowhere, without a word at the end of the program.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):
                raise CommandError(READER_GONE, "nobody reads any more") from None
            message = f"cannot write the output: {error.strerror}"
            raise CommandError(OUTPUT, message) from None
        return written


def prepare_messages() -> None:
    """Make standard error one that takes every message, if only to lose it (``2>&-``)."""
    # A terminal that knows ASCII only gets escapes for the rest.
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    elif sys.stderr is None:
        # For good, and as the descriptor 2: nothing that is opened later takes that.
        sys.stderr = Path(os.devnull).open("w", encoding="ascii", errors="replace")  # noqa: SIM115


def prepare_output() -> None:
    """Make standard output one that is written to its end or ends the command.

    It has a buffer of its own: without one, as PYTHONUNBUFFERED has it, Python forgets what a
    disk or a pipe did not take of a text.

    Raises:
        CommandError: the shell closed standard output (``>&-``).
    """
    if sys.stdout is None:
        raise CommandError(OUTPUT, "cannot write the output: standard output is closed")
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(sys.stdout.fileno(), "w", closefd=False)),
        encoding=sys.stdout.encoding,
        # A terminal that knows ASCII only gets escapes for the rest.
        errors="backslashreplace",
        line_buffering=sys.stdout.isatty(),
    )


def emit(text: str, *, flush: bool = False) -> None:
    """Write to standard output.

    Raises:
        CommandError: it cannot be written, or whoever read it has seen enough (``| head``).
    """
    sys.stdout.write(text)
    if flush:
        sys.stdout.flush()


def print_json(document: object, *, flush: bool = False) -> None:
    """Print one line of JSON, in ASCII: nothing in it can command a terminal."""
    emit(json.dumps(document, separators=(",", ":")) + "\n", flush=flush)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], styles: Iterable[str] = ()
) -> None:
    """Print a table: folded to fit a terminal, one whole line a row to anything else.

    All cells are taken as text of an attacker. A number stands to the right. ``styles`` are
    Rich's, one for each row.
    """
    from rich.console import Console  # noqa: PLC0415  # slow, for tables alone
    from rich.table import Table  # noqa: PLC0415  # slow, for tables alone
    from rich.text import Text  # noqa: PLC0415  # slow, for tables alone

    terminal = sys.stdout.isatty()
    console = Console(
        file=sys.stdout,
        width=None if terminal else _UNBOUNDED,
        force_terminal=terminal,
        markup=False,
        emoji=False,
        highlight=False,
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        width = _TIME if column == "Time" else None
        table.add_column(Text(visible(column)), overflow="fold", min_width=width)
    style = iter(styles)
    for row in rows:
        cells = [Text("" if cell is None else visible(cell), justify=_side(cell)) for cell in row]
        table.add_row(*cells, style=next(style, ""))
    with console.capture() as capture:
        console.print(table)
    lines = capture.get().splitlines()
    emit("".join(f"{line.rstrip()}\n" for line in lines))


def _side(cell: object) -> Literal["left", "right"]:
    number = isinstance(cell, int | float) and not isinstance(cell, bool)
    return "right" if number else "left"


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one a line."""
    shown = [(visible(name), visible(value)) for name, value in fields]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        emit(f"{name:<{width}}  {value}\n")

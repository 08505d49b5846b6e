"""What is printed: fields for people, JSON Lines for programs, words beside it on stderr."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from watchtowerctl.errors import OUTPUT, READER_GONE, CommandError
from watchtowerctl.text import shown, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer


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
        # As the descriptor 2, which nothing that is opened later takes then.
        nothing = Path(os.devnull)
        sys.stderr = nothing.open("w", encoding="ascii", errors="replace")  # for good


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


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one a line."""
    pairs = [(visible(name), shown(value)) for name, value in fields]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        emit(f"{name:<{width}}  {value}\n")

"""What the collector lists, for programs: JSON Lines, or CSV that a spreadsheet opens as text."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from watchtowerctl.output import emit, print_json
from watchtowerctl.text import is_printable, visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The collector does this to the CSV of events. Its module need not be on an admin's machine.
# What makes a spreadsheet take a cell for a formula:
# https://owasp.org/www-community/attacks/CSV_Injection
_SIGNS = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
# Where another cell may begin: in many countries the separator is a semicolon. A spreadsheet that
# splits at it sees no quotes around the whole cell, and takes a line break for the end of a line.
_BREAK = re.compile(r"([;\t\r\n])")


def print_documents(
    documents: Iterable[dict[str, Any]], fields: Sequence[str], *, as_csv: bool
) -> None:
    """Print documents as JSON Lines, or as CSV with a column for each of ``fields``.

    Fields that only a newer collector knows have columns after those.
    """
    if as_csv:
        _print_csv(documents, fields)
        return
    for document in documents:
        print_json(document)


def emit_csv(text: str) -> None:
    """Write CSV to standard output: a terminal must not obey it, and gets escapes."""
    emit(visible_lines(text) if sys.stdout.isatty() else text)


def defused(text: str) -> str:
    """Return ``text`` with an apostrophe wherever a spreadsheet would see a formula begin."""
    safe = "".join("'" + part if _is_formula(part) else part for part in _BREAK.split(text))
    return "'" + safe if text.startswith(("\t", "\r", "\n")) else safe


def _print_csv(documents: Iterable[dict[str, Any]], fields: Sequence[str]) -> None:
    following = iter(documents)
    # Before the header is printed: instead of the first there may be an error.
    first = list(islice(following, 1))
    columns = list(dict.fromkeys([*fields, *chain(*first)]))
    emit_csv(_line(columns))
    for document in chain(first, following):
        emit_csv(_line(map(document.get, columns)))


def _line(values: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(map(_cell, values))
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool | list | dict):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return defused(value) if isinstance(value, str) else value


def _is_formula(text: str) -> bool:
    # A spreadsheet may take away spaces, quotes and what cannot be seen before it looks.
    seen = (letter for letter in text if letter not in ' "' and is_printable(letter))
    return next(seen, "") in _SIGNS

"""Tables for people: laid out for a terminal, one whole line a row to anything else."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING

from watchtowerctl.output import emit
from watchtowerctl.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Characters of a column. A longer cell is folded on a terminal, and elsewhere pushes its own row
# only: somebody who is called a thousand letters must not pad everybody's.
_WIDEST = 40
_NARROWEST = 20  # a terminal that says it has less is wrong
_GAP, _INDENT = "  ", "    "
_LONGEST_BAR, _SHORTEST_BAR = 40, 8
# Its cells say themselves what they are: name=value.
_NEEDS_NO_LABEL = "Details"


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    styles: Iterable[str] = (),
    bars: Sequence[int] = (),
) -> None:
    """Print a table. All text in it is taken as an attacker's, and every letter of it is shown.

    Numbers stand to the right. Points in time are in the admin's zone; a terminal gets the offset
    in the heading, where it is the same for all. It also gets no column that is empty in all rows,
    colours (``styles`` are Rich's, one for each row), and a bar for each number of ``bars``. What
    it is too narrow for stands below each row: the last columns.
    """
    table = [list(row) for row in rows]
    if not sys.stdout.isatty():
        _print_lines(columns, table)
        return
    kept = [i for i in range(len(columns)) if any(_text(row[i]) for row in table)]
    if not kept:
        return
    grid = _Grid(
        [columns[i] for i in kept],
        [[row[i] for i in kept] for row in table],
        max(shutil.get_terminal_size().columns, _NARROWEST),
    )
    _print_styled(grid.lines(bars), styles)


def _print_lines(columns: Sequence[str], table: list[list[object]]) -> None:
    rows = [[visible(column) for column in columns], *([_text(c) for c in row] for row in table)]
    widths = _widths(rows)
    sides = _numeric(len(columns), table)
    for row in rows:
        cells = [_padded(*cell) for cell in zip(row, widths, sides, strict=True)]
        emit(_GAP.join(cells).rstrip() + "\n")


def _print_styled(blocks: Sequence[Sequence[str]], styles: Iterable[str]) -> None:
    from rich.console import Console  # noqa: PLC0415  # slow, for tables alone
    from rich.text import Text  # noqa: PLC0415  # slow, for tables alone

    console = Console(file=sys.stdout, force_terminal=True, markup=False, highlight=False)
    with console.capture() as capture:
        for block, style in zip_longest(blocks, ["", *styles], fillvalue=""):
            for line in block:
                console.print(Text(line, style), soft_wrap=True)
    emit(capture.get())


class _Grid:
    """A table on a terminal of ``width`` columns."""

    def __init__(self, columns: list[str], table: list[list[object]], width: int) -> None:
        offset = _common_offset(table)
        self._columns, self._width = columns, width
        self._heads = [
            visible(f"{column} {offset}" if offset and _has_times(table, i) else column)
            for i, column in enumerate(columns)
        ]
        self._cells = [[_text(cell, short=bool(offset)) for cell in row] for row in table]
        self._sides = _numeric(len(columns), table)
        self._widths = _widths([self._heads, *self._cells])
        # How many columns have room beside each other, and how much is left for the last one.
        self._beside, self._room = 0, width
        for each in self._widths[:-1]:
            if each > self._room:
                break
            self._beside += 1
            self._room -= each + len(_GAP)
        if self._beside < len(columns) - 1 or _cell_width(self._heads[-1]) > self._room:
            self._room = -1

    def lines(self, bars: Sequence[int]) -> list[list[str]]:
        """Return the lines of the heading, and of each row."""
        heading, *rows = [self._row(row) for row in [self._heads, *self._cells]]
        if bars:
            self._add_bars(rows, bars)
        below = [self._below(row) for row in self._cells]
        both = [[*main, *rest] for main, rest in zip(rows, below, strict=True)]
        return [[line.rstrip() for line in lines if line.strip()] for lines in [heading, *both]]

    def _has_room(self, row: Sequence[str]) -> bool:
        return _cell_width(row[-1]) <= self._room

    def _row(self, row: Sequence[str]) -> list[str]:
        columns = [
            (_fold(text, width), width, right)
            for text, width, right in zip(row, self._widths, self._sides, strict=True)
        ][: self._beside]
        if self._has_room(row):
            columns.append(([row[-1]], self._widths[-1], self._sides[-1]))
        lines = zip_longest(*(texts for texts, _, _ in columns), fillvalue="")
        return [
            _GAP.join(
                _padded(text, width, right)
                for text, (_, width, right) in zip(texts, columns, strict=True)
            )
            for texts in lines
        ]

    def _below(self, row: Sequence[str]) -> list[str]:
        end = len(row) - self._has_room(row)
        said = [
            row[i] if self._columns[i] == _NEEDS_NO_LABEL else f"{self._heads[i]}: {row[i]}"
            for i in range(self._beside, end)
            if row[i]
        ]
        room = self._width - len(_INDENT)
        lines = [""]
        for one in said:
            together = lines[-1] + _GAP + one if lines[-1] else one
            if _cell_width(together) <= room:
                lines[-1] = together
                continue
            # What goes on is further in: no text can break such that its rest looks like a label.
            first, *more = _fold(one, room - len(_GAP))
            lines += [first, *(_GAP + line for line in more)]
        return [_INDENT + line for line in lines]

    def _add_bars(self, rows: list[list[str]], bars: Sequence[int]) -> None:
        room = self._room - self._widths[-1] - len(_GAP)
        if room < _SHORTEST_BAR:
            return
        for row, number in zip(rows, bars, strict=True):
            row[0] += _GAP + bar(number, max(bars), min(room, _LONGEST_BAR))


def bar(count: int, largest: int, length: int) -> str:
    """Return a bar in proportion to the largest, which has ``length`` marks.

    What is there at all has one at least.
    """
    marks = -(-count * length // largest) if largest > 0 else 0
    letter = "█" if "utf" in (sys.stdout.encoding or "").lower() else "#"
    return letter * marks


def _has_times(table: list[list[object]], column: int) -> bool:
    return any(isinstance(row[column], datetime) for row in table)


def _common_offset(table: list[list[object]]) -> str:
    """Return the offset that all times have; none where a change of the clocks is between."""
    moments = [cell for row in table for cell in row if isinstance(cell, datetime)]
    offsets = {moment.isoformat(" ", "seconds")[19:] for moment in moments}
    return offsets.pop() if len(offsets) == 1 else ""


def _text(cell: object, *, short: bool = False) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        whole = cell.isoformat(" ", "seconds")
        return whole[:19] if short else whole
    return visible(cell)


def _numeric(columns: int, table: list[list[object]]) -> list[bool]:
    return [
        any(isinstance(row[i], int) for row in table)
        and all(row[i] is None or isinstance(row[i], int) for row in table)
        for i in range(columns)
    ]


def _widths(rows: list[list[str]]) -> list[int]:
    return [min(max(map(_cell_width, column)), _WIDEST) for column in zip(*rows, strict=True)]


def _cell_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: letters of East Asia take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  # slow, for tables alone

    return cell_len(text)


def _padded(text: str, width: int, right: bool) -> str:
    blank = " " * (width - _cell_width(text))
    return blank + text if right else text + blank


def _fold(text: str, width: int) -> list[str]:
    """Cut a text into lines, after a space where there is one. No letter of it goes missing."""
    from rich.cells import chop_cells  # noqa: PLC0415  # slow, for tables alone

    lines = []
    while _cell_width(text) > width:
        piece = chop_cells(text[:width], width)[0]
        cut = piece.rfind(" ") + 1 or len(piece)
        lines.append(text[:cut])
        text = text[cut:]
    return [*lines, text]

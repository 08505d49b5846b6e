"""Conditions on text columns: one of several texts, or of several beginnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)  # no text of the store has them


@dataclass(frozen=True, slots=True)
class Texts:
    """One of ``exact``, or anything that begins with one of ``prefixes``; case counts."""

    exact: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def match(self, text: str) -> bool:
        """Return whether a text is one of them."""
        return text in self.exact or text.startswith(self.prefixes)

    def without_overlap(self) -> Texts:
        """Return the same without what is said twice: no text matches two of its parts."""
        prefixes: list[str] = []
        for prefix in sorted(self.prefixes):
            if not prefix.startswith(tuple(prefixes)):
                prefixes.append(prefix)
        exact = dict.fromkeys(text for text in self.exact if not text.startswith(tuple(prefixes)))
        return Texts(tuple(exact), tuple(prefixes))


def after_prefix(prefix: str) -> str | None:
    """Return the least text that sorts after all that begin with ``prefix``, by code points.

    ``None`` when there is none: the prefix is empty, or made of the last code point.
    """
    stem = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    if following in _SURROGATES:
        following = _SURROGATES.stop
    return stem[:-1] + chr(following)


def begins_with(column: sa.ColumnElement[Any], prefix: str) -> sa.ColumnElement[bool]:
    """Return the condition that ``column`` begins with ``prefix``."""
    # A range can use an index; LIKE cannot, and takes upper case for lower case.
    end = after_prefix(prefix)
    return column >= prefix if end is None else sa.and_(column >= prefix, column < end)


def equals_any(column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that ``column`` is one of ``values``: at least one."""
    return column == values[0] if len(values) == 1 else column.in_(values)


def any_of(column: sa.ColumnElement[Any], texts: Texts) -> sa.ColumnElement[bool]:
    """Return the condition that ``column`` matches ``texts``."""
    exact = [equals_any(column, texts.exact)] if texts.exact else []
    return sa.or_(*exact, *(begins_with(column, prefix) for prefix in texts.prefixes))


def contains(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """Return the condition that ``column`` holds ``text`` somewhere, A to Z in either case."""
    # SQLite's LIKE is like that; SQLAlchemy's icontains adds a lower() on both sides, which
    # doubles the time.
    return column.contains(text, autoescape=True)

"""Conditions on text columns: one of several texts, or of several beginnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)  # no text of the store has them


@dataclass(frozen=True, slots=True)
class Texts:
    """One of ``exact``, or anything that begins with one of ``prefixes``; case counts."""

    exact: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


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


def _alternatives(column: sa.ColumnElement[Any], texts: Texts) -> Iterator[sa.ColumnElement[bool]]:
    if len(texts.exact) == 1:
        yield column == texts.exact[0]
    elif texts.exact:
        yield column.in_(texts.exact)
    for prefix in texts.prefixes:
        # A range can use an index; LIKE cannot, and takes upper case for lower case.
        end = after_prefix(prefix)
        yield column >= prefix if end is None else sa.and_(column >= prefix, column < end)


def any_of(column: sa.ColumnElement[Any], texts: Texts) -> sa.ColumnElement[bool]:
    """Return the condition that ``column`` matches ``texts``."""
    return sa.or_(*_alternatives(column, texts))

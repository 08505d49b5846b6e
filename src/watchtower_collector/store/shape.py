"""The shape of a question: what is asked, without the values.

Statements are made of shapes, once each, and their values are bound when they are run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from watchtower_collector.store.filters import later

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from sqlalchemy.sql.base import ReadOnlyColumnCollection

    from watchtower_collector.store.filters import Bind, Condition, Filter

    Columns = ReadOnlyColumnCollection[str, Any]

LIKE_ESCAPE = "/"
# Free text is looked for in what came from outside, as it was written.
_TEXT_COLUMNS = (
    "raw_message",
    "user",
    "hostname",
    "source_ip",
    "key_fingerprint",
    "certificate_id",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Which conditions there are. Their parameters are named by the field, those of filters apart.

    Attributes:
        filters: in the order in which they are tried.
        since, until: whether time is bounded, and at which end.
        after: whether it is a later page, by the parameters after_timestamp and after_id.
        text: whether free text is looked for.
    """

    filters: tuple[Filter, ...]
    since: bool
    until: bool
    after: bool
    text: bool

    @classmethod
    def of(cls, filters: Sequence[Filter], names: Container[str]) -> Shape:
        """Return the shape with these filters, and with what has a value."""
        after = "after_id" in names
        return cls(tuple(filters), "since" in names, "until" in names, after, "text" in names)

    def of_later_page(self) -> Shape:
        """Return the same for a later page."""
        return replace(self, after=True)

    def without(self, one: Filter) -> Shape:
        """Return the same without one of its filters."""
        return replace(self, filters=tuple(other for other in self.filters if other != one))

    def between(self) -> Shape:
        """Return the same with time bounded at both ends."""
        return replace(self, since=True, until=True)

    def with_column(self, one: Filter) -> Shape:
        """Return the same with a filter instead of those of its column."""
        others = (other for other in self.filters if other.column != one.column)
        return replace(self, filters=(one, *others))

    def within(self, columns: Columns, bind: Bind = later) -> Iterator[Condition]:
        """Return the conditions of time."""
        if self.since:
            yield columns.timestamp >= bind("since")
        if self.until:
            yield columns.timestamp < bind("until")
        if self.after:
            key = sa.tuple_(columns.timestamp, columns.id)
            yield key < sa.tuple_(bind("after_timestamp"), bind("after_id"))

    def matching(self, columns: Columns, bind: Bind = later) -> Iterator[Condition]:
        """Return the other conditions."""
        for one in self.filters:
            yield one.condition(columns[one.column], bind)
        if self.text:
            # A to Z in either case: SQLite's LIKE is like that, and icontains would add a lower()
            # on both sides, which doubles the time.
            looked_through = (columns[name] for name in _TEXT_COLUMNS)
            yield sa.or_(
                *(column.like(bind("text"), escape=LIKE_ESCAPE) for column in looked_through)
            )

"""The shape of a question: what is asked, without the values.

Statements are made of shapes, once each, and their values are bound when they are run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from watchtower_collector.store.filters import later

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.sql.base import ReadOnlyColumnCollection

    from watchtower_collector.store.filters import Bind, Condition, Filter, Values

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
_RARE_TEXT_COLUMNS = frozenset({"key_fingerprint", "certificate_id"})


@dataclass(frozen=True, slots=True)
class Shape:
    """Which conditions there are. Their parameters are named by the field, those of filters apart.

    Attributes:
        filters: in the order in which they are tried.
        since, until: whether time is bounded, and at which end.
        after: whether it is a later page, by the parameters after_timestamp and after_id.
        text: whether free text is looked for.
        escaped: whether its pattern has escapes.
    """

    filters: tuple[Filter, ...]
    since: bool
    until: bool
    after: bool
    text: bool
    escaped: bool

    @classmethod
    def of(cls, filters: Sequence[Filter], values: Values) -> Shape:
        """Return the shape with these filters, and with what has a value."""
        return cls(
            tuple(filters),
            since="since" in values,
            until="until" in values,
            after="after_id" in values,
            text="text" in values,
            escaped=LIKE_ESCAPE in values.get("text", ""),
        )

    def of_later_page(self) -> Shape:
        """Return the same for a later page."""
        return replace(self, after=True)

    def without(self, *some: Filter) -> Shape:
        """Return the same without some of its filters."""
        return replace(self, filters=tuple(one for one in self.filters if one not in some))

    def without_filters(self) -> Shape:
        """Return what it says of time."""
        return replace(self, filters=(), text=False, escaped=False)

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
            yield sa.or_(*(self._has_text(columns[name], bind) for name in _TEXT_COLUMNS))

    def _has_text(self, column: sa.ColumnElement[Any], bind: Bind) -> Condition:
        # A to Z in either case: SQLite's LIKE is like that, and icontains would add a lower() on
        # both sides, which doubles the time. An escape that is not needed takes a tenth.
        found = column.like(bind("text"), escape=LIKE_ESCAPE if self.escaped else None)
        # Most events have none of these, and LIKE would be called to find out.
        return column.is_not(None) & found if column.name in _RARE_TEXT_COLUMNS else found

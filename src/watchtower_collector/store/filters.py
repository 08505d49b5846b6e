"""What is asked of one column, apart from the values: those go into a statement as parameters.

Questions that differ in their values only share their statements, which cost as much to make as
SQLite needs for a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watchtower_collector.store.matching import Texts

    # Returns the parameter of a name.
    Bind = Callable[[str], sa.BindParameter[Any]]

Condition = sa.ColumnElement[bool]
Values = dict[str, Any]


def later(name: str) -> sa.BindParameter[Any]:
    """Return a parameter whose value is given when the statement is run."""
    return sa.bindparam(name)


def now(values: Values) -> Bind:
    """Return what binds parameters to these values."""
    return lambda name: sa.bindparam(name, values[name], unique=True)


@dataclass(frozen=True, slots=True)
class Filter:
    """A column must have one of so many values, or lie in one of so many ranges."""

    column: str
    values: int
    ranges: tuple[bool, ...]
    """Whether each has an end."""

    def value_conditions(self, column: sa.ColumnElement[Any], bind: Bind) -> list[Condition]:
        """Return a condition for each value."""
        return [column == bind(self._name("is", n)) for n in range(self.values)]

    def range_conditions(self, column: sa.ColumnElement[Any], bind: Bind) -> list[Condition]:
        """Return a condition for each range."""
        found = []
        for n, has_end in enumerate(self.ranges):
            begin = column >= bind(self._name("from", n))
            found.append(sa.and_(begin, column < bind(self._name("to", n))) if has_end else begin)
        return found

    def parts(self, column: sa.ColumnElement[Any], bind: Bind) -> list[Condition]:
        """Return conditions of which one must hold: that of the values first, and no two do."""
        values = self.value_conditions(column, bind)
        if len(values) > 1:
            values = [column.in_([bind(self._name("is", n)) for n in range(self.values)])]
        return [*values, *self.range_conditions(column, bind)]

    def condition(self, column: sa.ColumnElement[Any], bind: Bind) -> Condition:
        """Return all of it as one condition."""
        return sa.or_(*self.parts(column, bind))

    def parameters(self, values: Sequence[Any], ranges: Sequence[tuple[Any, Any]]) -> Values:
        """Return the values by the names of their parameters."""
        named = {self._name("is", n): value for n, value in enumerate(values)}
        for n, (begin, end) in enumerate(ranges):
            named[self._name("from", n)] = begin
            if end is not None:
                named[self._name("to", n)] = end
        return named

    def _name(self, kind: str, number: int) -> str:
        return f"{self.column}_{kind}_{number}"


def asked(
    column: str, values: Sequence[Any], ranges: Sequence[tuple[Any, Any]] = ()
) -> tuple[Filter, Values]:
    """Return a filter and its parameters.

    The ranges include their first value and not their last, which may be ``None`` for no end.
    They must share no value, with one another or with ``values``.
    """
    made = Filter(column, len(values), tuple(end is not None for _, end in ranges))
    return made, made.parameters(values, ranges)


def asked_texts(column: str, texts: Texts) -> tuple[Filter, Values]:
    """Return the same for texts and beginnings of texts."""
    texts = texts.without_overlap()
    return asked(column, texts.exact, texts.ranges())


def any_of(column: sa.ColumnElement[Any], texts: Texts) -> Condition:
    """Return the condition that ``column`` matches ``texts``, values included."""
    made, values = asked_texts("text", texts)
    return made.condition(column, now(values))

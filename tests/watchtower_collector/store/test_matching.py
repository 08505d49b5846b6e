"""Prefixes as ranges: the same texts as ``str.startswith`` would choose."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from watchtower_collector.store.filters import any_of
from watchtower_collector.store.matching import Texts, after_prefix

# What SQLite stores as UTF-8, and sorts by its bytes.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        ("web-", "web."),
        ("z\U0010ffff", "{"),
        ("\U0010ffff", None),
        ("", None),
        ("\ud7ff", "\ue000"),
    ],
)
def test_the_end_of_a_prefix(prefix, end):
    assert after_prefix(prefix) == end


@given(prefix=TEXT, texts=st.lists(TEXT, max_size=20), more=TEXT)
def test_a_range_holds_what_begins_with_the_prefix(prefix, texts, more):
    texts = [*texts, prefix, prefix + more]
    engine = sa.create_engine("sqlite://")
    table = sa.Table("t", sa.MetaData(), sa.Column("text", sa.Text))
    with engine.connect() as connection:
        table.create(connection)
        connection.execute(sa.insert(table), [{"text": text} for text in texts])
        found = connection.execute(
            sa.select(table.c.text).where(any_of(table.c.text, Texts(prefixes=(prefix,))))
        ).scalars()
        assert sorted(found) == sorted(text for text in texts if text.startswith(prefix))
    engine.dispose()


def test_case_counts_and_wildcards_are_text():
    statement = sa.select(
        *(
            any_of(sa.literal(value), texts)
            for value, texts in (
                ("web-1", Texts(exact=("web-1",))),
                ("web-1", Texts(exact=("a", "web-1"))),
                ("web-1", Texts(exact=("a",), prefixes=("web-",))),
                ("WEB-1", Texts(exact=("web-1",), prefixes=("web-",))),
                ("web-1", Texts(prefixes=("%", "web_"))),
            )
        )
    )
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        assert list(connection.execute(statement).one()) == [1, 1, 1, 0, 0]
    engine.dispose()


def test_what_is_said_twice_is_said_once():
    texts = Texts(("web-1", "db", "db", "dbx"), ("web-", "w", "web-", "e"))
    assert texts.without_overlap() == Texts(("db", "dbx"), ("e", "w"))
    assert Texts(("a",), ("b", "")).without_overlap() == Texts((), ("",))

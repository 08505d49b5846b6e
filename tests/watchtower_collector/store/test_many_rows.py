"""Many rows in one statement: as many statements as need be, and nothing else is taken for one."""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower_collector.store.many_rows import MAX_ROWS, ManyRows

TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
)
INSERT = insert(TABLE).on_conflict_do_nothing(index_elements=[TABLE.c.name])


@pytest.fixture
def connection():
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        TABLE.create(connection)
        yield connection
    engine.dispose()


@pytest.fixture
def statements(connection):
    """The texts that the database is given from here on."""
    given = []

    def note(_connection, _cursor, statement, *_rest):
        given.append(statement)

    sa.event.listen(connection.engine, "before_cursor_execute", note)
    return given


def stored(connection):
    return [tuple(row) for row in connection.execute(sa.select(TABLE).order_by(TABLE.c.id))]


@pytest.mark.parametrize("count", [1, 2, MAX_ROWS, MAX_ROWS + 1, 3 * MAX_ROWS + 7])
def test_every_row_goes_where_it_belongs(connection, statements, count):
    rows = [{"name": f"name {i}", "id": i} for i in range(count)]
    assert ManyRows(INSERT).execute(connection, rows) == count
    assert len(statements) == -(-count // MAX_ROWS)
    assert stored(connection) == [(i, f"name {i}") for i in range(count)]


def test_conflicts_do_not_count(connection):
    """Neither with rows of before, nor among themselves."""
    many = ManyRows(INSERT)
    assert many.execute(connection, [{"id": 1, "name": "a"}]) == 1
    names = ["b", "a", "c", "b"]
    rows = [{"id": i, "name": name} for i, name in enumerate(names, start=2)]
    assert many.execute(connection, rows) == 2
    assert stored(connection) == [(1, "a"), (2, "b"), (4, "c")]


def test_a_row_that_is_refused_leaves_none_of_its_statement(connection):
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
    with pytest.raises(sa.exc.IntegrityError):
        ManyRows(INSERT).execute(connection, rows)
    assert stored(connection) == []


@pytest.mark.parametrize(
    "other",
    [
        insert(TABLE),
        insert(TABLE).values([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]),
        insert(TABLE).on_conflict_do_update(index_elements=["name"], set_={"name": "?"}),
    ],
)
def test_another_statement_is_not_taken(other):
    with pytest.raises(ValueError, match="not an insert of one row"):
        ManyRows(other)

"""What a restored database takes over: ids, tokens and the audit are not turned back."""

import sqlite3
from contextlib import closing

import pytest

from watchtower_collector.backup import back_up
from watchtower_collector.carry_over import UNKNOWN_IDS
from watchtower_collector.keeping_errors import NewerEventsError
from watchtower_collector.restore import restore
from watchtower_collector.store import migrations


@pytest.fixture
def database(tmp_path, fill):
    path = tmp_path / "state" / "watchtower.db"
    path.parent.mkdir()
    fill(path, 10)
    return path


@pytest.fixture
def make_backup(database, tmp_path):
    return lambda: back_up(database, tmp_path / "backups").path


def change(database, script):
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(script)


def ask(database, statement):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(statement).fetchall()


def give(database, hostname, byte, revoked_at="NULL"):
    """Give a host a token whose digest is one byte again and again."""
    change(
        database,
        "INSERT INTO tokens (hostname, digest, created_at, revoked_at) "
        f"VALUES ('{hostname}', x'{f'{byte:02x}' * 32}', 1, {revoked_at})",
    )


def note(database, path, at):
    change(
        database,
        "INSERT INTO audit (at, key, address, method, path, query, status) "
        f"VALUES ({at}, 'current', '127.0.0.1', 'GET', '{path}', '', 200)",
    )


TOKENS = "SELECT id, hostname, revoked_at FROM tokens ORDER BY id"
AUDIT = "SELECT id, at, path FROM audit ORDER BY id"


def test_a_revoked_token_stays_revoked_and_a_newer_one_is_kept(database, make_backup):
    give(database, "web-1", 1)
    give(database, "web-2", 2)
    backup = make_backup()
    change(database, "UPDATE tokens SET revoked_at = 77, last_used_at = 70 WHERE id = 1")
    give(database, "web-3", 3)
    result = restore(backup, database)
    assert result.carried_over
    assert ask(database, TOKENS) == [(1, "web-1", 77), (2, "web-2", None), (3, "web-3", None)]
    assert ask(database, "SELECT last_used_at FROM tokens WHERE id = 1") == [(70,)]


def test_a_backup_from_before_there_were_tokens_brings_none_back_to_life(database, make_backup):
    """Of schema version 1: it is brought to the newest version before it takes them over."""
    give(database, "web-1", 1, revoked_at=77)
    note(database, "/events", 5)
    backup = make_backup()
    first = backup.with_name("first.db")
    with closing(sqlite3.connect(first, isolation_level=None)) as connection:
        migrations.migrate(connection, migrations.STEPS[:1])
        connection.execute("ATTACH ? AS newest", (str(backup),))
        connection.execute("INSERT INTO events SELECT * FROM newest.events")
    restore(first, database)
    assert ask(database, "SELECT schema_version FROM store_state") == [(len(migrations.STEPS),)]
    assert ask(database, TOKENS) == [(1, "web-1", 77)]
    assert ask(database, AUDIT) == [(1, 5, "/events")]


def test_a_present_database_from_before_there_were_tokens_takes_none_away(database, make_backup):
    give(database, "web-1", 1, revoked_at=77)
    backup = make_backup()
    change(database, "DROP TABLE tokens; DROP TABLE audit")
    assert restore(backup, database).carried_over
    assert ask(database, TOKENS) == [(1, "web-1", 77)]


def test_the_audit_loses_no_entry(database, make_backup):
    note(database, "/events", 1)
    backup = make_backup()
    note(database, "/admin/tokens", 2)
    restore(backup, database)
    assert ask(database, AUDIT) == [(1, 1, "/events"), (2, 2, "/admin/tokens")]


def test_ids_of_tokens_and_audit_are_not_given_twice_either(database, make_backup):
    give(database, "web-1", 1)
    note(database, "/events", 1)
    backup = make_backup()
    give(database, "web-2", 2)
    note(database, "/events", 2)
    change(database, "DELETE FROM tokens WHERE id = 2; DELETE FROM audit WHERE id = 2")
    restore(backup, database)
    give(database, "web-3", 3)
    note(database, "/events", 3)
    assert [id_ for id_, *_ in ask(database, TOKENS)] == [1, 3]
    assert [id_ for id_, *_ in ask(database, AUDIT)] == [1, 3]


def test_tokens_of_two_collectors_are_all_kept(database, make_backup, fill):
    """The backup is of the lost one; the one that was installed anew gave the same ids."""
    give(database, "web-1", 1)
    note(database, "/events", 1)
    backup = make_backup()
    database.unlink()
    fill(database, 1)
    give(database, "web-2", 2, revoked_at=5)
    note(database, "/stats", 9)
    result = restore(backup, database, lose_newer=True)
    assert not result.carried_over
    (first, second) = ask(database, TOKENS)
    assert first == (1, "web-1", None)
    assert second == (2, "web-2", 5)
    assert [path for _, _, path in ask(database, AUDIT)] == ["/events", "/stats"]
    give(database, "web-3", 3)
    assert ask(database, "SELECT max(id) > 1000000 FROM tokens") == [(1,)]


def test_columns_that_only_one_of_both_has_do_not_hinder(database, make_backup):
    """A collector that went back to an earlier version finds a newer database."""
    give(database, "web-1", 1)
    backup = make_backup()
    change(
        database,
        "ALTER TABLE tokens ADD COLUMN colour TEXT;"
        "UPDATE tokens SET revoked_at = 77, colour = 'red'",
    )
    restore(backup, database)
    assert ask(database, TOKENS) == [(1, "web-1", 77)]


def test_of_a_present_database_that_is_damaged_in_part_the_rest_is_taken(
    database, make_backup, fill
):
    give(database, "web-1", 1)
    backup = make_backup()
    change(database, "UPDATE tokens SET revoked_at = 77")
    ((page,),) = ask(database, "PRAGMA page_size")
    ((root,),) = ask(database, "SELECT rootpage FROM sqlite_schema WHERE name = 'events'")
    with database.open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\xff" * page)
    with pytest.raises(NewerEventsError, match=r"is damaged, and may have any number of events"):
        restore(backup, database)
    assert not list(database.parent.glob("*.before-restore-*"))
    result = restore(backup, database, lose_newer=True)
    assert not result.carried_over
    assert result.lost.events is None
    assert ask(database, TOKENS) == [(1, "web-1", 77)]
    # One id is the event's that says what is missing.
    assert fill(database, 1) == [10 + UNKNOWN_IDS + 2]


@pytest.mark.parametrize("events", [0, 10])
def test_a_token_that_only_the_backup_knows_as_revoked_stays_so(
    database, make_backup, fill, events
):
    """The disk was lost, the collector installed anew, and the inventory's token made known."""
    give(database, "web-1", 1, revoked_at=77)
    change(database, f"DELETE FROM events WHERE id > {events}")
    backup = make_backup()
    database.unlink()
    fill(database, 3)
    give(database, "web-1", 1)
    restore(backup, database, lose_newer=True)
    assert [row[1:] for row in ask(database, TOKENS)] == [("web-1", 77)]


def test_what_is_known_of_each_host_is_what_was_learnt_last(database, make_backup):
    backup = make_backup()
    change(
        database,
        "INSERT INTO hosts (hostname, first_seen, last_seen) VALUES ('web-9', 5, 9);"
        "UPDATE hosts SET last_seen = last_seen + 7, trouble = 'new' WHERE hostname != 'web-9'",
    )
    known = ask(database, "SELECT * FROM hosts ORDER BY hostname")
    assert len(known) >= 2
    restore(backup, database)
    assert ask(database, "SELECT * FROM hosts ORDER BY hostname") == known

"""How a SQLite store came to its present schema, step by step.

A step that was released is never changed: it is what operators' databases went through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchtower_collector.store import StoreUnusableError
from watchtower_collector.version import VERSION

if TYPE_CHECKING:
    import sqlite3

_CREATE = (
    """
    CREATE TABLE store_state (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        schema_version INTEGER NOT NULL,
        probed_at INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO store_state (only, schema_version, probed_at) VALUES (1, 0, 0)",
    # AUTOINCREMENT: an id, once acknowledged, never comes back for another event.
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        event_id BLOB CHECK (length(event_id) = 16),
        type TEXT NOT NULL,
        timestamp INTEGER NOT NULL,
        received_at INTEGER NOT NULL,
        hostname TEXT NOT NULL,
        user TEXT,
        method TEXT,
        source_ip TEXT,
        source_addr BLOB CHECK (length(source_addr) = 16),
        source_port INTEGER,
        key_type TEXT,
        key_fingerprint TEXT,
        certificate_id TEXT,
        certificate_ca TEXT,
        raw_message TEXT,
        region TEXT,
        host_group TEXT,
        severity TEXT,
        flagged INTEGER NOT NULL,
        trusted INTEGER NOT NULL,
        ambiguous INTEGER NOT NULL,
        agent_version TEXT,
        spool_depth INTEGER,
        extra TEXT
    ) STRICT
    """,
    "CREATE UNIQUE INDEX events_event_id ON events (event_id)",
    "CREATE INDEX events_timestamp ON events (timestamp)",
    "CREATE INDEX events_hostname ON events (hostname, timestamp)",
    "CREATE INDEX events_user ON events (user, timestamp)",
    "CREATE INDEX events_source ON events (source_addr, timestamp)",
    "CREATE INDEX events_type ON events (type, timestamp)",
)

_HOSTS_TOKENS_AUDIT = (
    """
    CREATE TABLE hosts (
        hostname TEXT PRIMARY KEY,
        first_seen INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        last_login INTEGER,
        last_login_user TEXT,
        last_login_source_ip TEXT,
        last_heartbeat INTEGER,
        agent_version TEXT,
        spool_depth INTEGER,
        clock_offset_seconds REAL,
        trouble TEXT,
        region TEXT,
        host_group TEXT,
        severity TEXT
    ) STRICT, WITHOUT ROWID
    """,
    # What the events so far say of their hosts.
    """
    INSERT INTO hosts (hostname, first_seen, last_seen)
    SELECT hostname, min(received_at), max(received_at) FROM events GROUP BY hostname
    """,
    """
    UPDATE hosts SET (last_login, last_login_user, last_login_source_ip) = (
        SELECT timestamp, user, source_ip FROM events
        WHERE events.hostname = hosts.hostname AND type = 'login'
        ORDER BY timestamp DESC, id DESC LIMIT 1
    )
    """,
    """
    UPDATE hosts SET (
        last_heartbeat, agent_version, spool_depth, clock_offset_seconds, trouble
    ) = (
        SELECT received_at, agent_version, spool_depth,
               CAST(extra ->> 'clock_offset_seconds' AS REAL), extra ->> 'trouble'
        FROM events
        WHERE events.hostname = hosts.hostname AND type = 'heartbeat'
        ORDER BY timestamp DESC, id DESC LIMIT 1
    )
    """,
    """
    UPDATE hosts SET (region, host_group, severity) = (
        SELECT region, host_group, severity FROM events
        WHERE events.hostname = hosts.hostname
        ORDER BY timestamp DESC, id DESC LIMIT 1
    )
    """,
    """
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        hostname TEXT NOT NULL,
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER,
        last_used_at INTEGER
    ) STRICT
    """,
    "CREATE UNIQUE INDEX tokens_digest ON tokens (digest, hostname)",
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        key TEXT NOT NULL,
        address TEXT NOT NULL,
        method TEXT NOT NULL,
        path TEXT NOT NULL,
        query TEXT NOT NULL,
        status INTEGER NOT NULL,
        detail TEXT
    ) STRICT
    """,
    "CREATE INDEX audit_at ON audit (at)",
)

# Every column that is filtered by, so that any combination of filters is decided on the index
# alone. Events arrive in about this order: a row more here costs what it costs at an end.
_WIDER_INDEXES = (
    "DROP INDEX events_timestamp",
    """
    CREATE INDEX events_time ON events (
        timestamp, id, type, flagged, severity, method, region, host_group, hostname, user,
        source_addr
    )
    """,
    # With the type, which is what the others are asked together with most.
    "DROP INDEX events_hostname",
    "DROP INDEX events_user",
    "DROP INDEX events_source",
    "CREATE INDEX events_hostname ON events (hostname, timestamp, id, type)",
    "CREATE INDEX events_user ON events (user, timestamp, id, type)",
    "CREATE INDEX events_source ON events (source_addr, timestamp, id, type)",
)

_OWNERS = ("ALTER TABLE tokens ADD COLUMN owner TEXT",)

_RESTORE_NOTE = (
    "ALTER TABLE store_state ADD COLUMN restore_id TEXT",
    "ALTER TABLE store_state ADD COLUMN restored_at INTEGER",
    "ALTER TABLE store_state ADD COLUMN missing_since INTEGER",
)

# See ``facets``. Triggers write it, so that no event comes in without; '' stands for NULL, which
# would not be unique. To spare writes, last_id is behind by up to 10,000: ``LAST_ID_LAG``.
_NOTE_FACET = """
    BEGIN
        INSERT INTO facets (hostname, type, method, region, host_group, severity, last_id)
        VALUES (
            NEW.hostname, NEW.type, coalesce(NEW.method, ''), coalesce(NEW.region, ''),
            coalesce(NEW.host_group, ''), coalesce(NEW.severity, ''), NEW.id
        )
        ON CONFLICT (hostname, type, method, region, host_group, severity)
        DO UPDATE SET last_id = excluded.last_id WHERE excluded.last_id >= last_id + 10000;
    END
"""
_FACETS = (
    """
    CREATE TABLE facets (
        id INTEGER PRIMARY KEY,
        hostname TEXT NOT NULL,
        type TEXT NOT NULL,
        method TEXT NOT NULL,
        region TEXT NOT NULL,
        host_group TEXT NOT NULL,
        severity TEXT NOT NULL,
        last_id INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX facets_all ON facets (
        hostname, type, method, region, host_group, severity
    )
    """,
    "CREATE INDEX facets_last_id ON facets (last_id)",
    # Who makes up methods or labels by the thousand gets one line that stands for all of them.
    """
    CREATE TRIGGER facets_bound AFTER INSERT ON facets
    WHEN NEW.type <> '*' AND (
        SELECT count(*) FROM (SELECT 1 FROM facets WHERE hostname = NEW.hostname LIMIT 501)
    ) > 500
    BEGIN
        DELETE FROM facets WHERE id = NEW.id;
        INSERT INTO facets (hostname, type, method, region, host_group, severity, last_id)
        VALUES (NEW.hostname, '*', '', '', '', '', NEW.last_id)
        ON CONFLICT (hostname, type, method, region, host_group, severity)
        DO UPDATE SET last_id = excluded.last_id WHERE excluded.last_id >= last_id + 10000;
    END
    """,
    f"CREATE TRIGGER events_facets AFTER INSERT ON events {_NOTE_FACET}",
    # Nothing here changes events; somebody with sqlite3 and wrong labels may.
    f"""
    CREATE TRIGGER events_facets_changed
    AFTER UPDATE OF hostname, type, method, region, host_group, severity ON events {_NOTE_FACET}
    """,
    # The events so far. Without sorting them: there may be many millions.
    """
    INSERT INTO facets (hostname, type, method, region, host_group, severity, last_id)
    SELECT hostname, type, coalesce(method, ''), coalesce(region, ''), coalesce(host_group, ''),
           coalesce(severity, ''), id
    FROM events WHERE true
    ON CONFLICT (hostname, type, method, region, host_group, severity)
    DO UPDATE SET last_id = excluded.last_id WHERE excluded.last_id >= last_id + 10000
    """,
)

STEPS: tuple[tuple[str, ...], ...] = (
    _CREATE,
    _HOSTS_TOKENS_AUDIT,
    _WIDER_INDEXES,
    _OWNERS,
    _RESTORE_NOTE,
    _FACETS,
)


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the version of the schema in this database, 0 for an empty one.

    Raises:
        StoreUnusableError: the database holds tables, but not Watchtower's.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if not tables:
        return 0
    if "store_state" not in tables:
        raise StoreUnusableError(
            "it is a SQLite database, but not Watchtower's: point WATCHTOWER_DB_PATH elsewhere"
        )
    (version,) = connection.execute("SELECT schema_version FROM store_state").fetchone()
    return int(version)


def _refuse_newer(version: int, newest: int) -> None:
    if version > newest:
        raise StoreUnusableError(
            f"its schema has version {version}, collector {VERSION} knows versions up to "
            f"{newest}: a newer collector wrote it; install that one again, or restore a backup "
            "from before the upgrade"
        )


def migrate(connection: sqlite3.Connection, steps: tuple[tuple[str, ...], ...] = STEPS) -> int:
    """Bring the database to the newest schema and return the version it had before.

    Each step is one transaction: power may fail at any moment. The connection must leave
    transactions to us (``isolation_level=None``).

    Raises:
        StoreUnusableError: the schema is newer than this program.
        sqlite3.Error: whatever else the database says.
    """
    found = None
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = schema_version(connection)
            found = version if found is None else found
            _refuse_newer(version, len(steps))
            if version == len(steps):
                connection.execute("ROLLBACK")
                return found
            for statement in steps[version]:
                connection.execute(statement)
            connection.execute("UPDATE store_state SET schema_version = ?", (version + 1,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

"""The tables as they are now; ``migrations`` has how they came to be."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("event_id", sa.LargeBinary(16)),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("timestamp", sa.BigInteger, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("hostname", sa.Text, nullable=False),
    sa.Column("user", sa.Text),
    sa.Column("method", sa.Text),
    sa.Column("source_ip", sa.Text),
    sa.Column("source_addr", sa.LargeBinary(16)),
    sa.Column("source_port", sa.Integer),
    sa.Column("key_type", sa.Text),
    sa.Column("key_fingerprint", sa.Text),
    sa.Column("certificate_id", sa.Text),
    sa.Column("certificate_ca", sa.Text),
    sa.Column("raw_message", sa.Text),
    sa.Column("region", sa.Text),
    sa.Column("host_group", sa.Text),
    sa.Column("severity", sa.Text),
    sa.Column("flagged", sa.Boolean, nullable=False),
    sa.Column("trusted", sa.Boolean, nullable=False),
    sa.Column("ambiguous", sa.Boolean, nullable=False),
    sa.Column("agent_version", sa.Text),
    sa.Column("spool_depth", sa.BigInteger),
    # Fields of agents newer than this collector, as one flat JSON object.
    sa.Column("extra", sa.Text),
)

# One row: which schema this is, when a write was last tried for its own sake, the last restore.
STORE_STATE = sa.Table(
    "store_state",
    METADATA,
    sa.Column("only", sa.Integer, primary_key=True),
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("probed_at", sa.BigInteger, nullable=False),
    sa.Column("restore_id", sa.Text),
    sa.Column("restored_at", sa.BigInteger),
    sa.Column("missing_since", sa.BigInteger),
)

# What each host was last known to be; written together with the events that say it.
HOSTS = sa.Table(
    "hosts",
    METADATA,
    sa.Column("hostname", sa.Text, primary_key=True),
    sa.Column("first_seen", sa.BigInteger, nullable=False),
    sa.Column("last_seen", sa.BigInteger, nullable=False),
    sa.Column("last_login", sa.BigInteger),
    sa.Column("last_login_user", sa.Text),
    sa.Column("last_login_source_ip", sa.Text),
    sa.Column("last_heartbeat", sa.BigInteger),
    sa.Column("agent_version", sa.Text),
    sa.Column("spool_depth", sa.BigInteger),
    sa.Column("clock_offset_seconds", sa.Float),
    sa.Column("trouble", sa.Text),
    sa.Column("region", sa.Text),
    sa.Column("host_group", sa.Text),
    sa.Column("severity", sa.Text),
)

# Which combinations of these there are among the events; written by triggers. '' stands for NULL.
FACETS = sa.Table(
    "facets",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("hostname", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("host_group", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    # Every event with it has an id below last_id + LAST_ID_LAG.
    sa.Column("last_id", sa.BigInteger, nullable=False),
)
# As the triggers have it. A smaller number here would let events lose their combination.
LAST_ID_LAG = 10_000
# The type that stands for all others, where a host has too many combinations.
ANYTHING = "*"

# Tokens of single hosts, as digests. A token may be bound to several names, one row each.
TOKENS = sa.Table(
    "tokens",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("hostname", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("last_used_at", sa.BigInteger),
    # Who may replace it: the name that an inventory has for the host.
    sa.Column("owner", sa.Text),
)

# Who asked what with an admin key.
AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("detail", sa.Text),
)

# Each index slows every insert: each has its query, see the tests of the query plans.
sa.Index("events_event_id", EVENTS.c.event_id, unique=True)
sa.Index(
    "events_time",
    *(EVENTS.c[name] for name in ("timestamp", "id", "type", "flagged", "severity", "method")),
    *(EVENTS.c[name] for name in ("region", "host_group", "hostname", "user", "source_addr")),
)
_BY_TIME = (EVENTS.c.timestamp, EVENTS.c.id, EVENTS.c.type)
sa.Index("events_hostname", EVENTS.c.hostname, *_BY_TIME)
sa.Index("events_user", EVENTS.c.user, *_BY_TIME)
sa.Index("events_source", EVENTS.c.source_addr, *_BY_TIME)
sa.Index("events_type", EVENTS.c.type, EVENTS.c.timestamp)
sa.Index(
    "facets_all",
    *(FACETS.c[name] for name in ("hostname", "type", "method", "region", "host_group")),
    FACETS.c.severity,
    unique=True,
)
sa.Index("facets_last_id", FACETS.c.last_id)
sa.Index("tokens_digest", TOKENS.c.digest, TOKENS.c.hostname, unique=True)
sa.Index("audit_at", AUDIT.c.at)

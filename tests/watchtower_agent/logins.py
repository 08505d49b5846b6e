"""Logins in a journal, and what has become of them in a spool."""

import json

BOOT, SECOND, THIRD, FOURTH = ("b0" * 16, "b1" * 16, "b2" * 16, "b3" * 16)
CRON = {"MESSAGE": "job", "SYSLOG_IDENTIFIER": "cron", "_COMM": "cron"}
ALL_HISTORY = 24 * 365 * 50


def login(number):
    return f"Accepted password for user{number} from 192.0.2.1 port {number} ssh2"


def take(spool):
    """Return the events in the spool and empty it, as if they were delivered."""
    batch = spool.batch(10_000, 100_000_000)
    spool.settle([event.seq for event in batch], [])
    return [json.loads(event.body) for event in batch]


def ports(spool):
    return [event.get("source_port", event["type"]) for event in take(spool)]

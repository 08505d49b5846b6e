"""What SQLite is asked for a page."""

from watchtower_collector.store.query import page
from watchtower_collector.store.sqlite_steps import driver


def asked_for(connection, query, after=None, limit=100):
    """Return the page, and the statements that were run for it, their values written in."""
    asked = []
    # Else the schema is read with the first statement, within its bound.
    driver(connection).execute("SELECT 1 FROM events LIMIT 0")
    driver(connection).set_trace_callback(asked.append)
    try:
        return page(connection, query, after, limit), asked
    finally:
        driver(connection).set_trace_callback(None)

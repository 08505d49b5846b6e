"""What an agent's spool holds, looked at from outside."""

import json

from fleet import on

FOLDER = "/var/lib/watchtower-agent"
LOOK = f"""
import json, sqlite3
spool = sqlite3.connect("file:{FOLDER}/spool.db?mode=ro", uri=True, timeout=20)
def rows(query):
    return [row[0] for row in spool.execute(query)]
position = rows("SELECT value FROM state WHERE name = 'position'")
print(json.dumps({{
    "events": rows("SELECT body FROM events ORDER BY seq"),
    "dead_letters": rows("SELECT reason || ': ' || body FROM dead_letters"),
    "read_up_to": json.loads(position[0])["realtime"] if position else 0,
}}))
"""


def look(host):
    """Return the spool: ``events`` and ``dead_letters`` as text, and how far the journal was read.

    ``read_up_to`` is in microseconds since 1970.
    """
    return json.loads(on(host, "python3 -", LOOK))

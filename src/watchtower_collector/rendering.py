"""What goes out, as bytes: JSON, and events as JSON Lines and CSV too.

What is long is rendered piece by piece, away from the event loop: the encoder holds the
interpreter's lock for as long as one piece takes it, and others wait for that.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

from watchtower_collector.timestamps import format_rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from watchtower_collector.store import Row

FIELDS = (
    "id",
    "event_id",
    "type",
    "timestamp",
    "received_at",
    "hostname",
    "user",
    "method",
    "source_ip",
    "source_port",
    "key_type",
    "key_fingerprint",
    "certificate_id",
    "certificate_ca",
    "raw_message",
    "region",
    "host_group",
    "severity",
    "flagged",
    "trusted",
    "ambiguous",
    "agent_version",
    "spool_depth",
)
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# What makes a spreadsheet take a cell for a formula:
# https://owasp.org/www-community/attacks/CSV_Injection
_SIGNS = "[=+\\-@\uff1d\uff0b\uff0d\uff20]"
# What it may take away before it looks: control characters, spaces, what has no width, quotes.
_IGNORED = (
    r"[\x00-\x08\x0b\x0c\x0e-\x20\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064"
    r'\u3000\ufeff"]*'
)
_AT_THE_START = re.compile(rf"[\t\r\n]|{_IGNORED}{_SIGNS}")
# Where another cell may begin: in many countries the separator is a semicolon. A spreadsheet that
# splits at it sees no quotes around the whole cell, and takes a line break for the end of a line.
_WITHIN = re.compile(rf"([;\t\r\n])(?={_IGNORED}{_SIGNS})")


def event_document(row: Row) -> dict[str, Any]:
    """Return a row of the store as the JSON object that a client sees.

    Every field is there, ``null`` where the event has none; the fields of a newer agent follow.
    """
    document = {name: row[name] for name in FIELDS}
    document["timestamp"] = format_rfc3339(row["timestamp"])
    document["received_at"] = format_rfc3339(row["received_at"])
    if row["event_id"] is not None:
        document["event_id"] = row["event_id"].hex()
    if row["extra"] is not None:
        # A field of ours has its place and its value, whatever else was sent by that name.
        document |= {
            name: value for name, value in json.loads(row["extra"]).items() if name not in document
        }
    return document


def render(document: object) -> bytes:
    """Return compact JSON in UTF-8, on one line."""
    return _COMPACT.encode(document).encode()


def render_array(documents: Iterable[object]) -> bytes:
    """Return a JSON array of ``documents``."""
    return b"[" + b",".join(map(render, documents)) + b"]"


def render_event(row: Row) -> bytes:
    """Return one JSON object, on one line."""
    return render(event_document(row))


def render_json(rows: Iterable[Row]) -> bytes:
    """Return a JSON array."""
    return render_array(map(event_document, rows))


def render_json_lines(rows: Iterable[Row]) -> bytes:
    """Return one JSON object a line."""
    return b"".join(render_event(row) + b"\n" for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    defused = _WITHIN.sub(r"\1'", value)
    return "'" + defused if _AT_THE_START.match(value) else defused


def csv_header() -> bytes:
    """Return the first line of a CSV answer (RFC 4180)."""
    return ",".join((*FIELDS, "extra")).encode() + b"\r\n"


def render_csv(rows: Iterable[Row]) -> bytes:
    """Return CSV lines that a spreadsheet opens as text: no cell begins like a formula.

    Neither does one where the spreadsheet separates by semicolons or tabs.
    """
    return b"".join(map(_csv_line, rows))


def _csv_line(row: Row) -> bytes:
    out = io.StringIO()
    document = event_document(row)
    cells = [_cell(document[name]) for name in FIELDS]
    csv.writer(out).writerow([*cells, _cell(row["extra"])])
    return out.getvalue().encode()


STREAMED: dict[str, tuple[str, Callable[[], bytes], Callable[[Iterable[Row]], bytes]]] = {
    "csv": ("text/csv", csv_header, render_csv),
    "jsonl": ("application/jsonl", bytes, render_json_lines),
}

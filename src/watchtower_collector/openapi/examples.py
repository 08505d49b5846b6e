"""Examples for the document; a test holds each to its schema."""

from __future__ import annotations

from typing import Any

from watchtower_collector.event import event_row, parse_event
from watchtower_collector.rendering import (
    csv_header,
    event_document,
    render_csv,
    render_event,
    render_json_lines,
)
from watchtower_collector.timestamps import parse_rfc3339

EVENT: dict[str, Any] = {
    "type": "login",
    "timestamp": "2026-03-14T09:26:53.589793Z",
    "hostname": "web-1",
    "user": "alice",
    "method": "publickey",
    "source_ip": "203.0.113.7",
    "source_port": 50022,
    "event_id": "5d41402abc4b2a76b9719d911017c592",
}
_LABELLED: dict[str, Any] = {
    **EVENT,
    "key_type": "ED25519",
    "key_fingerprint": "SHA256:Zk6cHqbhl7mS5lKnYH2hPUuJ0kTLb0qPq3J9xGdXwTs",
    "raw_message": "Accepted publickey for alice from 203.0.113.7 port 50022 ssh2: ED25519 …",
    "region": "eu",
    "host_group": "web",
}
_ROW = {
    "id": 4711,
    **event_row(parse_event(_LABELLED), parse_rfc3339("2026-03-14T09:26:54.012345Z")),
}
# The same event in each form in which one goes out.
STORED_EVENT = event_document(_ROW)
STREAM = f"id: 4711\nevent: login\ndata: {render_event(_ROW).decode()}\n\n"
CSV = (csv_header() + render_csv([_ROW])).decode()
JSON_LINES = render_json_lines([_ROW]).decode()
HOST: dict[str, Any] = {
    "hostname": "web-1",
    "first_seen": "2026-01-01T00:00:00.000000Z",
    "last_seen": "2026-03-14T09:26:54.012345Z",
    "last_login": "2026-03-14T09:26:53.589793Z",
    "last_login_user": "alice",
    "last_login_source_ip": "203.0.113.7",
    "last_heartbeat": "2026-03-14T09:26:30.000000Z",
    "agent_version": "0.1.0",
    "spool_depth": 0,
    "clock_offset_seconds": 0.25,
    "trouble": None,
    "region": "eu",
    "host_group": "web",
    "silent_since": None,
}
STATS: dict[str, Any] = {
    "since": "2026-03-14T00:00:00.000000Z",
    "until": "2026-03-14T01:00:00.000000Z",
    "interval": "hour",
    "by": "user",
    "total": 105,
    "counts": [
        {"time": "2026-03-14T00:00:00.000000Z", "value": "root", "count": 98},
        {"time": "2026-03-14T00:00:00.000000Z", "value": None, "other": True, "count": 7},
    ],
}
TOKEN: dict[str, Any] = {
    "id": 7,
    "hostname": "web-1",
    "owner": "web-1.example.org",
    "created_at": "2026-03-14T09:26:54.012345Z",
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": "2026-03-14T10:00:00.000000Z",
    "state": "active",
}
MADE_TOKEN: dict[str, Any] = {
    "status": "ok",
    "id": 7,
    "hostname": "web-1",
    "created": True,
    "token": "kDk2tqMXgdjAmG0cxqjVwqJmYb1xVnXrm0b7Zr3nC8E",
}
AUDIT_ENTRY: dict[str, Any] = {
    "id": 12,
    "at": "2026-03-14T10:00:00.000000Z",
    "key": "current",
    "address": "127.0.0.1",
    "method": "GET",
    "path": "/events",
    "query": "user=root",
    "status": 200,
    "detail": None,
}

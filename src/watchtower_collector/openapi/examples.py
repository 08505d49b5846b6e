"""Examples for the document; a test holds each to its schema."""

from __future__ import annotations

from typing import Any

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
STORED_EVENT: dict[str, Any] = {
    "id": 4711,
    **EVENT,
    "received_at": "2026-03-14T09:26:54.012345Z",
    "key_type": "ED25519",
    "key_fingerprint": "SHA256:Zk6cHqbhl7mS5lKnYH2hPUuJ0kTLb0qPq3J9xGdXwTs",
    "certificate_id": None,
    "certificate_ca": None,
    "raw_message": "Accepted publickey for alice from 203.0.113.7 port 50022 ssh2: ED25519 …",
    "region": "eu",
    "host_group": "web",
    "severity": None,
    "flagged": False,
    "trusted": True,
    "ambiguous": False,
    "agent_version": None,
    "spool_depth": None,
}
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
STREAM = f'id: 4711\nevent: login\ndata: {"{"}"id":4711{"}"}\n\n'
CSV = "id,event_id,type,timestamp\r\n4711,,login,2026-03-14T09:26:53.589793Z\r\n"
JSON_LINES = '{"id":4711,"type":"login"}\n'

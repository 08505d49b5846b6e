"""What each route is for and what it answers, by path and method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from watchtower_collector.openapi import examples
from watchtower_collector.openapi.answers import (
    ASKING,
    DEFECT,
    SECRET,
    STORE,
    Answers,
    answer,
    array_of,
    error,
    json_content,
    ref,
)

ADMIN = "admin"
AGENT = "agent"
METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Operation:
    """The documentation of one route."""

    summary: str
    description: str
    secrets: tuple[str, ...]
    """Those of which one opens it; none when anybody may ask."""
    answers: Answers
    body: dict[str, Any] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    """What FastAPI does not know of its parameters, by their names."""


def _text(media_type: str, example: str) -> dict[str, Any]:
    return {media_type: {"schema": {"type": "string"}, "example": example}}


def _one_or_several(name: str, one: object, most: int) -> dict[str, Any]:
    schema = {"oneOf": [ref(name), {**array_of(name), "maxItems": most}]}
    return {"required": True, "content": json_content(schema, one=one, several=[one])}


_BODY_ERRORS: Answers = {
    "400": error("The connection ended.", "the connection ended before the body did"),
    "413": error("Too large.", "the body is larger than 8388608 bytes: send fewer events"),
    "415": error(
        "Compressed, but not with gzip.",
        "send the body with Content-Encoding gzip, or without any",
        "Accept-Encoding",
    ),
}

_LOGIN = Operation(
    "Hand in events",
    "Stores one event or an array of up to 1,000, and answers when they are on disk. An event "
    "that is stored already is acknowledged and not stored again. The body may be compressed "
    "with Content-Encoding: gzip.",
    (AGENT,),
    {
        "201": answer(
            "Stored; of an array, what is not rejected.",
            json_content(
                {"oneOf": [ref("Stored"), ref("StoredSeveral")]},
                one={"status": "ok", "id": 4711},
                several={
                    "status": "ok",
                    "results": [
                        {"status": "duplicate", "id": 4711},
                        {
                            "status": "rejected",
                            "error": {"event": 1, "field": "type", "message": "Field required"},
                        },
                    ],
                },
            ),
            "Watchtower-Restored",
        ),
        **SECRET,
        **_BODY_ERRORS,
        "403": error(
            "An event is not from the host that the token is for.",
            "this token speaks for web-1, and event 0 says that it is from 'web-2'; nothing was "
            "stored",
            reason="foreign_host",
            event=0,
        ),
        "422": error("No event.", "Field required", event=0, field="type"),
        **DEFECT,
        "503": error(
            "Too much is waiting, or the store cannot write now.",
            "too much is waiting to be written; try again",
            "Retry-After",
            reason="queue_full",
        ),
    },
    _one_or_several("Event", examples.EVENT, 1_000),
)
_HEALTHZ = Operation(
    "Can events be stored?",
    "Reports the last commit; anyone may ask, at any rate.",
    (),
    {
        "200": answer("Yes.", json_content(ref("Health"), yes={"status": "ok"})),
        **DEFECT,
        "503": answer(
            "No.",
            json_content(ref("Health"), no={"status": "unavailable", "reason": "disk_full"}),
            "Retry-After",
        ),
    },
)
_HEALTHZ_HEAD = Operation(
    "Can events be stored? In short",
    "As GET, without the body: for load balancers.",
    (),
    {
        "200": answer("Yes.", {}),
        "500": answer("A defect in the collector.", {}),
        "503": answer("No.", {}, "Retry-After"),
    },
)
_EVENTS = Operation(
    "What happened, newest first",
    "All filters that are given must hold; of a filter given several times, any one. Without "
    "until, what a host with a fast clock dated into the future is found, too. As JSON it comes "
    "in pages, as CSV or JSON Lines in one stream. For JSON Lines application/x-ndjson may be "
    "asked, too.",
    (ADMIN,),
    {
        "200": answer(
            "Events.",
            {
                **json_content(array_of("StoredEvent"), events=[examples.STORED_EVENT]),
                **_text("text/csv", examples.CSV),
                **_text("application/jsonl", examples.JSON_LINES),
            },
            "Link",
        ),
        **ASKING,
    },
)
_EVENT = Operation(
    "One event",
    "By the id that the collector gave it.",
    (ADMIN,),
    {
        "200": answer("It.", json_content(ref("StoredEvent"), event=examples.STORED_EVENT)),
        "404": error("There is none, or no longer.", "there is no event with this id"),
        **ASKING,
    },
    parameters={"id": {"description": "The event's id.", "example": 4711}},
)
_STREAM = Operation(
    "What happens, as it happens",
    "Server-sent events: each stored event once, in the order of storing. It goes on after "
    "Last-Event-ID, and says : alive every 15 seconds when there is nothing to say.",
    (ADMIN,),
    {
        "200": answer("A stream.", _text("text/event-stream", examples.STREAM)),
        **ASKING,
    },
)
_HOSTS = Operation(
    "What is known of each host",
    "By name. A host is silent when it once sent a heartbeat and nothing came for a while.",
    (ADMIN,),
    {
        "200": answer("Hosts.", json_content(array_of("Host"), hosts=[examples.HOST]), "Link"),
        **ASKING,
    },
)
_FORGET_HOST = Operation(
    "Forget a host",
    "One that is gone for good, so that it no longer counts as silent. Its events stay, and when "
    "another one comes, the host is known again.",
    (ADMIN,),
    {
        "200": answer("Forgotten.", json_content(ref("Done"), done={"status": "ok"})),
        "404": error("There is none.", "there is no host 'web-1'"),
        **ASKING,
    },
    parameters={"hostname": {"description": "Its name.", "example": "web-1"}},
)
_STATS = Operation(
    "How many events",
    "By the values of a field, by hours or days in UTC, or both. Without until it is until now; "
    "without since and hours it is the last 24 hours before, for days the last 30.",
    (ADMIN,),
    {"200": answer("Counts.", json_content(ref("Stats"), stats=examples.STATS)), **ASKING},
)
_OPENAPI = Operation(
    "This document",
    "OpenAPI 3.1.",
    (ADMIN,),
    {
        "200": answer("It.", json_content({"type": "object"}, document={"openapi": "3.1.0"})),
        **ASKING,
    },
)
_METRICS = Operation(
    "The collector's state, for Prometheus",
    "In Prometheus's text format. Besides the admin key, Authorization: Bearer with the key for "
    "metrics is taken, when there is one.",
    (METRICS, ADMIN),
    {
        "200": answer("Metrics.", _text("text/plain", "watchtower_up 1.0\n")),
        **ASKING,
    },
)
_TOKENS = Operation(
    "The tokens of single hosts",
    "In the order of their making, without the tokens themselves.",
    (ADMIN,),
    {"200": answer("Tokens.", json_content(array_of("Token"), tokens=[examples.TOKEN])), **ASKING},
)
_MAKE_TOKENS = Operation(
    "Make tokens",
    "One or up to 1,000. With token_sha256 a token that was made elsewhere is taken over, and is "
    "good again if it had expired; with overlap_seconds the host's other tokens expire.",
    (ADMIN,),
    {
        "201": answer(
            "Good now.",
            json_content(
                {"oneOf": [ref("MadeToken"), ref("MadeTokens")]},
                one=examples.MADE_TOKEN,
                several={"status": "ok", "results": [examples.MADE_TOKEN]},
            ),
        ),
        **SECRET,
        **_BODY_ERRORS,
        "409": error(
            "It was revoked, and stays so.",
            "this token of web-1 was revoked at 2026-03-14T09:26:54.012345Z and stays so: make a "
            "new one",
            token=0,
            field="token_sha256",
        ),
        "422": error("No wanted token.", "Field required", token=0, field="hostname"),
        **DEFECT,
        **STORE,
    },
    _one_or_several("WantedToken", {"hostname": "web-1", "overlap_seconds": 3_600}, 1_000),
)
_REVOKE_TOKEN = Operation(
    "Revoke a token",
    "It is good for nothing at once, and for ever.",
    (ADMIN,),
    {
        "200": answer("Revoked.", json_content(ref("Done"), done={"status": "ok"})),
        "404": error("There is none.", "there is no token 7"),
        **ASKING,
    },
    parameters={"token": {"description": "The token's id.", "example": 7}},
)
_AUDIT = Operation(
    "Who asked what, newest first",
    "Every request that an admin key let pass.",
    (ADMIN,),
    {
        "200": answer(
            "Entries.",
            json_content(array_of("AuditEntry"), entries=[examples.AUDIT_ENTRY]),
            "Link",
        ),
        **ASKING,
    },
)

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/login", "post"): _LOGIN,
    ("/healthz", "get"): _HEALTHZ,
    ("/healthz", "head"): _HEALTHZ_HEAD,
    ("/events", "get"): _EVENTS,
    ("/events/{id}", "get"): _EVENT,
    ("/events/stream", "get"): _STREAM,
    ("/hosts", "get"): _HOSTS,
    ("/hosts/{hostname}", "delete"): _FORGET_HOST,
    ("/stats", "get"): _STATS,
    ("/metrics", "get"): _METRICS,
    ("/openapi.json", "get"): _OPENAPI,
    ("/admin/tokens", "get"): _TOKENS,
    ("/admin/tokens", "post"): _MAKE_TOKENS,
    ("/admin/tokens/{token}", "delete"): _REVOKE_TOKEN,
    ("/admin/audit", "get"): _AUDIT,
}

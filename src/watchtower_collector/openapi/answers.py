"""How a documented answer is written down."""

from __future__ import annotations

from typing import Any

from watchtower_collector.openapi.schemas import REF

Answers = dict[str, dict[str, Any]]


def ref(name: str) -> dict[str, Any]:
    """Return a reference to a schema."""
    return {"$ref": REF + name}


def array_of(name: str) -> dict[str, Any]:
    """Return the schema of an array."""
    return {"type": "array", "items": ref(name)}


def json_content(schema: dict[str, Any], **examples: object) -> dict[str, Any]:
    """Return JSON content with examples by name."""
    named = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": {"schema": schema, "examples": named}}


def answer(description: str, content: dict[str, Any], *headers: str) -> dict[str, Any]:
    """Return an answer; ``headers`` are names of what ``HEADERS`` describes."""
    described = {name: HEADERS[name] for name in headers}
    return {"description": description, "content": content, "headers": described}


def error(description: str, message: str, *headers: str, **details: object) -> dict[str, Any]:
    """Return an answer in the one error shape."""
    example = {"status": "error", "error": {"message": message, **details}}
    return answer(description, json_content(ref("Error"), error=example), *headers)


HEADERS: dict[str, dict[str, Any]] = {
    "Link": {
        "description": "The next page, when there is one (RFC 8288).",
        "schema": {"type": "string"},
        "example": '</events?limit=100&cursor=AQAGTPyZoCCAAAAAAAAAEmc>; rel="next"',
    },
    "Watchtower-Restored": {
        "description": "The database was replaced by a backup: the id of that restore, and since "
        "when what was acknowledged may be missing: stored or, if that was earlier, happened.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32} [0-9TZ:.-]+$"},
        "example": "0f8fad5bd9cb469fa165708677289509 2026-03-14T03:00:00.000000Z",
    },
    "Retry-After": {
        "description": "After how many seconds to ask again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "10",
    },
    "Accept-Encoding": {
        "description": "The encodings that are taken.",
        "schema": {"type": "string"},
        "example": "gzip",
    },
}

SECRET: Answers = {
    "401": error("The key or token is wrong or missing.", "not authorized"),
    "429": error(
        "Too many requests with a wrong key or token came from this address.",
        "too many requests with a wrong X-Admin-Api-Key came from this address; wait",
        "Retry-After",
    ),
}
DEFECT: Answers = {
    "500": error("A defect in the collector.", "a defect in the collector; its journal says more")
}
PARAMETERS: Answers = {
    "422": error(
        "A parameter is wrong.", "must be a whole number from 1 to 1000", parameter="limit"
    )
}
STORE: Answers = {
    "503": error(
        "The store cannot do it now.",
        "the store cannot do this now: too_slow",
        "Retry-After",
        reason="too_slow",
    )
}
ASKING: Answers = {**SECRET, **PARAMETERS, **DEFECT, **STORE}

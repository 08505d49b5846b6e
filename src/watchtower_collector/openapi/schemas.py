"""The JSON that goes out, as JSON schemas. The routes write it; tests hold the two together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from watchtower_collector.event import Event
from watchtower_collector.openapi.details import DETAILS, with_details
from watchtower_collector.rendering import FIELDS
from watchtower_collector.wanted_token import WantedToken

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Id = Annotated[int, Field(ge=1)]
REF = "#/components/schemas/"


class ErrorDetail(BaseModel):
    """What was wrong, where, and what to do."""

    message: Annotated[str, Field(description="For people.")]
    parameter: Annotated[str, Field(description="422: this parameter is wrong.")] = ""
    event: Annotated[int, Field(ge=0, description="This event of the body, from 0 on.")] = 0
    token: Annotated[int, Field(ge=0, description="This token of the body, from 0 on.")] = 0
    field: Annotated[str, Field(description="This field of it; empty: not about one field.")] = ""
    reason: Annotated[str, Field(description="One word for programs.")] = ""


class Error(BaseModel):
    """What every request is answered that cannot be done."""

    status: Literal["error"]
    error: ErrorDetail


class Stored(BaseModel):
    """One event is stored."""

    status: Literal["ok"]
    id: Annotated[Id, Field(description="Its id; of a repeated event, the first one's.")]


class StoredOne(BaseModel):
    """One event of several is stored, or was before."""

    status: Literal["ok", "duplicate"]
    id: Id


class RejectedOne(BaseModel):
    """One event of several breaks the contract, and is not stored."""

    status: Literal["rejected"]
    error: ErrorDetail


class StoredSeveral(BaseModel):
    """One result for each event, in order."""

    status: Literal["ok"]
    results: list[StoredOne | RejectedOne]


class Health(BaseModel):
    """Whether events can be stored now."""

    status: Literal["ok", "unavailable"]
    reason: Annotated[str, Field(description="One word; only when unavailable.")] = ""


class Host(BaseModel):
    """What is known of a host."""

    hostname: str
    first_seen: Annotated[Time, Field(description="When its first event came.")]
    last_seen: Annotated[Time, Field(description="When its newest event came.")]
    last_login: Annotated[Time | None, Field(description="When somebody last logged in.")]
    last_login_user: str | None
    last_login_source_ip: str | None
    last_heartbeat: Annotated[Time | None, Field(description="When its agent last said so.")]
    agent_version: str | None
    spool_depth: Annotated[int | None, Field(description="Events that waited on the host.")]
    clock_offset_seconds: Annotated[float | None, Field(description="Its clock, less ours.")]
    trouble: Annotated[str | None, Field(description="Why its agent cannot see, in words.")]
    region: str | None
    host_group: str | None
    silent_since: Annotated[
        Time | None, Field(description="Last seen then, when that is too long ago.")
    ]


class StatsCount(BaseModel):
    """So many events of one interval with one value."""

    time: Annotated[Time | None, Field(description="Where the interval begins, in UTC.")]
    value: Annotated[str | bool | None, Field(description="Null: the events without one.")]
    other: Annotated[bool, Field(description="All values beyond the top together.")] = False
    count: Annotated[int, Field(ge=0)]


class Stats(BaseModel):
    """How many events, by time and value."""

    since: Time
    until: Time
    interval: Literal["hour", "day"] | None
    by: str | None
    total: Annotated[int, Field(ge=0)]
    counts: list[StatsCount]


class Token(BaseModel):
    """A token of a host; the token itself is not kept."""

    id: Id
    hostname: str
    owner: str | None
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None
    state: Literal["active", "expiring", "expired", "revoked"]


class MadeToken(BaseModel):
    """A token that is good now."""

    status: Literal["ok"]
    id: Id
    hostname: str
    created: Annotated[bool, Field(description="False: it was there before.")]
    token: Annotated[str, Field(description="Shown this once, if the collector made it.")] = ""


class MadeTokens(BaseModel):
    """One result for each token, in order."""

    status: Literal["ok"]
    results: list[MadeToken]


class Done(BaseModel):
    """It is done."""

    status: Literal["ok"]


class AuditEntry(BaseModel):
    """A request that an admin key let pass."""

    id: Id
    at: Time
    key: Literal["current", "previous"]
    address: str
    method: str
    path: str
    query: str
    status: int
    detail: Annotated[str | None, Field(description="What it changed.")]


_MODELS: tuple[type[BaseModel], ...] = (
    Event,
    Error,
    Stored,
    StoredSeveral,
    Health,
    Host,
    Stats,
    Token,
    MadeToken,
    MadeTokens,
    Done,
    AuditEntry,
    WantedToken,
)


def _stored_event() -> dict[str, Any]:
    """Return the schema of an event that goes out: every field is there, and two more."""
    event = with_details(Event.model_json_schema(mode="serialization"), null=False)
    time = {"type": "string", "format": "date-time"}
    properties = {
        **event["properties"],
        "id": {"type": "integer", "minimum": 1, "description": "In the order of storing."},
        "received_at": {**time, "description": "When the collector took it."},
    }
    return {
        **event,
        "title": "StoredEvent",
        "description": "An event as it is stored. Fields this collector does not know follow.",
        "properties": {name: properties[name] for name in (*FIELDS, *DETAILS)},
        "required": list(FIELDS),
    }


def component_schemas() -> dict[str, Any]:
    """Return the schemas by name, as the document's components have them."""
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template=REF + "{model}"
    )
    schemas: dict[str, Any] = definitions["$defs"]
    schemas["Event"] = with_details(schemas["Event"], null=True)
    schemas["StoredEvent"] = _stored_event()
    return schemas

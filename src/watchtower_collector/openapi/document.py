"""Putting the document together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from watchtower_collector.auth import ADMIN_HEADER, TOKEN_HEADER
from watchtower_collector.openapi.operations import ADMIN, AGENT, METRICS, OPERATIONS
from watchtower_collector.openapi.schemas import component_schemas
from watchtower_collector.routes.login import PATH as LOGIN
from watchtower_collector.version import VERSION

if TYPE_CHECKING:
    from fastapi import FastAPI

    from watchtower_collector.openapi.operations import Operation

_HEALTHZ = "/healthz"
_SCHEMES = {
    AGENT: {
        "type": "apiKey",
        "in": "header",
        "name": TOKEN_HEADER,
        "description": "A host's token, or the one that all agents share.",
    },
    ADMIN: {
        "type": "apiKey",
        "in": "header",
        "name": ADMIN_HEADER,
        "description": "The admin key.",
    },
    METRICS: {
        "type": "http",
        "scheme": "bearer",
        "description": "The key for metrics, when there is one.",
    },
}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of ``app``.

    FastAPI knows paths and parameters; ``OPERATIONS`` has everything else.
    """
    document = get_openapi(title="Watchtower collector", version=VERSION, routes=app.routes)
    document["info"]["description"] = "SSH-login telemetry: events in, answers out."
    document["components"] = {"schemas": component_schemas(), "securitySchemes": _SCHEMES}
    # The front answers it, and FastAPI knows nothing of it.
    login: dict[str, Any] = {"post": {"operationId": "login"}}
    document["paths"] = {LOGIN: login, **document["paths"]}
    # For FastAPI it would have the same name as GET.
    document["paths"][_HEALTHZ]["head"] = {"operationId": "healthz_head"}
    for path, methods in document["paths"].items():
        for method, generated in methods.items():
            described = OPERATIONS.get((path, method))
            if described is not None:
                _describe(generated, described)
    return document


def _describe(generated: dict[str, Any], described: Operation) -> None:
    generated["summary"] = described.summary
    generated["description"] = described.description
    generated["responses"] = described.answers
    generated["security"] = [{secret: []} for secret in described.secrets]
    if described.body is not None:
        generated["requestBody"] = described.body
    for parameter in generated.get("parameters", []):
        parameter.update(described.parameters.get(parameter["name"], {}))
        _lift(parameter)


def _lift(parameter: dict[str, Any]) -> None:
    """Leave null out, which no URL can say, and put the example where OpenAPI has it."""
    schema = parameter["schema"]
    some = [one for one in schema.pop("anyOf", []) if one != {"type": "null"}]
    for one in some:
        schema.update(one)
    examples = schema.pop("examples", [])
    if examples:
        parameter["example"] = examples[0]
    parameter.pop("examples", None)

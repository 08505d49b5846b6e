"""The tables of the HTTP interface's pages and the OpenAPI document have the same names."""

import json
import re

import api_pages
import pytest
from api_pages import names, rows, section, table

from watchtower_collector.body import _GZIP
from watchtower_collector.event import EVENT_TYPES
from watchtower_collector.openapi.document import openapi_document
from watchtower_collector.rendering import FIELDS
from watchtower_collector.routes.events import _BY_ACCEPT

PARAMETERS = {
    "Parameter": "/events",
    "Stream parameter": "/events/stream",
    "Host parameter": "/hosts",
    "Stats parameter": "/stats",
    "Token parameter": "/admin/tokens",
    "Audit parameter": "/admin/audit",
}
OBJECTS = {
    "In the body": "WantedToken",
    "In `error`": "ErrorDetail",
    "Host field": "Host",
    "Token field": "Token",
    "Audit field": "AuditEntry",
}
# Examples that show every field of an object.
SHOWN = {
    ("POST /login", 1): "Stored",
    ("POST /login", 2): "StoredSeveral",
    ("GET /healthz", 0): "Health",
    ("GET /hosts", 0): "Host",
    ("GET /stats", 0): "Stats",
    ("GET /admin/tokens", 0): "Token",
    ("POST /admin/tokens", 1): "MadeToken",
    ("GET /admin/audit", 0): "AuditEntry",
}


@pytest.fixture
def document(client):
    return openapi_document(client.app.rest)


@pytest.fixture
def schemas(document):
    return document["components"]["schemas"]


def parameters(operation, where):
    return [one["name"] for one in operation.get("parameters", []) if one["in"] == where]


@pytest.mark.parametrize(("heading", "path"), PARAMETERS.items())
def test_every_parameter_is_documented_and_no_other(document, heading, path):
    assert sorted(table(heading)) == sorted(parameters(document["paths"][path]["get"], "query"))


def test_every_route_that_takes_parameters_has_its_table(document):
    taking = {
        (path, method)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if parameters(operation, "query")
    }
    assert taking == {(path, "get") for path in PARAMETERS.values()}


def test_every_header_is_named_where_it_is_asked_or_answered(document):
    everywhere = section("Errors") + section("Wrong secrets")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            method_shown = "GET" if method == "head" else method.upper()
            text = section(f"{method_shown} {path}")
            for name in parameters(operation, "header"):
                assert f"`{name}`" in text, (path, name)
            for status, answer in operation["responses"].items():
                for name in answer["headers"]:
                    where = (path, status, name)
                    assert f"`{name}" in text + everywhere or f"{name}: " in text, where


@pytest.mark.parametrize(("heading", "schema"), OBJECTS.items())
def test_every_field_of_an_object_is_documented_and_no_other(schemas, heading, schema):
    assert sorted(table(heading)) == sorted(schemas[schema]["properties"])


@pytest.mark.parametrize(
    ("heading", "schema"), [("Field", "Event"), ("In the body", "WantedToken")]
)
def test_what_is_required_is_documented_as_such(schemas, heading, schema):
    required = {
        name for row in rows(heading) for name in names(row[0]) if row[1].startswith("required")
    }
    assert required == set(schemas[schema]["required"])


def test_every_field_and_detail_of_an_event_is_documented_and_no_other(schemas):
    fields, details = table("Field"), table("Detail")
    assert len(set(details)) == len(details)
    assert sorted(fields) == sorted(FIELDS)
    assert set(schemas["StoredEvent"]["properties"]) == {*fields, *details}
    assert set(schemas["StoredEvent"]["required"]) == set(fields)
    assert set(schemas["Event"]["properties"]) == {*fields, *details} - {"id", "received_at"}


def test_every_type_is_documented_and_no_other(schemas):
    assert table("Type") == list(EVENT_TYPES)
    (former,) = set(schemas["Event"]["properties"]["type"]["enum"]) - set(EVENT_TYPES)
    assert f"`{former}`, its former name" in api_pages.TEXT
    assert schemas["StoredEvent"]["properties"]["type"]["enum"] == list(EVENT_TYPES)


@pytest.mark.parametrize(("key", "schema"), SHOWN.items())
def test_an_example_shows_every_field_and_no_other(schemas, key, schema):
    shown = json.loads(api_pages.blocks()[key])
    for one in shown if isinstance(shown, list) else [shown]:
        assert sorted(one) == sorted(schemas[schema]["properties"])


def test_the_example_of_counts_shows_every_field_and_no_other(schemas):
    counts = json.loads(api_pages.blocks()["GET /stats", 0])["counts"]
    assert {name for count in counts for name in count} == set(schemas["StatsCount"]["properties"])


def test_every_reason_of_an_error_is_documented(repository):
    (cell,) = [row[2] for row in rows("In `error`") if row[0] == "`reason`"]
    said = {
        word
        for path in (repository / "src/watchtower_collector").glob("**/*.py")
        for word in re.findall(
            r'reason="(\w+)"|UnavailableError\(\s*"(\w+)"', path.read_text(encoding="utf-8")
        )
    }
    known = {word for pair in said for word in pair if word}
    assert len(known) > 5
    assert known <= {*names(cell), *table("`reason`")}


# What a client may say of its body, and of the answer that it would like.


def test_every_encoding_is_documented():
    for route in ("POST /login", "POST /admin/tokens"):
        named = re.search(r"`Content-Encoding: (\S+)`(?:, or `(\S+)`)?", section(route))
        assert set(named.groups()) == set(_GZIP), route


def test_every_media_type_is_documented():
    (row,) = [row for row in rows("Parameter") if row[0] == "`format`"]
    assert {name for name in names(row[1]) if "/" in name} == set(_BY_ACCEPT)


def test_the_bound_of_a_body_is_that_of_both_routes(run_app, environment, store, admin):
    (row,) = [row for row in rows("Variable") if row[0] == "`WATCHTOWER_MAX_BODY_BYTES`"]
    routes = re.findall(r"`(POST \S+)`", row[2])
    assert set(routes) == {"POST /login", "POST /admin/tokens"}
    environment["WATCHTOWER_MAX_BODY_BYTES"] = str(64 << 10)
    with run_app(environment, store) as client:
        large = b" " * (64 << 10) + b"[]"
        assert client.post(large).status_code == 413
        posted = client.request("POST", "/admin/tokens", content=large, headers=admin)
        assert posted.status_code == 413


def test_the_bounds_that_caddy_sets_are_documented(repository):
    caddyfile = repository / "roles/watchtower_caddy/templates/Caddyfile.j2"
    login, admin = re.findall(r"max_size (\d+)MiB", caddyfile.read_text(encoding="utf-8"))
    (row,) = [row for row in rows("Variable") if row[0] == "`WATCHTOWER_MAX_BODY_BYTES`"]
    assert f"{login} MiB and {admin} MiB" in row[2]
    for route, bound in (("POST /login", login), ("POST /admin/tokens", admin)):
        assert f"Caddy lets no more than {bound} MiB through" in " ".join(section(route).split())

"""The document is complete and valid, its examples too, and the routes answer as it says."""

import re

import jsonschema_rs
import pytest
import schemathesis

from watchtower_collector.openapi.document import openapi_document
from watchtower_collector.openapi.operations import OPERATIONS


@pytest.fixture
def populated(client, admin, agent, make_event):
    """A client of a collector that has something of everything."""
    client.post(
        [
            make_event(user="alice", newer_field=1.5, source_port=22, flagged=True),
            make_event(user="bob", key_type="ED25519", timestamp="0001-01-01T00:00:00Z"),
            make_event(type="heartbeat", user=..., spool_depth=3, clock_offset_seconds=-1),
        ]
    )
    client.request("POST", "/admin/tokens", json={"hostname": "web-1"}, headers=admin)
    client.secrets = {**admin, **agent}
    return client


@pytest.fixture
def document(client, admin):
    response = client.get("/openapi.json", headers=admin)
    assert response.status_code == 200
    return response.json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def schemas_and_examples(document):
    """Give every schema of the document with the examples that stand beside it."""
    contents = []
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        for parameter in operation.get("parameters", []):
            yield f"{where} {parameter['name']}", parameter["schema"], [parameter["example"]]
        contents.append((where, operation.get("requestBody", {"content": {}})))
        for status, answer in operation["responses"].items():
            contents.append((f"{where} {status}", answer))
            for name, header in answer["headers"].items():
                yield f"{where} {status} {name}", header["schema"], [header["example"]]
    for where, holder in contents:
        for media_type, content in holder["content"].items():
            examples = [example["value"] for example in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            yield f"{where} {media_type}", content["schema"], examples


def problems(document, schema, instance):
    whole = {**schema, "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [error.message for error in validator.iter_errors(instance)]


def test_it_is_openapi(document):
    schemathesis.openapi.from_dict(document).validate()
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_every_route_is_described_and_no_other(client):
    found = {(path, method) for path, method, _ in operations(openapi_document(client.app.rest))}
    assert found == set(OPERATIONS)


def test_every_route_and_parameter_has_its_words(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert "security" in operation
        for parameter in operation.get("parameters", []):
            assert parameter.get("description") or parameter["schema"].get("description"), (
                parameter
            )


def test_every_example_fits_its_schema(document):
    count = 0
    for where, schema, examples in schemas_and_examples(document):
        assert examples, f"{where} has no example"
        for example in examples:
            assert problems(document, schema, example) == [], where
            count += 1
    assert count > 100


def test_an_example_that_does_not_fit_would_be_found(document):
    schema = {"$ref": "#/components/schemas/StoredEvent"}
    assert problems(document, schema, {"id": 1})
    assert problems(document, {"$ref": "#/components/schemas/Stored"}, {"status": "ok", "id": 0})


def test_every_status_has_the_error_shape_that_has_one(document):
    for path, method, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400" and path != "/healthz":
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, (path, method, status)


def test_what_a_secret_guards_says_so(client, document):
    for path, method, operation in operations(document):
        guarded = operation["security"] != []
        url = re.sub(r"\{\w+\}", "1", path)
        answered = client.request(method.upper(), url).status_code
        assert (answered in {401, 429}) == guarded, (path, method)
        assert ("401" in operation["responses"]) == guarded


@pytest.mark.parametrize(
    ("asked", "path", "status"),
    [
        ("GET /events", "/events", 200),
        ("GET /events/1", "/events/{id}", 200),
        ("GET /events/9", "/events/{id}", 404),
        ("GET /events?limit=0", "/events", 422),
        ("GET /hosts", "/hosts", 200),
        ("GET /stats", "/stats", 200),
        ("GET /stats?by=user&interval=day&since=2026-03-14&top=1", "/stats", 200),
        ("GET /stats?by=flagged&since=2026-03-14", "/stats", 200),
        ("GET /healthz", "/healthz", 200),
        ("GET /admin/audit", "/admin/audit", 200),
        ("GET /admin/tokens", "/admin/tokens", 200),
        ("DELETE /admin/tokens/1", "/admin/tokens/{token}", 200),
        ("DELETE /admin/tokens/9", "/admin/tokens/{token}", 404),
        ("GET /events/stream?last_event_id=99", "/events/stream", 422),
        ('POST /admin/tokens {"hostname": "web-2"}', "/admin/tokens", 201),
        ('POST /admin/tokens [{"hostname": "web-2"}]', "/admin/tokens", 201),
        ('POST /admin/tokens [{"host": "web-2"}]', "/admin/tokens", 422),
        ('POST /login {"type": "x"}', "/login", 422),
        ('POST /login [{"type": "x"}]', "/login", 201),
        ("POST /login {", "/login", 422),
    ],
)
def test_routes_answer_as_it_says(populated, document, asked, path, status):
    secrets = populated.secrets
    method, url, body = (asked + "  ").split(" ", 2)
    response = populated.request(method, url, content=body.strip(), headers=secrets)
    assert response.status_code == status
    described = document["paths"][path][method.lower()]["responses"][str(status)]
    schema = described["content"]["application/json"]["schema"]
    assert problems(document, schema, response.json()) == []

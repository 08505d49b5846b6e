"""What the document says of routes, secrets and events is what the program does."""

import json
import re

import jsonschema_rs
import pytest
from fastapi.routing import APIRoute

from watchtower_collector.auth import ADMIN_HEADER, TOKEN_HEADER
from watchtower_collector.event import RefusedEventError, parse_event
from watchtower_collector.openapi.document import openapi_document
from watchtower_collector.rendering import STREAMED

SMALLEST = {"type": "login", "timestamp": "2026-03-14T09:26:53Z", "hostname": "web-1"}
METRICS_KEY = "metrics-key-of-the-tests-0123456789abcdef"
# What the examples ask for is there already.
LAST_IDS = {"events": 4_710, "tokens": 6}


@pytest.fixture
def document(client):
    return openapi_document(client.app.rest)


@pytest.fixture
def valid(document):
    """A function that says whether an event fits its schema."""
    schema = {"$ref": "#/components/schemas/Event", "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def routes(router):
    """Give all routes, also those of routers within."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if isinstance(route, APIRoute):
            yield route
        elif inner is not None:
            yield from routes(inner)


def test_every_route_that_is_served_is_in_it(client, document):
    """Also those that FastAPI was told to leave out."""
    served = {
        (re.sub(r":\w+\}", "}", route.path), method.lower())
        for route in routes(client.app.rest)
        for method in route.methods
    }
    assert len(served) > 10
    described = {(path, method) for path, method, _ in operations(document)}
    assert described == served | {("/login", "post")}


def test_each_route_is_opened_by_the_secrets_that_it_names_and_no_other(
    environment, store, run_app, admin, agent
):
    environment["WATCHTOWER_METRICS_KEY"] = METRICS_KEY
    secrets = {
        ("apiKey", ADMIN_HEADER): admin,
        ("apiKey", TOKEN_HEADER): agent,
        ("http", "bearer"): {"Authorization": f"Bearer {METRICS_KEY}"},
    }
    with run_app(environment, store) as client:
        document = openapi_document(client.app.rest)
        schemes = document["components"]["securitySchemes"]
        assert len(schemes) == len(secrets)
        for path, method, operation in operations(document):
            if not operation["security"] or path == "/events/stream":
                continue  # a stream does not end; its secret is that of /events
            url = re.sub(r"\{\w+\}", "1", path)
            named = {name for alternative in operation["security"] for name in alternative}
            for name, scheme in schemes.items():
                headers = secrets[scheme["type"], scheme.get("name") or scheme["scheme"]]
                status = client.request(method.upper(), url, headers=headers).status_code
                assert (status not in {401, 429}) == (name in named), (path, method, name)


@pytest.mark.parametrize(
    ("fields", "is_taken"),
    [
        ({}, True),
        ({"type": "user_login"}, True),
        ({"type": "logout"}, False),
        ({"type": None}, False),
        ({"source_port": None}, True),
        ({"source_port": 22.5}, False),
        ({"source_port": True}, False),
        ({"source_port": -1}, False),
        ({"source_port": 65_535}, True),
        ({"source_port": 65_536}, False),
        ({"source_port": ""}, False),
        ({"source_port": "-1"}, False),
        ({"source_port": "http"}, False),
        ({"source_port": " 22"}, False),
        ({"source_port": "000022"}, False),
        ({"flagged": True}, True),
        ({"flagged": None}, True),
        ({"flagged": "yes"}, False),
        ({"trusted": 1}, False),
        ({"ambiguous": "on"}, False),
        ({"session_id": "ab" * 16, "uid": 1_000, "clock_offset_seconds": -0.5}, True),
        ({"session_id": None}, True),
        ({"command": "x" * 1_025}, False),
        ({"command": ["ls"]}, False),
        ({"newer_field": 1.5, "other": None, "full": True}, True),
        ({"newer_field": {}}, False),
        ({"newer_field": "x" * 1_025}, False),
        ({"Newer": 1}, False),
        ({"a" * 65: 1}, False),
    ],
)
def test_an_event_that_fits_its_schema_is_taken_and_no_other(valid, fields, is_taken):
    try:
        parse_event({**SMALLEST, **fields})
        taken = True
    except RefusedEventError:
        taken = False
    assert (taken, valid({**SMALLEST, **fields})) == (is_taken, is_taken)


def test_a_port_as_text_fits_its_schema_when_it_is_one(valid):
    for number in (*range(0, 70_000, 97), *range(65_525, 65_546), *range(0, 100_000, 9_999)):
        for text in {str(number), f"{number:03}", f"{number:05}"}:
            assert valid({**SMALLEST, "source_port": text}) == (number < 65_536), text


def test_an_event_that_goes_out_has_its_present_type_and_a_number(document):
    properties = document["components"]["schemas"]["StoredEvent"]["properties"]
    assert "user_login" not in properties["type"]["enum"]
    kinds = [one["type"] for one in properties["source_port"]["anyOf"]]
    assert kinds == ["integer", "null"]


# Its examples


@pytest.fixture
def populated(client, store, admin, document):
    """A client of a collector that has what the examples ask for."""

    def count_on(connection):
        for name, last in LAST_IDS.items():
            connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))

    store.write(count_on)
    assert client.post(request_examples(document, "/login")["one"]).json()["id"] == 4_711
    body = request_examples(document, "/admin/tokens")["one"]
    made = client.request("POST", "/admin/tokens", json=body, headers=admin)
    assert made.json()["id"] == 7
    return client


def request_examples(document, path):
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return {name: example["value"] for name, example in body["examples"].items()}


def test_the_examples_of_parameters_can_be_sent(populated, document, admin):
    """Each by itself: some do not go together."""
    count = 0
    for path, method, operation in operations(document):
        if path == "/events/stream" or method == "post":
            continue  # a stream does not end, and its parameters are those of /events
        given = operation.get("parameters", [])
        url = path
        for one in given:
            url = url.replace(f"{{{one['name']}}}", str(one["example"]))
        queries = [{one["name"]: one["example"]} for one in given if one["in"] == "query"]
        for query in queries or [None]:
            answer = populated.request(method.upper(), url, params=query, headers=admin)
            assert answer.status_code == 200, (path, query, answer.text)
            count += 1
    assert count > 40


@pytest.mark.parametrize("path", ["/login", "/admin/tokens"])
def test_the_examples_of_bodies_can_be_sent(populated, document, admin, agent, path):
    for name, body in request_examples(document, path).items():
        answer = populated.request("POST", path, json=body, headers={**admin, **agent})
        assert answer.status_code == 201, (name, answer.text)


def test_the_examples_of_an_event_are_one_in_each_form(document):
    answers = document["paths"]["/events"]["get"]["responses"]["200"]["content"]
    (stored,) = answers["application/json"]["examples"]["events"]["value"]
    assert json.loads(answers["application/jsonl"]["example"]) == stored
    header, line = answers["text/csv"]["example"].splitlines()
    assert header.encode() + b"\r\n" == STREAMED["csv"][1]()
    assert line.split(",")[0] == str(stored["id"])
    stream = document["paths"]["/events/stream"]["get"]["responses"]["200"]["content"]
    *_, data = stream["text/event-stream"]["example"].strip().splitlines()
    assert json.loads(data.removeprefix("data: ")) == stored

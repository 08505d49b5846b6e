"""Requests made up from the document, against a real process: no defect, nothing undocumented."""

import itertools

import httpx
import pytest
import requests
import schemathesis
from collector_process import DEADLINE
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.config import (
    GenerationConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)

from watchtower_collector.openapi.operations import OPERATIONS

EXAMPLES = 60  # for each route, and each of: by its schema, and against it
LONGEST_QUERY = 5_000  # characters, of up to 12 in the URL; the parser's bound is 64 KiB
HELD = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
# Its answer ends only when the collector does; tests of its own listen to it.
ENDLESS = ("/events/stream", "get")
# Any text may be a host's name.
UNBREAKABLE = ("/hosts/{hostname}", "delete")
# The secrets are given by the tests, good ones or none.
CONFIG = SchemathesisConfig(
    projects=ProjectsConfig(
        default=ProjectConfig(generation=GenerationConfig(with_security_parameters=False))
    )
)
# The same requests on every run, and no file that remembers others.
DETERMINISTIC = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def running(collector, make_event, admin):
    """A process that has something of everything."""
    collector.start()
    collector.post([make_event(user="alice"), make_event(type="heartbeat", user=...)])
    httpx.post(
        f"{collector.url}/admin/tokens",
        json={"hostname": "web-1"},
        headers=admin,
        timeout=DEADLINE,
    )
    return collector


@pytest.fixture
def secrets(admin, agent):
    return {**admin, **agent}


@pytest.fixture
def operations(running, admin):
    """What the document says of a path and a method."""
    document = httpx.get(f"{running.url}/openapi.json", headers=admin, timeout=DEADLINE).json()
    schema = schemathesis.openapi.from_dict(document, config=CONFIG)
    return {(one.path, one.method): one for one in (r.ok() for r in schema.get_all_operations())}


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_whatever_is_asked_the_answer_is_a_documented_one(running, operations, secrets, mode):
    assert set(operations) == set(OPERATIONS)
    statuses = set()
    with requests.Session() as session:
        for route, operation in operations.items():
            raw = operation.definition.raw
            has_input = "parameters" in raw or "requestBody" in raw
            nothing_to_break = not has_input or route == UNBREAKABLE
            if route == ENDLESS or (mode is GenerationMode.NEGATIVE and nothing_to_break):
                continue

            @DETERMINISTIC
            @given(operation.as_strategy(generation_mode=mode))
            def ask(case):
                # What is longer is no longer read by the HTTP parser, which answers in text.
                assume(len(str(case.query)) < LONGEST_QUERY)
                response = case.call(
                    base_url=running.url, session=session, headers=dict(secrets), timeout=DEADLINE
                )
                statuses.add(response.status_code)
                case.validate_response(response, checks=HELD)

            ask()
    expected = {200, 201, 404, 422} if mode is GenerationMode.POSITIVE else {422}
    assert statuses >= expected


def test_without_a_secret_everything_is_refused_the_same_way(running, operations):
    addresses = (f"198.51.100.{n}" for n in itertools.count(1))
    for operation in operations.values():
        if not operation.definition.raw["security"]:
            continue

        @settings(DETERMINISTIC, max_examples=5)
        @given(operation.as_strategy())
        def ask(case):
            # From an address of its own: who guesses too often is told to wait.
            headers = {"X-Forwarded-For": next(addresses)}
            response = case.call(base_url=running.url, headers=headers, timeout=DEADLINE)
            assert response.status_code == 401, case.as_curl_command()
            assert response.json()["error"] == {"message": "not authorized"}

        ask()

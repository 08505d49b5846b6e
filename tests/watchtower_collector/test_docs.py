"""The documentation says what the program does, and all of it."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import jinja2
import pytest

from watchtower_collector import settings
from watchtower_collector.event import EVENT_TYPES, Event
from watchtower_collector.openapi.document import openapi_document
from watchtower_collector.rendering import FIELDS
from watchtower_collector.routes.hosts import HOST_FIELDS, HostParameters
from watchtower_collector.routes.parameters import EventParameters
from watchtower_collector.routes.stats import StatsParameters
from watchtower_collector.routes.stream import StreamParameters
from watchtower_collector.store.sqlite_errors import REASONS


@pytest.fixture(scope="module")
def page(repository):
    """The pages of the HTTP interface."""
    pages = [repository / f"docs/api/{name}-api.md" for name in ("collector", "admin")]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def table(page, first_heading):
    """Return the names in backquotes in the first column of the table with this heading."""
    heading = re.search(rf"^\| {re.escape(first_heading)} \|.*\n\| ---", page, re.MULTILINE)
    if heading is None:
        pytest.fail(f"there is no table with the heading {first_heading}")
    lines = page[heading.end() :].splitlines()[1:]
    names = []
    for line in lines:
        if not line.startswith("|"):
            return names
        names += re.findall(r"`([^`]+)`", line.split("|")[1])
    return names


def section(page, heading):
    """Return what stands under a heading of the second level."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL
    )
    if found is None:
        pytest.fail(f"there is no section {heading}")
    return found[1]


def test_every_route_is_documented_and_no_other(client, page):
    routes = {
        f"{method.upper()} {path}"
        for path, methods in openapi_document(client.app.rest)["paths"].items()
        for method in methods
    }
    assert set(table(page, "Route")) == routes
    assert set(re.findall(r"^## ((?:GET|POST|PUT|DELETE) .*)$", page, re.MULTILINE)) == routes


def test_every_status_is_documented_where_it_is_answered(client, page):
    """Those that every route has are in one table, the others in the section of their route."""
    everywhere = set(re.findall(r"^\| (\d{3}) \|", section(page, "Errors"), re.MULTILINE))
    assert everywhere == {"401", "429", "500", "503"}
    for path, methods in openapi_document(client.app.rest)["paths"].items():
        for method, operation in methods.items():
            text = section(page, f"{method.upper()} {path}")
            named = set(re.findall(r"(?:\*\*|^\| )(\d{3})(?:\*\*| \|)", text, re.MULTILINE))
            answered = set(operation["responses"])
            assert answered - everywhere <= named <= answered, (method, path)


def test_every_setting_is_documented_and_no_other(page):
    assert set(table(page, "Variable")) == settings.NAMES


def test_the_defaults_of_the_settings_are_the_documented_ones(page):
    for number in settings.WHOLES:
        assert f"| `{number.name}` | `{number.default}` |" in page
    assert f"| `WATCHTOWER_HOST` | `{settings.DEFAULT_HOST}` |" in page
    assert f"| `WATCHTOWER_DB_PATH` | `{settings.DEFAULT_DB_PATH}` |" in page


def test_every_field_is_documented_and_no_other(page):
    assert set(table(page, "Field")) == set(FIELDS)
    assert set(Event.model_fields) == set(FIELDS) - {"id", "received_at"}


def test_every_type_is_documented_and_no_other(page):
    assert table(page, "Type") == list(EVENT_TYPES)


def test_every_parameter_is_documented_and_no_other(page):
    assert set(table(page, "Parameter")) == set(EventParameters.model_fields)


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Host parameter", HostParameters),
        ("Stats parameter", StatsParameters),
        ("Stream parameter", StreamParameters),
    ],
)
def test_every_parameter_of_the_other_questions_is_documented_and_no_other(page, heading, model):
    assert sorted(table(page, heading)) == sorted(model.model_fields)


def test_every_field_of_a_host_is_documented_and_no_other(page):
    assert table(page, "Host field") == [*HOST_FIELDS, "silent_since"]


def test_every_reason_is_documented_and_no_other(page):
    lasting = {reason for _, reason, _ in REASONS} - {"too_slow"}
    ours = {"stalled", "database_error", "internal_error"}
    assert set(table(page, "`reason`")) == lasting | ours


def test_every_json_example_is_json(page):
    examples = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        json.loads(example)


def test_the_request_in_the_page_is_taken(client, page):
    (request,) = re.findall(r"```http\nPOST .*?\n\n(.*?)```", page, re.DOTALL)
    assert client.post(json.loads(request)).status_code == 201


def test_the_sample_event_is_taken(client, repository):
    sample = (repository / "docs/examples/sample-event.json").read_bytes()
    assert client.post(sample).status_code == 201


def test_the_curl_examples_work(collector, repository, make_event, tmp_path):
    """Run as they stand, but for the substitutions below; each block in one shell."""
    assert shutil.which("curl"), "the examples need curl: install the package curl"
    text = (repository / "docs/examples/curl-queries.md").read_text(encoding="utf-8")
    settings_file = tmp_path / "collector.env"
    template = (repository / "roles/watchtower_collector/templates/env.j2").read_text("utf-8")
    settings_file.write_text(
        jinja2.Template(template, undefined=jinja2.StrictUndefined).render(
            watchtower_collector_admin_api_key=collector._environment["ADMIN_API_KEY"],
            watchtower_collector_admin_api_key_previous="",
            watchtower_collector_agent_token=collector._environment["WATCHTOWER_AGENT_TOKEN"],
            watchtower_collector_port=8000,
            watchtower_collector_metrics_key="",
            watchtower_collector_retention_days=0,
            watchtower_collector_retention_mb=0,
            watchtower_collector_heartbeat_days=7,
            watchtower_collector_silent_seconds=300,
        )
    )
    for standing, here in (
        ("https://collector.example.org", collector.url),
        ("/opt/watchtower/collector/.env", str(settings_file)),
        ("sudo ", ""),
    ):
        assert standing in text
        text = text.replace(standing, here)
    shutil.copy(repository / "docs/examples/sample-event.json", tmp_path)
    collector.start()
    recent = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    key = "SHA256:Zk6cHqbhl7mS5lKnYH2hPUuJ0kTLb0qPq3J9xGdXwTs"
    collector.post(
        [
            make_event(timestamp=recent, user="recent", key_fingerprint=key),
            make_event(timestamp=recent, user="root", type="login_failed", source_ip="::1"),
            make_event(timestamp="2026-03-10T23:00:00Z", user="tuesday"),
            make_event(timestamp="2026-03-11T12:00:00Z", user="wednesday"),
            make_event(
                timestamp="2026-02-01T12:00:00Z",
                source_ip="::1",
                hostname="web-2",
                user="bob",
                type="su_failed",
            ),
        ]
    )

    exports, outputs = [], []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "".join(exports) + block],
            cwd=tmp_path,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{block}\n{ended.stdout}\n{ended.stderr}"
        exports += re.findall(r"export .*\n", block)
        outputs.append(ended.stdout)

    def users(output):
        return [event["user"] for event in json.loads(output)]

    everybody = ["recent", "wednesday", "tuesday"]
    (setup, key_file, health, logins, day, night, one, network, root, *rest) = outputs
    became_root, fingerprint, csv_file, lines_file, *rest = rest
    silent, failed, in_march, stream, paging, openapi, token_file, posted = rest
    assert setup == key_file == csv_file == lines_file == openapi == token_file == ""
    assert json.loads(health) == {"status": "ok"}
    assert users(logins) == everybody
    assert users(day) == ["root", "recent"]
    assert users(night) == ["tuesday"]
    assert json.loads(one)["user"] == "recent"
    assert json.loads(silent) == []
    assert [count["value"] for count in json.loads(failed)["counts"]] == ["root"]
    assert [count["count"] for count in json.loads(in_march)["counts"] if count["count"]] == [1, 1]
    assert re.findall("^event: (.*)$", stream, re.MULTILINE) == ["login", "login", "su_failed"]
    assert json.loads((tmp_path / "openapi.json").read_text())["openapi"].startswith("3.1")
    assert users(network) == everybody
    assert users(root) == ["root"]
    assert users(became_root) == ["bob"]
    assert users(fingerprint) == ["recent"]
    assert len((tmp_path / "march.csv").read_text().splitlines()) == 3
    assert len((tmp_path / "logins.jsonl").read_text().splitlines()) == 3
    assert [len(users(line)) for line in paging.splitlines()] == [2, 2]
    assert json.loads(posted)["status"] == "ok"
    assert (tmp_path / "admin.header").stat().st_mode & 0o777 == 0o600

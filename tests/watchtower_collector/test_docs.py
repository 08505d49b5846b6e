"""The documentation says what the program does, and all of it."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import jinja2
import pytest
from api_pages import TEXT, section, table

from watchtower_collector import settings
from watchtower_collector.audit import AuditTrail
from watchtower_collector.event import Event
from watchtower_collector.openapi.document import openapi_document
from watchtower_collector.rendering import FIELDS
from watchtower_collector.routes.audit import AuditParameters
from watchtower_collector.routes.hosts import HOST_FIELDS, HostParameters
from watchtower_collector.routes.parameters import EventParameters
from watchtower_collector.routes.stats import StatsParameters
from watchtower_collector.routes.stream import StreamParameters
from watchtower_collector.routes.tokens import TokenParameters
from watchtower_collector.store.migrations import STEPS
from watchtower_collector.store.sqlite_errors import REASONS
from watchtower_collector.store.tokens import all_tokens


def operations(client):
    """Return what the OpenAPI document says of each route, by its name in the pages."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi_document(client.app.rest)["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_documented_and_no_other(client):
    """HEAD stands in the section of GET."""
    routes = set(operations(client))
    assert set(table("Route")) == routes
    sections = set(re.findall(r"^## ([A-Z]+ /.*)$", TEXT, re.MULTILINE))
    assert sections == {route for route in routes if not route.startswith("HEAD ")}
    assert {route.replace("HEAD ", "GET ") for route in routes} == sections


def test_every_status_is_documented_where_it_is_answered(client):
    """Those that every route has are in one table, the others in the section of their route."""
    everywhere = set(re.findall(r"^\| (\d{3}) \|", section("Errors"), re.MULTILINE))
    assert everywhere == {"401", "429", "500", "503"}
    for route, operation in operations(client).items():
        text = section(route.replace("HEAD ", "GET "))
        named = set(re.findall(r"(?:\*\*|^\| )(\d{3})(?:\*\*| \|)", text, re.MULTILINE))
        answered = set(operation["responses"])
        assert answered - everywhere <= named <= answered, route


def test_every_setting_is_documented_and_no_other():
    assert set(table("Variable")) == settings.NAMES


def test_the_defaults_of_the_settings_are_the_documented_ones():
    for number in settings.WHOLES:
        assert f"| `{number.name}` | `{number.default}` |" in TEXT
    assert f"| `WATCHTOWER_HOST` | `{settings.DEFAULT_HOST}` |" in TEXT
    assert f"| `WATCHTOWER_DB_PATH` | `{settings.DEFAULT_DB_PATH}` |" in TEXT


def test_every_field_of_an_event_that_goes_out_is_one_that_came_in():
    assert set(Event.model_fields) == set(FIELDS) - {"id", "received_at"}


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Parameter", EventParameters),
        ("Host parameter", HostParameters),
        ("Stats parameter", StatsParameters),
        ("Stream parameter", StreamParameters),
        ("Token parameter", TokenParameters),
        ("Audit parameter", AuditParameters),
    ],
)
def test_every_parameter_is_documented_and_no_other(heading, model):
    assert sorted(table(heading)) == sorted(model.model_fields)


def test_every_field_of_a_host_is_documented_in_the_order_of_the_answer():
    assert table("Host field") == [*HOST_FIELDS, "silent_since"]


def test_every_reason_is_documented_and_no_other():
    lasting = {reason for _, reason, _ in REASONS} - {"too_slow"}
    ours = {"stalled", "database_error", "internal_error"}
    assert set(table("`reason`")) == lasting | ours


def test_the_schema_that_a_backup_shows_is_the_present_one(repository):
    page = (repository / "docs/operations/backup.md").read_text(encoding="utf-8")
    assert re.findall(r"^Schema +(\d+)$", page, re.MULTILINE) == [str(len(STEPS))]


def test_what_goes_from_the_database_by_itself_is_documented(repository):
    page = (repository / "docs/operations/install-collector.md").read_text(encoding="utf-8")
    assert f"heartbeats go after {settings.HEARTBEAT_DAYS.default} days" in page
    said = re.search(r"^Of the database, heartbeats go.*?\n\n", page, re.MULTILINE | re.DOTALL)[0]
    bounds = (settings.HEARTBEAT_DAYS, settings.RETENTION_DAYS, settings.RETENTION_MB)
    for bound in bounds:
        assert f"`{bound.name.lower().replace('watchtower_', 'watchtower_collector_')}`" in said
    assert [bound.default for bound in bounds[1:]] == [0, 0], "all else stays"


def test_a_deed_may_be_left_without_its_entry_in_the_audit(client, store, admin, monkeypatch):
    """As the page says: here nothing more is stored once the answer has begun."""
    assert "leaves a deed without its entry" in section("GET /admin/audit")

    async def killed(_trail, _entry):
        pass

    monkeypatch.setattr(AuditTrail, "_store", killed)
    made = client.request("POST", "/admin/tokens", json={"hostname": "web-1"}, headers=admin)
    assert made.status_code == 201
    assert len(store.read(all_tokens)) == 1
    assert client.get("/admin/audit", headers=admin).json() == []


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

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from processes import SOURCE

from watchtower_agent import collector as collector_module
from watchtower_agent.collector import Collector, Verdict
from watchtower_collector.errors import error_response

TOKEN = "s3cret-token-" + "x" * 32
EVENTS = ['{"event_id":"a"}', '{"event_id":"b"}']


@pytest.fixture
def collector(stand_in, tls):
    client = Collector(stand_in.url, TOKEN, tls / "ca.pem", "1.2.3")
    yield client
    client.close()


def results(*statuses):
    body = {"status": "ok", "results": [{"status": status} for status in statuses]}
    return 201, {}, json.dumps(body).encode()


def test_what_goes_over_the_wire(stand_in, collector):
    assert collector.post(EVENTS).verdict is Verdict.ACKNOWLEDGED
    ((path, headers, events),) = stand_in.requests
    assert path == "/login"
    assert headers["X-Login-Alert-Token"] == TOKEN
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "watchtower-agent/1.2.3"
    assert events == [{"event_id": "a"}, {"event_id": "b"}]


def test_each_event_has_its_own_fate(stand_in, collector):
    body = {"results": [{"status": "duplicate"}, {"status": "rejected", "error": {"field": "x"}}]}
    stand_in.script.append((201, {}, json.dumps(body).encode()))
    answer = collector.post(EVENTS)
    assert answer.verdict is Verdict.ACKNOWLEDGED
    assert answer.rejections == (None, '{"field": "x"}')


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (302, Verdict.NOT_UNDERSTOOD),
        (400, Verdict.NOT_UNDERSTOOD),
        (401, Verdict.UNAUTHORIZED),
        (403, Verdict.NOT_UNDERSTOOD),
        (404, Verdict.NOT_UNDERSTOOD),
        (413, Verdict.TOO_LARGE),
        (422, Verdict.NOT_UNDERSTOOD),
        (429, Verdict.BUSY),
        (500, Verdict.UNREACHABLE),
        (502, Verdict.UNREACHABLE),
        (503, Verdict.BUSY),
    ],
)
def test_each_status(stand_in, collector, status, verdict):
    stand_in.script.append((status, {"Location": "/elsewhere"}, b"because"))
    answer = collector.post(EVENTS)
    assert answer.verdict is verdict
    assert "because" in answer.detail
    assert len(stand_in.requests) == 1  # no redirect is followed: it would carry the token along


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(400, Verdict.NOT_UNDERSTOOD), (413, Verdict.REFUSED), (422, Verdict.REFUSED)],
)
def test_a_refusal_in_the_collectors_own_words(stand_in, collector, status, verdict):
    stand_in.script.append((status, {}, error_response(status, "because", field="user").body))
    answer = collector.post(EVENTS)
    assert answer.verdict is verdict
    assert "because" in answer.detail


@pytest.mark.parametrize(
    ("status", "reason", "verdict"),
    [
        (403, "foreign_host", Verdict.FOREIGN_HOST),
        (403, "another", Verdict.NOT_UNDERSTOOD),
        (400, "foreign_host", Verdict.NOT_UNDERSTOOD),
    ],
)
def test_a_token_for_another_host_in_the_collectors_own_words(
    stand_in, collector, status, reason, verdict
):
    stand_in.script.append((status, {}, error_response(status, "because", reason=reason).body))
    answer = collector.post(EVENTS)
    assert answer.verdict is verdict
    assert "because" in answer.detail


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Unprocessable</html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"detail":[{"msg":"Field required"}]}',
        b'{"error":{"message":"no"}}',
        b'{"status":"ok","error":{"message":"no"}}',
        b'{"status":"error"}',
        b'{"status":"error","error":"no"}',
        b'{"status":"error","error":{}}',
        b'{"status":"error","error":{"message":422}}',
    ],
)
def test_a_refusal_in_anybody_elses_words(stand_in, collector, body):
    stand_in.script += [(413, {}, body), (422, {}, body), (403, {}, body)]
    assert collector.post(EVENTS).verdict is Verdict.TOO_LARGE
    assert collector.post(EVENTS).verdict is Verdict.NOT_UNDERSTOOD
    assert collector.post(EVENTS).verdict is Verdict.NOT_UNDERSTOOD


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"<html>welcome</html>"),
        (201, {}, b'{"status":"ok"}'),
        (201, {}, b'{"results":[{}, {}]}'),
        (201, {}, b'{"results":["ok", "ok"]}'),
        (201, {}, b"[" * 100_000),
        results("ok"),
        results("ok", "ok", "ok"),
        results("ok", "perhaps"),
    ],
)
def test_an_acknowledgement_that_is_none(stand_in, collector, answer):
    stand_in.script.append(answer)
    assert collector.post(EVENTS).verdict is Verdict.NOT_UNDERSTOOD


def test_an_answer_may_not_be_endless(stand_in, collector, monkeypatch):
    monkeypatch.setattr(collector_module, "ANSWER_BYTES", 1000)
    stand_in.script.append((201, {}, b" " * 100_000))
    assert collector.post(EVENTS).verdict is Verdict.UNREACHABLE


def test_an_answer_may_not_drip_for_ever(stand_in, collector, monkeypatch):
    monkeypatch.setattr(collector_module, "ANSWER_SECONDS", -1.0)
    answer = collector.post(EVENTS)
    assert answer.verdict is Verdict.UNREACHABLE
    assert "too slow" in answer.detail


def test_retry_after_is_a_number_or_a_date(stand_in, collector):
    later = datetime.now(UTC) + timedelta(seconds=110)
    for text, least, most in (
        ("7", 7, 7),
        (format_datetime(later, usegmt=True), 30, 120),
        ("-5", 0, 0),
        ("99999999", 120, 120),
    ):
        stand_in.script.append((503, {"Retry-After": text}, b""))
        assert least <= collector.post(EVENTS).retry_after <= most
    stand_in.script.append((503, {"Retry-After": "soon"}, b""))
    assert collector.post(EVENTS).retry_after is None


def test_another_ca_is_not_trusted(stand_in, tls):
    collector = Collector(stand_in.url, TOKEN, tls / "other-ca.pem", "1")
    answer = collector.post(EVENTS)
    assert answer.verdict is Verdict.UNREACHABLE
    assert "certificate" in answer.detail.lower()
    assert not stand_in.requests


def test_the_environment_cannot_change_whom_to_trust(stand_in, tls, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls / "ca.pem"))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tls / "ca.pem"))
    collector = Collector(stand_in.url, TOKEN, tls / "other-ca.pem", "1")
    assert collector.post(EVENTS).verdict is Verdict.UNREACHABLE


def test_the_environment_cannot_add_credentials(stand_in, collector, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    collector.post(EVENTS)
    ((_, headers, _),) = stand_in.requests
    assert "Authorization" not in headers


def test_the_systems_cas_do_not_include_ours(stand_in):
    assert Collector(stand_in.url, TOKEN, None, "1").post(EVENTS).verdict is Verdict.UNREACHABLE


def test_a_proxy_of_the_environment_is_used(stand_in, collector, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert collector.post(EVENTS).verdict is Verdict.UNREACHABLE
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert collector.post(EVENTS).verdict is Verdict.ACKNOWLEDGED


def test_a_black_hole_is_left_after_the_timeout(stand_in, collector, monkeypatch):
    monkeypatch.setattr(collector_module, "READ_SECONDS", 0.5)
    stand_in.script.append("black hole")
    begin = time.monotonic()
    assert collector.post(EVENTS).verdict is Verdict.UNREACHABLE
    assert time.monotonic() - begin < 30


def test_nobody_listening_is_said_in_few_words(tls):
    answer = Collector("https://127.0.0.1:9", TOKEN, tls / "ca.pem", "1").post(EVENTS)
    assert answer.verdict is Verdict.UNREACHABLE
    assert "refused" in answer.detail
    assert TOKEN not in answer.detail


def test_a_lost_acknowledgement_is_no_acknowledgement(stand_in, collector):
    stand_in.script.append("lost")
    assert collector.post(EVENTS).verdict is Verdict.UNREACHABLE
    assert collector.post(EVENTS).verdict is Verdict.ACKNOWLEDGED
    assert list(stand_in.stored) == ["a", "b"]


def test_nothing_is_loaded_that_guesses_encodings_and_nothing_is_said_about_it():
    """It would be megabytes in each process, and a warning in each journal."""
    program = (
        "import sys, watchtower_agent.collector\n"
        "loaded = [name for name in sys.modules if 'chardet.' in name or 'charset_norm' in name]\n"
        "sys.exit(repr(loaded) if loaded else 0)"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE}
    command = [sys.executable, "-W", "default", "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

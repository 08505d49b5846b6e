"""How tokens are made known: to a real collector, and to one that cannot or will not."""

import hashlib
import http.server
import json
import socket
import threading
from contextlib import contextmanager

import pytest


def token_for(host, secret="", **changes):
    digest = hashlib.sha256((secret or f"token-of-{host}").encode()).hexdigest()
    one = {"host": host, "hostname": f"{host}.own", "token_sha256": digest, "overlap_seconds": 60}
    return one | changes


@pytest.fixture
def make_known(run_module, port, admin_key):
    """Run the module as Ansible does."""

    def run(*tokens, **changes):
        parameters = {"port": port, "admin_api_key": admin_key, "tokens": list(tokens), **changes}
        return run_module("watchtower_tokens", parameters)

    return run


def test_what_is_new_is_a_change_and_what_is_known_is_none(make_known, ask):
    first = make_known(token_for("web-1"), token_for("web-2"))
    assert (first.changed, first.created, first.refused) == (True, ["web-1", "web-2"], {})
    assert [token["hostname"] for token in ask("GET", "/admin/tokens")] == [
        "web-1.own",
        "web-2.own",
    ]
    again = make_known(token_for("web-1"), token_for("web-2"), token_for("web-3"))
    assert (again.changed, again.created) == (True, ["web-3"])
    same = make_known(token_for("web-1"), token_for("web-2"), token_for("web-3"))
    assert (same.changed, same.created, same.refused) == (False, [], {})


def test_a_new_token_lets_the_old_one_expire(make_known, ask):
    make_known(token_for("web-1"), token_for("web-2"))
    make_known(token_for("web-1", "another"), token_for("web-2"))
    states = [(token["hostname"], token["state"]) for token in ask("GET", "/admin/tokens")]
    assert states == [
        ("web-1.own", "expiring"),
        ("web-2.own", "active"),
        ("web-1.own", "active"),
    ]


def test_what_is_refused_holds_up_nothing_else(make_known, ask):
    make_known(token_for("web-2"))
    ask("DELETE", "/admin/tokens/1")
    run = make_known(
        token_for("web-1"), token_for("web-2"), token_for("web-3", hostname=""), token_for("web-4")
    )
    assert run.status == 0
    assert run.created == ["web-1", "web-4"]
    assert set(run.refused) == {"web-2", "web-3"}
    assert "was revoked" in run.refused["web-2"]
    assert "at least 1 character" in run.refused["web-3"]


def test_another_hosts_name_is_refused(make_known, ask):
    """Whatever a host calls itself, and with whichever token."""
    make_known(token_for("web-1"), token_for("db-1"))
    for secret in ("", "a new token"):
        run = make_known(token_for("web-1", secret, hostname="db-1.own"))
        assert (run.status, run.created) == (0, [])
        assert "belongs to db-1" in run.refused["web-1"]
    assert [token["state"] for token in ask("GET", "/admin/tokens")] == ["active", "active"]


def test_more_than_fit_into_one_request(make_known, ask):
    hosts = [f"host-{number}" for number in range(1001)]
    run = make_known(*map(token_for, hosts))
    assert run.created == hosts
    assert len(ask("GET", "/admin/tokens")) == len(hosts)


def test_a_wrong_key_is_told_with_the_fix_and_not_shown(make_known):
    run = make_known(token_for("web-1"), admin_api_key="wrong-" * 8)
    assert run.status == 1
    assert "playbooks/collector.yml gives it" in run.msg
    assert "wrong-" not in json.dumps(vars(run))


def test_neither_key_nor_digest_is_in_what_ansible_prints(make_known, admin_key):
    run = make_known(token_for("web-1"))
    printed = json.dumps(vars(run))
    assert "web-1.own" in printed
    assert admin_key not in printed
    assert token_for("web-1")["token_sha256"] not in printed


@contextmanager
def answering(*answers):
    """Run a server that gives these answers, and yields its port and what it was sent."""
    waiting, sent = list(answers), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, body = waiting.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port, sent
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def module(library, monkeypatch):
    """Return the module, in no mood to wait."""
    loaded = library("watchtower_tokens")
    monkeypatch.setattr(loaded, "PAUSE_SECONDS", 0)
    return loaded


def test_what_passes_is_waited_for(module):
    done = json.dumps({"status": "ok", "results": [{"created": True}]}).encode()
    busy = json.dumps({"status": "error", "error": {"message": "busy"}}).encode()
    with answering((503, busy), (502, b"<html>"), (503, busy), (201, done)) as (port, sent):
        assert module.register(port, "a-key", [token_for("web-1")]) == (["web-1"], {})
    wanted = token_for("web-1")
    wanted["owner"] = wanted.pop("host")
    assert sent == [[wanted]] * 4


def test_what_does_not_pass_is_told(module):
    busy = json.dumps({"status": "error", "error": {"message": "disk full"}}).encode()
    with (
        answering(*[(503, busy)] * module.ATTEMPTS) as (port, _),
        pytest.raises(module.NoAnswerError, match=r"disk full.*systemctl status"),
    ):
        module.register(port, "a-key", [token_for("web-1")])


def test_a_collector_that_knows_no_tokens_is_told_at_once(module):
    with (
        answering((404, b'{"status": "error", "error": {"message": "no"}}')) as (port, _),
        pytest.raises(module.NoAnswerError, match=r"run playbooks/collector\.yml first"),
    ):
        module.register(port, "a-key", [token_for("web-1")])


def test_a_wrong_key_after_many_others_is_told_at_once(module):
    """Nothing is gained by waiting: a right key would have been taken."""
    with (
        answering((429, b'{"status": "error", "error": {"message": "wait"}}')) as (port, sent),
        pytest.raises(module.NoAnswerError, match=r"playbooks/collector\.yml gives it"),
    ):
        module.register(port, "a-key", [token_for("web-1")])
    assert len(sent) == 1


def test_nobody_listening_is_told(module):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(module.NoAnswerError, match=r"refused.*systemctl status"):
            module.register(held.getsockname()[1], "a-key", [token_for("web-1")])

"""What ``check`` tries, against the real collector over TLS."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from real_collector import TOKEN, collector

import watchtower_agent
from watchtower_agent import check_collector as check_collector_module
from watchtower_agent.check_collector import check_collector
from watchtower_agent.clock import clock_offset
from watchtower_agent.settings import read_settings
from watchtower_collector.writer import Writer

PACKAGE = Path(watchtower_agent.__file__).parent


@pytest.fixture
def served(tmp_path, tls):
    with collector(tmp_path, tls / "server.pem") as url:
        yield url


@pytest.fixture
def settings(tmp_path, tls):
    def make(url, **changes):
        return read_settings(
            {
                "WATCHTOWER_COLLECTOR_URL": url,
                "WATCHTOWER_AGENT_TOKEN": TOKEN,
                "STATE_DIRECTORY": str(tmp_path),
                "WATCHTOWER_CA_FILE": str(tls / "ca.pem"),
                **changes,
            }
        )

    return make


def stored(tmp_path):
    """Return how many events the collector has."""
    with closing(sqlite3.connect(tmp_path / "watchtower.db")) as database:
        return database.execute("SELECT count(*) FROM events").fetchone()[0]


def failures(found):
    return [(what, fix) for verdict, what, fix in found if verdict == "FAIL"]


def test_the_whole_way_to_a_real_collector(tmp_path, served, settings):
    found = list(check_collector(settings(served)))
    assert [verdict for verdict, _, _ in found] == ["ok"] * 7
    assert [what.split(": ")[0] for _, what, _ in found][1:] == [
        "name",
        "connection",
        "certificate",
        "token",
        "store",
        "clock",
    ]
    assert TOKEN not in str(found)
    assert stored(tmp_path) == 0


def test_a_wrong_token(served, settings):
    wrong = "w" * 40
    found = list(check_collector(settings(served, WATCHTOWER_AGENT_TOKEN=wrong)))
    ((what, fix),) = failures(found)
    assert "token: the collector does not accept it (401)" in what
    assert "playbooks/site.yml" in fix
    assert wrong not in str(found)


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        ("expired", "has expired"),
        ("future", "is not yet valid"),
        ("elsewhere", "is for another name; it is for 192.0.2.1"),
    ],
)
def test_each_fault_of_the_certificate(tmp_path, tls, settings, pem, words):
    with collector(tmp_path, tls / f"{pem}.pem") as url:
        ((what, _),) = failures(check_collector(settings(url)))
    assert words in what


@pytest.mark.parametrize(
    ("ca", "words"),
    [
        ("other-ca", ["is not from the CA in"]),
        ("expired-ca", ["the CA's certificate has expired on 20", "is not from the CA in"]),
        ("future-ca", ["the CA's certificate is valid from 20", "is not from the CA in"]),
    ],
)
def test_each_fault_of_the_pinned_ca(tmp_path, tls, settings, ca, words):
    with collector(tmp_path, tls / "server.pem") as url:
        found = failures(check_collector(settings(url, WATCHTOWER_CA_FILE=str(tls / f"{ca}.pem"))))
    assert [word in what for (what, _), word in zip(found, words, strict=True)] == [True] * len(
        words
    )


def test_a_servers_certificate_in_the_place_of_a_ca(served, tls, settings):
    pinned = str(tls / "server.pem")
    first, *_ = check_collector(settings(served, WATCHTOWER_CA_FILE=pinned))
    assert first[0] == "warn"
    assert "not a CA's" in first[1]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://collector.invalid", "collector.invalid is not found"),
        ("https://127.0.0.1:9", "127.0.0.1:9 refused the connection"),
    ],
)
def test_a_way_that_ends_early(settings, url, words):
    ((what, fix),) = failures(check_collector(settings(url)))
    assert words in what
    assert fix


def test_a_connection_that_hangs_is_not_waited_for(settings, monkeypatch):
    monkeypatch.setattr(check_collector_module, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        ((what, _),) = failures(check_collector(settings(url)))
    assert "did not answer in time" in what


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([(200, {}, b"<html><title>Welcome</title>")], "does not answer like one"),
        ([(502, {}, b"")], "it answered 502"),
        ([(404, {}, b"<html>")], "does not answer like one"),
    ],
)
def test_something_else_answers(stand_in, settings, answers, words):
    stand_in.script += answers
    ((what, fix),) = failures(check_collector(settings(stand_in.url)))
    assert words in what
    assert fix


def test_a_busy_collector_is_a_warning(stand_in, settings):
    stand_in.script.append((503, {}, b""))
    last = list(check_collector(settings(stand_in.url)))[-1]
    assert last[0] == "warn"
    assert "busy" in last[1]


def test_a_collector_that_cannot_store(served, settings, monkeypatch):
    monkeypatch.setattr(Writer, "trouble", property(lambda _: "disk_full"))
    ((what, fix),) = failures(check_collector(settings(served)))
    assert "disk_full" in what
    assert "journalctl" in fix


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        (0, ("ok", "clock: it agrees with the collector's to a few seconds")),
        (3, ("ok", "clock: it agrees with the collector's to a few seconds")),
        (86400 * 3 + 60, ("warn", "clock: it is 3 days ahead of the collector's")),
        (-7260, ("warn", "clock: it is 2 hours behind the collector's")),
        (None, ("ok", "clock: not compared, because the answer took long or has no Date")),
    ],
)
def test_a_clock_that_is_off_is_a_warning(served, settings, monkeypatch, ahead, found):
    def another_offset(date, received_at, round_trip):
        # An answer that took long says nothing; this machine may be slow.
        soon = min(round_trip, 1.0)
        return None if ahead is None else clock_offset(date, received_at + ahead, soon)

    monkeypatch.setattr("watchtower_agent.collector.clock_offset", another_offset)
    last = list(check_collector(settings(served)))[-1]
    assert last[:2] == found

"""``watchtowerctl hosts`` and ``event``."""

import json

HOST = {
    "hostname": "web-1\x1b[2J",
    "first_seen": "2026-03-01T00:00:00.000000Z",
    "last_seen": "2026-03-14T09:26:53.589793Z",
    "last_login": "2026-03-14T09:00:00.000000Z",
    "last_login_user": "alice",
    "last_login_source_ip": "203.0.113.7",
    "last_heartbeat": None,
    "agent_version": "0.1.0",
    "spool_depth": 4711,
    "clock_offset_seconds": -90,
    "trouble": None,
    "region": None,
    "host_group": None,
    "silent_since": "2026-03-14T09:26:53.589793Z",
}
FRESH = dict.fromkeys(HOST) | {"hostname": "web-2", "last_seen": "2026-03-14T09:26:53Z"}


def test_each_host_is_a_row(asking, stand_in):
    stand_in.answer("GET /hosts", [HOST, FRESH])
    out, err = asking("hosts")
    header, first, second = out.splitlines()
    assert header.startswith("Host ")
    for cell in (
        "$'web-1\\x1b[2J'",
        "d ago",
        "2026-03-14 14:56:53+05:30",
        "alice",
        "4711",
        "-90 s",
    ):
        assert cell in first
    assert second.startswith("web-2 ")
    assert err == "2 hosts, 1 silent.\n"


def test_all_pages_are_followed(asking, stand_in):
    stand_in.answer("GET /hosts", [HOST], Link='</hosts?cursor=x&limit=1000>; rel="next"')
    stand_in.answer("GET /hosts", [FRESH])
    out, _ = asking("hosts", "--json")
    assert [json.loads(line) for line in out.splitlines()] == [HOST, FRESH]
    assert stand_in.requests[1].query == [("cursor", "x"), ("limit", "1000")]


def test_the_silent_ones_can_be_asked_for(asking, stand_in):
    stand_in.answer("GET /hosts", [])
    asking("hosts", "--not-silent")
    asking("hosts", "--silent", "--host", "web-*", "--host", "db-1")
    second, first = (request.query for request in stand_in.requests[:2])
    wanted = [("hostname", "web-*"), ("hostname", "db-1"), ("silent", "true"), ("limit", "1000")]
    assert first == wanted
    assert ("silent", "false") in second


def test_an_event_is_shown_whole(asking, stand_in):
    event = {
        "id": 7,
        "timestamp": "2026-03-14T09:26:53.589793Z",
        "user": "\u202eroot",
        "method": None,
        "flagged": True,
    }
    stand_in.answer("GET /events/7", event)
    out, _ = asking("event", "7")
    assert out == (
        "id         7\n"
        "timestamp  2026-03-14 14:56:53+05:30\n"
        "user       $'\\u202eroot'\n"
        "flagged    yes\n"
    )
    assert json.loads(asking("event", "7", "--json")[0]) == event


def test_an_event_that_is_not_there_is_named(asking, stand_in):
    stand_in.refuse("GET /events/7", 404, "there is no such event")
    _, err = asking("event", "7", status=66)
    assert err == "watchtowerctl: there is no event 7\n"


def test_a_host_that_is_gone_is_forgotten(asking, stand_in):
    stand_in.answer("DELETE /hosts/a%2Fb", {"status": "ok"})
    out, err = asking("forget", "a/b")
    assert out == ""
    assert "a/b is forgotten" in err
    stand_in.refuse("DELETE /hosts/web-1", 404, "there is no host 'web-1'")
    _, err = asking("forget", "web-1", status=66)
    assert "there is no host web-1" in err


def test_a_host_can_be_forgotten_whatever_it_is_called(ctl, post):
    for name in ("..", ".", "a/../b", "web-1"):
        post({"hostname": name})
        assert f"{name} is forgotten" in ctl("forget", name)[1]
        _, err = ctl("forget", name, status=66)
        assert f"there is no host {name}" in err

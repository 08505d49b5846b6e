import re
from urllib.parse import quote

import pytest

LINK = re.compile(r'</(hosts\?[^>]*)>; rel="next"')


def hosts(client, admin, query=""):
    response = client.get(f"/hosts{query}", headers=admin)
    assert response.status_code == 200, response.text
    return response.json()


def test_what_is_known_of_a_host(client, admin, make_event):
    client.post(
        [
            make_event(user="alice", region="eu", host_group="web"),
            make_event(
                type="heartbeat",
                region="eu",
                host_group="web",
                agent_version="0.1.0",
                spool_depth=3,
                clock_offset_seconds=-0.25,
                trouble="disk",
            ),
        ]
    )
    heartbeat = client.events("?type=heartbeat")[0]
    (host,) = hosts(client, admin)
    assert host == {
        "hostname": "web-1",
        "first_seen": heartbeat["received_at"],
        "last_seen": heartbeat["received_at"],
        "last_login": "2026-03-14T09:26:53.589793Z",
        "last_login_user": "alice",
        "last_login_source_ip": "203.0.113.7",
        "last_heartbeat": heartbeat["received_at"],
        "agent_version": "0.1.0",
        "spool_depth": 3,
        "clock_offset_seconds": -0.25,
        "trouble": "disk",
        "region": "eu",
        "host_group": "web",
        "silent_since": None,
    }


def test_a_host_of_which_little_is_known(client, admin, make_event):
    client.post(make_event(type="sudo"))
    (host,) = hosts(client, admin)
    assert host["last_login"] is host["last_heartbeat"] is host["silent_since"] is None


def test_a_silent_host_is_silent_since_it_was_last_heard_of(
    client, admin, make_event, monkeypatch
):
    client.post([make_event(type="heartbeat"), make_event(hostname="curl")])
    assert hosts(client, admin, "?silent=true") == []
    monkeypatch.setattr("watchtower_collector.routes.hosts.now_us", lambda: 1 << 60)
    (silent,) = hosts(client, admin, "?silent=true")
    assert silent["hostname"] == "web-1"
    assert silent["silent_since"] == silent["last_seen"]
    (other,) = hosts(client, admin, "?silent=false")
    assert (other["hostname"], other["silent_since"]) == ("curl", None)


def test_the_setting_says_how_long_silence_is(run_app, environment, store, admin, monkeypatch):
    environment["WATCHTOWER_SILENT_SECONDS"] = "120"
    monkeypatch.setattr("watchtower_collector.routes.login.now_us", lambda: 1_000_000)
    heartbeat = {"type": "heartbeat", "hostname": "h", "timestamp": "1970-01-01T00:00:00Z"}
    with run_app(environment, store) as client:
        client.post(heartbeat)
        for seconds, silent in ((120, []), (121, ["h"])):
            now = (1 + seconds) * 1_000_000
            monkeypatch.setattr("watchtower_collector.routes.hosts.now_us", lambda: now)  # noqa: B023  # called at once
            found = hosts(client, admin, "?silent=true")
            assert [host["hostname"] for host in found] == silent


def test_names_and_beginnings_of_names(client, admin, make_event):
    client.post([make_event(hostname=name) for name in ("web-2", "web-1", "db-1", "db-2")])
    found = hosts(client, admin, "?hostname=web-*&hostname=db-2")
    assert [host["hostname"] for host in found] == ["db-2", "web-1", "web-2"]


def test_pages_hold_every_host_once(client, admin, make_event):
    names = sorted([f"web-{n}" for n in range(7)] + ["ü & co", "*"])
    client.post([make_event(hostname=name) for name in names])
    url, found = "/hosts?limit=2&silent=false&hostname=*", []
    while url:
        response = client.get(url, headers=admin)
        assert response.status_code == 200, response.text
        found += [host["hostname"] for host in response.json()]
        link = LINK.fullmatch(response.headers.get("link", ""))
        url = "/" + link.group(1) if link else None
    assert found == names


@pytest.mark.parametrize(
    ("query", "parameter", "allowed"),
    [
        ("name=web-1", "name", "hostname, silent, limit, cursor"),
        ("silent=yes", "silent", "true or false"),
        ("limit=0", "limit", "from 1 to 10000"),
        ("limit=10001", "limit", "from 1 to 10000"),
        ("cursor=nonsense", "cursor", "Link"),
        ("cursor=AQAGTPyZoCCAAAAAAAAAEmc", "cursor", "Link"),
        ("silent=true&silent=false", "silent", "twice"),
        ("hostname=", "hostname", "leave it out"),
    ],
)
def test_a_mistake_names_the_parameter_and_what_is_allowed(
    client, admin, query, parameter, allowed
):
    response = client.get(f"/hosts?{query}", headers=admin)
    assert response.status_code == 422
    assert response.json()["error"]["parameter"] == parameter
    assert allowed in response.json()["error"]["message"]


def test_without_the_key_there_is_nothing_to_learn(client):
    for query in ("", "?limit=0"):
        response = client.get("/hosts" + query)
        assert response.status_code == 401
        assert response.json()["error"] == {"message": "not authorized"}


@pytest.mark.parametrize("hostname", ["web-1", "a/b c?d", "h\u00f6st"])
def test_a_host_that_is_gone_is_forgotten_until_its_next_event(
    client, admin, make_event, hostname
):
    def known():
        return [host["hostname"] for host in client.get("/hosts", headers=admin).json()]

    path = "/hosts/" + quote(hostname, safe="")
    client.post([make_event(hostname=hostname, type="heartbeat"), make_event(hostname="other")])
    assert client.request("DELETE", path, headers=admin).json() == {"status": "ok"}
    assert known() == ["other"]
    assert len(client.events()) == 2, "its events stay"
    assert client.request("DELETE", path, headers=admin).status_code == 404
    client.post(make_event(hostname=hostname))
    assert hostname in known()


@pytest.mark.parametrize("name", ["a\nb", "a\n", "\n", "a/\n/b"])
def test_a_name_with_a_line_feed_is_no_other_name(client, admin, make_event, name):
    client.post([make_event(hostname="a"), make_event(hostname=name)])
    path = f"/hosts/{quote(name, safe='')}"
    assert client.request("DELETE", path).status_code == 401
    assert client.request("DELETE", path, headers=admin).json() == {"status": "ok"}
    assert [host["hostname"] for host in hosts(client, admin)] == ["a"]


def test_agents_forget_nobody(client, agent, make_event):
    client.post(make_event())
    assert client.request("DELETE", "/hosts/web-1", headers=agent).status_code == 401

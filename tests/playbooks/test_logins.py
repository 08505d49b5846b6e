"""How verify.yml finds the operator's own logins: over real TLS, from a real server."""

from types import SimpleNamespace

import pytest

AT = 1_773_479_460  # 2026-03-14T09:11:00Z


def login(host, port):
    words = {"time": str(AT), "source_ip": "192.0.2.7", "source_port": port}
    return {"host": host, "hostname": host} | words


LOGINS = [login("web-1", "4711"), login("db-1", "4712")]


def event(source_port):
    return {"type": "login", "source_port": source_port}


@pytest.fixture
def search(logins_module, collector, ca, monkeypatch):
    """Look for LOGINS at the server; returns the hosts that are missing, and the trouble."""

    def search_it(timeout=0, port=collector.server_port, **changed):
        monkeypatch.setattr(logins_module, "PORT", port)
        parameters = {
            "site": "collector.example.org",
            "ca_certificate": ca.pem,
            "admin_api_key": collector.key,
            "logins": LOGINS,
            "timeout": timeout,
        }
        missing, trouble = logins_module.search(SimpleNamespace(params=parameters | changed))
        return [login["host"] for login in missing], trouble

    return search_it


def test_found(search, collector):
    # The port comes as a number from the store; another connection of the host is not this one,
    # nor is one of the same port that ended before: ports come again.
    collector.answers += [(200, [event(1), event(4711)]), (200, [event("4712")])]
    assert search() == ([], "")
    since = "since=2026-03-14T09%3A10%3A00%2B00%3A00"
    assert collector.requests == [
        f"/events?type=login&{since}&limit=1000&hostname=web-1&source_ip=192.0.2.7",
        f"/events?type=login&{since}&limit=1000&hostname=db-1&source_ip=192.0.2.7",
    ]


def test_missing(search, collector):
    collector.answers += [(200, [event(4712)]), (200, [event(4712)])]
    assert search() == (["web-1"], "")


def test_found_at_last(search, collector):
    """A login that arrives late is found; one that was found is not asked for again."""
    collector.answers += [(200, []), (200, [event(4712)]), (503, {}), (200, [event(4711)])]
    assert search(timeout=60) == ([], "")
    assert [request.count("hostname=web-1") for request in collector.requests] == [1, 0, 1, 1]


def test_collector_that_cannot_answer_is_told(search, collector):
    collector.answers += [(503, {"status": "unavailable", "reason": "disk full"})]
    missing, trouble = search()
    assert missing == ["web-1", "db-1"]
    assert "503" in trouble
    assert "disk full" in trouble


@pytest.mark.parametrize(
    ("status", "fix"), [(401, "playbooks/collector.yml"), (404, "watchtower_caddy_admin_networks")]
)
def test_refusal_ends_the_search_at_once(search, collector, status, fix):
    collector.answers += [(status, {})]
    missing, trouble = search(timeout=600)
    assert len(collector.requests) == 1
    assert missing == ["web-1", "db-1"]
    assert str(status) in trouble
    assert fix in trouble


def test_wrong_key_is_not_shown(search):
    _, trouble = search(admin_api_key="wrong-and-secret")
    assert "401" in trouble
    assert "wrong-and-secret" not in trouble


def test_certificate_of_another_name_is_refused(search, collector):
    _, trouble = search(site="other.example.org")
    assert "certificate" in trouble
    assert "other.example.org" in trouble
    assert collector.requests == []


def test_certificate_of_another_ca_is_refused(search, collector, another_ca):
    missing, trouble = search(ca_certificate=another_ca.pem)
    assert missing == ["web-1", "db-1"]
    assert "certificate verify failed" in trouble
    assert collector.requests == []


def test_hosts_own_store_is_used_without_a_ca(search, collector):
    _, trouble = search(ca_certificate=None)
    assert "certificate verify failed" in trouble
    assert collector.requests == []


def test_unreadable_ca_is_told(search):
    missing, trouble = search(ca_certificate="-----BEGIN CERTIFICATE-----\nnone\n")
    assert missing == ["web-1", "db-1"]
    assert "CA certificate" in trouble


def test_nobody_listening_is_told(search, closed_port):
    missing, trouble = search(port=closed_port)
    assert missing == ["web-1", "db-1"]
    assert "refused" in trouble

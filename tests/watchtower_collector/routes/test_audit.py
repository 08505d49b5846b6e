"""The audit trail, over HTTP."""

import re

import pytest


@pytest.fixture
def trail(client, admin):
    """A function that asks for the trail; it waits until what was asked before is on it."""

    def ask(query=""):
        async def idle():
            await client.writer.call(lambda c: c.exec_driver_sql("SELECT 1").scalar())

        client.portal.call(idle)
        response = client.get(f"/admin/audit{query}", headers=admin)
        assert response.status_code == 200, response.text
        return response

    return ask


def test_the_trail_tells_who_asked_what(client, admin, trail):
    client.get("/events?user=root", headers=admin)
    (entry,) = trail().json()
    assert re.fullmatch(r"\d{4}-.*\.\d{6}Z", entry.pop("at"))
    assert entry == {
        "id": 1,
        "key": "current",
        "address": "127.0.0.1",
        "method": "GET",
        "path": "/events",
        "query": "user=root",
        "status": 200,
        "detail": None,
    }


def test_looking_at_the_trail_is_on_it_too(trail):
    assert trail().json() == []
    assert [entry["path"] for entry in trail().json()] == ["/admin/audit"]


def test_pages_follow_one_another(client, admin, trail):
    for n in range(1, 6):
        client.get(f"/events?limit={n}", headers=admin)
    seen, query = [], "?limit=2&path=/events&hours=1"
    for _ in range(3):
        response = trail(query)
        seen += [entry["query"] for entry in response.json()]
        link = response.headers.get("Link")
        if link is None:
            break
        query = link.partition("/admin/audit")[2].partition(">")[0]
    assert seen == [f"limit={n}" for n in (5, 4, 3, 2, 1)]
    assert link is None


def test_filters(client, admin, trail):
    client.get("/events", headers=admin)
    client.get("/admin/tokens", headers=admin)
    assert [e["path"] for e in trail("?path=/admin/t*").json()] == ["/admin/tokens"]
    assert trail("?until=2001-01-01").json() == []
    assert len(trail("?since=2001-01-01&path=/events&path=/admin/tokens").json()) == 2


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "cursor=x",
        "since=noon",
        "user=root",
        "hours=1&since=2001",
        "since=2001-01-02&until=2001-01-01",
    ],
)
def test_a_mistake_is_named(client, admin, query):
    response = client.get(f"/admin/audit?{query}", headers=admin)
    assert response.status_code == 422
    assert response.json()["error"]["parameter"] in query


def test_agents_may_not_look(client, agent):
    assert client.get("/admin/audit", headers=agent).status_code == 401

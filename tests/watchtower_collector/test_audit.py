"""Who asked what with an admin key stays on record."""

import logging
import re

import pytest
import sqlalchemy as sa

from watchtower_collector.audit import AuditTrail
from watchtower_collector.store.audit import AuditQuery, entries
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.schema import AUDIT


@pytest.fixture
def trail(client, store):
    """A function that returns the trail, once all that was asked for is on it."""

    def read(**query):
        async def idle():
            await client.writer.call(lambda c: c.exec_driver_sql("SELECT 1").scalar())

        client.portal.call(idle)
        return store.read(lambda c: entries(c, AuditQuery(**query), None, 100))

    return read


def test_a_question_is_noted_with_its_answer(client, admin, trail):
    client.get("/events?user=root&limit=5", headers=admin)
    client.get("/events?usr=root", headers=admin)
    wrong, right = trail()
    assert (right["key"], right["method"], right["path"]) == ("current", "GET", "/events")
    assert (right["query"], right["status"]) == ("user=root&limit=5", 200)
    assert (right["address"], right["detail"]) == ("127.0.0.1", None)
    assert (wrong["query"], wrong["status"]) == ("usr=root", 422)
    assert wrong["at"] >= right["at"] > 0


def test_what_was_done_is_noted_without_the_secret(client, admin, trail):
    body = {"hostname": "web-1"}
    token = client.request("POST", "/admin/tokens", headers=admin, json=body).json()["token"]
    client.request("DELETE", "/admin/tokens/1", headers=admin)
    assert [entry["detail"] for entry in trail()] == [
        "revoked token 1 of web-1",
        "made token 1 for web-1",
    ]
    assert token not in str(trail())
    assert admin["X-Admin-Api-Key"] not in str(trail())


@pytest.fixture
def make(client, admin):
    """A function that asks for tokens."""

    def ask(*wanted):
        body = wanted[0] if len(wanted) == 1 else wanted
        response = client.request("POST", "/admin/tokens", headers=admin, json=body)
        assert response.status_code == 201, response.text
        return response.json()

    return ask


def test_a_token_that_is_good_again_is_noted(make, trail):
    """Its text was rotated away, and may have been seen by somebody since."""
    old = {"hostname": "web-1", "token_sha256": "ab" * 32}
    make(old)
    make({"hostname": "web-1", "overlap_seconds": 0})
    make(old)
    make(old)
    make({**old, "overlap_seconds": 60, "owner": "inventory-web-1"})
    details = [entry["detail"] for entry in reversed(trail())]
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    for detail, expected in zip(
        details,
        [
            "made token 1 for web-1",
            f"made token 2 for web-1, others expire at {moment}",
            "renewed token 1 for web-1",
            "token 1 for web-1 was as it is",
            f"token 1 for web-1, owner inventory-web-1, others expire at {moment}",
        ],
        strict=True,
    ):
        assert re.fullmatch(expected, detail), detail


def test_what_was_done_with_several_is_noted_what_came_back_first(make, trail):
    make({"hostname": "web-1", "token_sha256": "ab" * 32})
    make({"hostname": "web-1", "overlap_seconds": 3_600})
    make(
        {"hostname": "web-2"},
        {"hostname": "web-3", "token_sha256": "cd" * 32},
        {"hostname": "web-1", "token_sha256": "ab" * 32},
    )
    assert trail()[0]["detail"] == (
        "renewed token 1 for web-1; made token 3 for web-2; made token 4 for web-3"
    )
    make(*({"hostname": f"web-{n}", "token_sha256": "ef" * 32} for n in (4, 5)))
    make(*({"hostname": f"web-{n}", "token_sha256": "ef" * 32} for n in (4, 5)))
    assert trail()[0]["detail"] == "2 tokens were as they are"


def test_an_entry_about_a_thousand_tokens_is_bounded(make, trail):
    make(*({"hostname": f"{n:0255}"} for n in range(1_000)))
    detail = trail()[0]["detail"]
    assert len(detail) < 5_000
    assert re.search(r"; and 9\d\d more$", detail)


def test_the_previous_key_is_told_apart(run_app, environment, store):
    environment["ADMIN_API_KEY_PREVIOUS"] = previous = "previous-key-of-the-tests-0123456789"
    with run_app(environment, store) as client:
        headers = {"X-Admin-Api-Key": previous}
        assert client.get("/events", headers=headers).status_code == 200
    (entry,) = store.read(lambda c: entries(c, AuditQuery(), None, 10))
    assert entry["key"] == "previous"


def test_who_has_no_key_leaves_no_entry(client, agent, make_event, trail):
    client.get("/events", headers=agent)
    client.get("/admin/tokens")
    client.get("/healthz")
    client.post(make_event())
    assert trail() == []


def test_a_hostile_path_is_one_bounded_entry(client, admin, trail):
    client.get("/events?q=%0A%1b[31m" + "x" * 9_000, headers=admin)
    (entry,) = trail()
    assert len(entry["query"]) == 2_048
    assert "\n" not in entry["query"]


@pytest.mark.parametrize(
    ("client_of_the_scope", "noted"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8::7%eth0", 1), "2001:db8::7"),
        (("evil\tX", 1), "unknown"),
        (("z" * 55_000, 1), "unknown"),
        (None, "unknown"),
    ],
)
def test_the_address_of_an_entry_is_one_or_unknown(client, trail, client_of_the_scope, noted):
    scope = {
        "state": {"admin_key": "current"},
        "client": client_of_the_scope,
        "method": "GET",
        "path": "/events",
        "query_string": b"",
    }

    async def answered():
        AuditTrail(client.writer).answered(scope, 200)

    client.portal.call(answered)
    (entry,) = trail()
    assert entry["address"] == noted


def test_a_disk_that_is_full_keeps_nobody_from_asking(client, admin, caplog):
    def fill(connection):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    client.portal.call(client.writer.call, fill)
    with caplog.at_level(logging.ERROR):
        for _ in range(60):
            assert client.get("/events?q=" + "x" * 1_000, headers=admin).status_code == 200
    assert "not stored" in caplog.text
    assert admin["X-Admin-Api-Key"] not in caplog.text


def test_the_trail_can_be_narrowed(client, admin, trail, store):
    for path in ("/events", "/admin/tokens", "/events?limit=1"):
        client.get(path, headers=admin)
    newest, tokens, oldest = trail()
    assert trail(path=Texts(exact=("/admin/tokens",))) == [tokens]
    assert trail(path=Texts(prefixes=("/adm",))) == [tokens]
    assert trail(since=newest["at"]) == [newest]
    assert trail(until=tokens["at"]) == [oldest]
    assert store.read(lambda c: entries(c, AuditQuery(), newest["id"], 1)) == [tokens]


def test_entries_have_ids_that_never_come_back(client, admin, trail, store):
    client.get("/events", headers=admin)
    (first,) = trail()
    store.write(lambda c: c.execute(sa.delete(AUDIT)))
    client.get("/events", headers=admin)
    assert trail()[0]["id"] > first["id"]


def test_what_ends_in_a_defect_is_noted_too(client, admin, trail, monkeypatch):
    """The token was made, whatever came after."""
    monkeypatch.setattr("watchtower_collector.routes.tokens.summary", lambda _bound: 1 / 0)
    body = {"hostname": "web-1"}
    assert client.request("POST", "/admin/tokens", headers=admin, json=body).status_code == 500
    assert [(entry["path"], entry["status"]) for entry in trail()] == [("/admin/tokens", 500)]

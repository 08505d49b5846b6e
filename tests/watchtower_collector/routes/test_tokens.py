"""Tokens of single hosts, over HTTP: made, used, rotated, revoked."""

import hashlib
import json

import pytest

from watchtower_collector.wanted_token import MAX_TOKENS

ELSEWHERE = "made-on-the-controller-0123456789abcdef"
SHA256 = hashlib.sha256(ELSEWHERE.encode()).hexdigest()


@pytest.fixture
def make(client, admin):
    """A function that asks for tokens and returns the answer's document."""

    def ask(*wanted, status=201, **one):
        body = list(wanted) if wanted else one
        content = json.dumps(body).encode()  # with escapes, also of lone surrogates
        response = client.request("POST", "/admin/tokens", headers=admin, content=content)
        assert response.status_code == status, response.text
        return response.json()

    return ask


@pytest.fixture
def listed(client, admin):
    def ask(query=""):
        response = client.get(f"/admin/tokens{query}", headers=admin)
        assert response.status_code == 200, response.text
        return response.json()

    return ask


@pytest.fixture
def say(client, make_event):
    """A function that posts an event with a token and returns the answer's status."""

    def post(token, hostname="web-1"):
        headers = {"X-Login-Alert-Token": token}
        event = make_event(hostname=hostname)
        return client.request("POST", "/login", headers=headers, json=event).status_code

    return post


def test_a_token_is_shown_once_and_works(make, say, listed, client, store):
    made = make(hostname="web-1")
    assert made["status"] == "ok"
    assert (made["hostname"], made["created"]) == ("web-1", True)
    assert say(made["token"]) == 201
    (token,) = listed()
    assert token["state"] == "active"
    assert token["last_used_at"] is not None
    assert "token" not in token

    async def idle():  # what was asked is on the audit trail
        await client.writer.call(lambda c: c.exec_driver_sql("SELECT 1").scalar())

    client.portal.call(idle)
    store.close()
    for file in store._path.parent.iterdir():
        assert made["token"].encode() not in file.read_bytes(), "it is kept as a digest"


def test_a_token_speaks_for_its_host_only(make, say, client, make_event):
    token = make(hostname="web-1")["token"]
    assert say(token, hostname="web-2") == 403
    assert say(token, hostname="WEB-1") == 403
    headers = {"X-Login-Alert-Token": token}
    events = [make_event(hostname="web-1"), make_event(hostname="web-2")]
    response = client.request("POST", "/login", headers=headers, json=events)
    assert response.status_code == 403
    error = response.json()["error"]
    assert (error["reason"], error["event"]) == ("foreign_host", 1)
    assert "web-1" in error["message"]
    assert "web-2" in error["message"]
    assert client.events() == [], "nothing of the array is stored"


@pytest.mark.parametrize("thief", ["web-1", "web-2"])
def test_a_stolen_token_hides_no_event(make, client, make_event, thief):
    """Not even by using the ids of its events first, which local users of the host can know."""

    def post(hostname, body):
        headers = {"X-Login-Alert-Token": tokens[hostname]}
        response = client.request("POST", "/login", headers=headers, json=body)
        assert response.status_code == 201, response.text
        return response.json()

    tokens = {name: make(hostname=name)["token"] for name in ("web-1", "web-2")}
    logins = [make_event(hostname="web-1", user=name) for name in ("alice", "bob")]
    mine = [{**login, "hostname": thief, "type": "heartbeat", "user": None} for login in logins]
    taken = [result["id"] for result in post(thief, mine)["results"]]
    alone = post("web-1", logins[0])
    assert alone["status"] == "ok"
    results = post("web-1", logins)["results"]
    assert results[0] == {"status": "duplicate", "id": alone["id"]}
    assert results[1]["status"] == "ok"
    assert post("web-1", logins[0]) == alone
    bob, alice, *heartbeats = client.events()
    assert (alice["user"], alice["id"]) == ("alice", alone["id"])
    assert (bob["user"], bob["id"]) == ("bob", results[1]["id"])
    assert [event["id"] for event in heartbeats] == taken[::-1]
    assert len({event["event_id"] for event in (bob, alice, *heartbeats)}) == 4


def test_a_token_made_elsewhere_is_registered_once(make, say, listed):
    assert say(ELSEWHERE) == 401
    first = make(hostname="web-1", token_sha256=SHA256)
    assert first == {"status": "ok", "id": first["id"], "hostname": "web-1", "created": True}
    assert make(hostname="web-1", token_sha256=SHA256.upper()) == {**first, "created": False}
    assert say(ELSEWHERE) == 201
    assert len(listed()) == 1


def test_a_host_that_was_renamed_keeps_its_token_under_both_names(make, say):
    make(hostname="old", token_sha256=SHA256)
    make(hostname="new", token_sha256=SHA256)
    assert say(ELSEWHERE, "old") == say(ELSEWHERE, "new") == 201


def test_a_rotation_overlaps(make, say, listed):
    old = make(hostname="web-1")["token"]
    new = make(hostname="web-1", overlap_seconds=3_600)["token"]
    assert say(old) == say(new) == 201
    assert [token["state"] for token in listed()] == ["expiring", "active"]
    newest = make(hostname="web-1", overlap_seconds=0)["token"]
    assert (say(old), say(new), say(newest)) == (401, 401, 201)


def test_a_revoked_token_is_refused_at_once_and_does_not_come_back(
    client, admin, make, say, listed
):
    made = make(hostname="web-1", token_sha256=SHA256)
    assert say(ELSEWHERE) == 201
    response = client.request("DELETE", f"/admin/tokens/{made['id']}", headers=admin)
    assert response.json() == {"status": "ok"}
    assert say(ELSEWHERE) == 401
    error = make({"hostname": "web-2"}, {"hostname": "web-1", "token_sha256": SHA256}, status=409)
    assert error["error"]["token"] == 1
    assert "make a new one" in error["error"]["message"]
    assert [token["state"] for token in listed()] == ["revoked"], "nothing was made for web-2"


def test_what_is_not_there_cannot_be_revoked(client, admin):
    response = client.request("DELETE", "/admin/tokens/7", headers=admin)
    assert (response.status_code, response.json()["error"]) == (
        404,
        {"message": "there is no token 7"},
    )


@pytest.mark.parametrize(
    "number", ["0", "-1", "x", str(1 << 63), "9" * 5_000, "1_3", "%2013", "13.0", "+13", "٣"]
)
def test_what_is_no_id_revokes_nothing(client, admin, make, listed, number):
    make(*({"hostname": f"web-{n}"} for n in range(13)))
    response = client.request("DELETE", f"/admin/tokens/{number}", headers=admin)
    assert response.status_code == 422
    assert response.json()["error"]["parameter"] == "token"
    assert {token["state"] for token in listed()} == {"active"}


def test_many_at_once_are_all_made_or_none(make, listed):
    answer = make(*({"hostname": f"web-{n}"} for n in range(MAX_TOKENS)))
    assert answer["status"] == "ok"
    assert [one["hostname"] for one in answer["results"]] == [f"web-{n}" for n in range(1_000)]
    assert len({one["token"] for one in answer["results"]}) == MAX_TOKENS
    make(*({"hostname": f"db-{n}"} for n in range(MAX_TOKENS + 1)), status=413)
    assert len(listed()) == MAX_TOKENS


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({}, "hostname"),
        ({"hostname": ""}, "hostname"),
        ({"hostname": "x" * 256}, "hostname"),
        ({"hostname": 7}, "hostname"),
        ({"hostname": "web\0"}, "hostname"),
        ({"hostname": "web-1\n"}, "hostname"),
        ({"hostname": "\x1b[31mweb"}, "hostname"),
        ({"hostname": "web\x85"}, "hostname"),
        ({"hostname": "\ud800"}, "hostname"),
        ({"hostname": "web-1", "owner": "a\tb"}, "owner"),
        ({"hostname": "web-1", "owner": "\udfff"}, "owner"),
        ({"hostname": "web-1", "token_sha256": None, "\ud800": 1}, ""),
        ({"hostname": "web-1", "x" * 9_000: 1}, "x" * 64),
        ({"hostname": "web-1", "token_sha256": "abc"}, "token_sha256"),
        ({"hostname": "web-1", "token_sha256": SHA256 + "0"}, "token_sha256"),
        ({"hostname": "web-1", "overlap_seconds": -1}, "overlap_seconds"),
        ({"hostname": "web-1", "overlap_seconds": "7d"}, "overlap_seconds"),
        ({"hostname": "web-1", "overlap": 7}, "overlap"),
        ("web-1", ""),
    ],
)
def test_a_mistake_names_the_token_and_the_field(make, listed, bad, field):
    error = make({"hostname": "web-0"}, bad, status=422)["error"]
    assert (error["token"], error["field"]) == (1, field)
    assert listed() == []


METRICS = "metrics-key-of-the-tests-0123456789abcdef"
PREVIOUS = "previous-key-of-the-tests-0123456789abcde"


@pytest.fixture
def environment(environment):
    return {
        **environment,
        "WATCHTOWER_METRICS_KEY": METRICS,
        "ADMIN_API_KEY_PREVIOUS": PREVIOUS,
    }


@pytest.mark.parametrize("which", ["admin", "previous", "shared", "metrics", "nothing"])
def test_the_digest_of_another_secret_is_no_token(make, say, admin, agent, which):
    """An admin's key that is sent as a token goes to a host, and a shared one is no host's."""
    secrets = {
        "admin": admin["X-Admin-Api-Key"],
        "previous": PREVIOUS,
        "shared": agent["X-Login-Alert-Token"],
        "metrics": METRICS,
        "nothing": "",
    }
    digest = hashlib.sha256(secrets[which].encode()).hexdigest()
    error = make({"hostname": "web-0"}, {"hostname": "web-1", "token_sha256": digest}, status=422)
    assert (error["error"]["token"], error["error"]["field"]) == (1, "token_sha256")
    make(hostname="web-1", token_sha256=digest.upper(), status=422)
    if which != "shared":
        assert say(secrets[which]) == 401


@pytest.mark.parametrize("overlaps", [(0, 0), (None, 0), (0, None), (None, 3_600)])
def test_no_token_is_handed_out_that_another_of_the_same_request_ends(make, listed, overlaps):
    wanted = [{"hostname": "web-1", "overlap_seconds": overlap} for overlap in overlaps]
    error = make({"hostname": "web-0"}, *wanted, status=422)["error"]
    assert (error["token"], error["field"]) == (2, "hostname")
    assert "twice" in error["message"]
    assert listed() == [], "nothing was made"


def test_nor_one_that_a_token_ends_which_came_once_before(make, listed):
    known = {"hostname": "web-1", "token_sha256": SHA256}
    error = make({"hostname": "web-1"}, known, known | {"overlap_seconds": 0}, status=422)["error"]
    assert (error["token"], error["field"]) == (2, "hostname")
    assert listed() == [], "nothing was made"


def test_a_name_may_come_twice_where_neither_token_ends_the_other(make, say):
    answer = make({"hostname": "web-1"}, {"hostname": "web-1"})
    assert [say(one["token"]) for one in answer["results"]] == [201, 201]
    same = {"hostname": "web-2", "token_sha256": SHA256, "overlap_seconds": 0}
    ids = {one["id"] for one in make(same, same)["results"]}
    assert len(ids) == 1
    assert say(ELSEWHERE, "web-2") == 201


def test_a_token_that_was_rotated_away_is_good_again_when_it_is_registered(make, say, listed):
    make(hostname="web-1", token_sha256=SHA256)
    make(hostname="web-1", overlap_seconds=0)
    assert say(ELSEWHERE) == 401
    make(hostname="web-1", token_sha256=SHA256)
    assert say(ELSEWHERE) == 201
    assert [token["state"] for token in listed()] == ["active", "active"]


def test_a_body_that_is_not_json_is_refused(client, admin):
    response = client.request("POST", "/admin/tokens", headers=admin, content=b"{")
    assert response.status_code == 422


def test_the_list_can_be_narrowed(make, listed):
    make({"hostname": "web-1"}, {"hostname": "web-2"})
    make(hostname="web-1", overlap_seconds=60)
    assert [t["hostname"] for t in listed("?hostname=web-1")] == ["web-1", "web-1"]
    assert [t["id"] for t in listed("?hostname=web-1&state=expiring")] == [1]
    assert listed("?hostname=nowhere") == []
    assert len(listed("?hostname=web-*")) == 3
    assert [t["id"] for t in listed("?hostname=web-2&hostname=x*")] == [2]
    assert len(listed("?state=active&state=expiring")) == 3


@pytest.mark.parametrize("query", ["?state=gone", "?host=web-1"])
def test_a_mistake_in_the_query_is_named(client, admin, query):
    response = client.get(f"/admin/tokens{query}", headers=admin)
    assert response.status_code == 422
    assert response.json()["error"]["parameter"] == query[1:].partition("=")[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/admin/tokens"), ("POST", "/admin/tokens"), ("DELETE", "/admin/tokens/1")],
)
def test_agents_may_not(client, agent, method, path):
    response = client.request(method, path, headers=agent, json={"hostname": "web-1"})
    assert response.status_code == 401


def test_tokens_outlive_a_restart(run_app, environment, store, make_event, admin):
    with run_app(environment, store) as client:
        body = {"hostname": "web-1"}
        made = client.request("POST", "/admin/tokens", headers=admin, json=body).json()
        headers = {"X-Login-Alert-Token": made["token"]}
        client.request("POST", "/login", headers=headers, json=make_event())
    with run_app(environment, store) as client:
        (token,) = client.get("/admin/tokens", headers=admin).json()
        assert token["last_used_at"] is not None
        assert client.request("POST", "/login", headers=headers, json=make_event()).is_success


def test_a_token_that_is_revoked_while_a_body_is_on_its_way_is_refused(
    client, admin, make, make_event
):
    made = make(hostname="web-1")
    body = json.dumps(make_event()).encode()

    async def slowly():
        yield body[:5]
        path = f"/admin/tokens/{made['id']}"
        await client._http.request("DELETE", path, headers=admin)
        yield body[5:]

    headers = {"X-Login-Alert-Token": made["token"], "Content-Length": str(len(body))}
    response = client.request("POST", "/login", headers=headers, content=slowly())
    assert response.status_code == 401
    assert client.events() == []


def test_a_name_belongs_to_its_owner(client, admin, make, listed, say):
    """Root on web-1 called it db-1 before the next run of the playbook."""
    make(hostname="web-1", owner="inventory-web-1", token_sha256=SHA256)
    taken = make(hostname="db-1", owner="inventory-db-1")
    mine = {"hostname": "db-1", "owner": "inventory-web-1", "overlap_seconds": 0}
    for stolen in (mine, {**mine, "token_sha256": SHA256}):
        error = make({"hostname": "web-2"}, stolen, status=409)["error"]
        assert (error["token"], error["field"]) == (1, "hostname")
        assert "belongs to inventory-db-1" in error["message"]
    assert say(ELSEWHERE, "db-1") == 403
    assert say(taken["token"], "db-1") == 201, "its own is as good as before"
    assert [token["owner"] for token in listed()] == ["inventory-web-1", "inventory-db-1"]
    make(hostname="db-1", owner="inventory-db-1", overlap_seconds=60)
    for token in listed("?hostname=db-1"):
        client.request("DELETE", f"/admin/tokens/{token['id']}", headers=admin)
    assert make(hostname="db-1", owner="inventory-web-1")["created"], "the name is free again"


def test_a_rotation_gives_no_name_away(client, admin, make, listed):
    """A person rotates the token of an inventory's host, and does not say whose it is."""
    make(hostname="web-1", owner="inventory-web-1")
    make(hostname="web-1", overlap_seconds=0)
    assert [token["owner"] for token in listed()] == ["inventory-web-1"] * 2
    stolen = {"hostname": "web-1", "owner": "inventory-other"}
    answer = client.request("POST", "/admin/tokens", headers=admin, json=stolen)
    assert answer.status_code == 409
    assert make(hostname="web-1", owner="inventory-web-1")["created"]


def test_a_token_without_an_owner_keeps_no_name(make, listed):
    make(hostname="web-1", token_sha256=SHA256)
    make(hostname="web-1", owner="inventory-web-1")
    make(hostname="web-1", owner="inventory-web-1", token_sha256=SHA256)
    assert [token["owner"] for token in listed()] == ["inventory-web-1"] * 2

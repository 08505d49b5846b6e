"""``watchtowerctl token``: secrets go where they are needed and nowhere else."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

TOKEN = "T0ken" * 9
MADE = {"status": "ok", "id": 7, "hostname": "web-1", "token": TOKEN, "created": True}


def tokens(ctl, *options):
    out, _ = ctl("token", "list", "--json", *options)
    return {token["id"]: token for token in map(json.loads, out.splitlines())}


@pytest.mark.parametrize("command", ["create", "rotate"])
def test_the_token_is_alone_on_standard_output(asking, stand_in, command):
    stand_in.answer("GET /admin/tokens", [{"id": 6, "state": "active"}])
    stand_in.answer("POST /admin/tokens", MADE, 201)
    out, err = asking("token", command, "web-1")
    assert out == TOKEN + "\n"
    assert TOKEN not in err
    assert "Token 7 of web-1: its WATCHTOWER_AGENT_TOKEN" in err


def test_create_leaves_other_tokens_alone(asking, stand_in):
    stand_in.answer("POST /admin/tokens", MADE, 201)
    asking("token", "create", "web-1")
    assert stand_in.requests[0].body == {"hostname": "web-1"}


def test_rotate_says_which_tokens_end_and_when(ctl):
    for host in ("web-1", "web-1", "web-10"):
        ctl("token", "create", host)
    ctl("token", "revoke", "2")
    _, err = ctl("token", "rotate", "web-1", "--overlap", "7d")
    found = tokens(ctl)
    assert [token["state"] for token in found.values()] == [
        "expiring",
        "revoked",
        "active",
        "active",
    ]
    end = datetime.fromisoformat(found[1]["expires_at"]).astimezone(ZoneInfo("Asia/Kolkata"))
    shown = end.isoformat(" ", "seconds")
    assert err.splitlines()[1:] == [f"Token 1 ends at {shown}: give web-1 the new one before."]
    _, err = ctl("token", "rotate", "web-1", "--overlap", "0s")
    assert err.splitlines()[1:] == [
        "Token 1 has ended: web-1 keeps its events until it has the new one.",
        "Token 4 has ended: web-1 keeps its events until it has the new one.",
    ]
    days = timedelta(days=1)
    ctl("token", "rotate", "web-1")
    token = tokens(ctl)[5]
    left = datetime.fromisoformat(token["expires_at"]) - datetime.now(UTC)
    assert days - timedelta(hours=1) < left <= days


def test_a_host_without_a_token_is_given_none_by_rotate(ctl):
    ctl("token", "create", "web-1")
    ctl("token", "revoke", "1")
    for host in ("web-1", "web-9", "web-*"):
        out, err = ctl("token", "rotate", host, status=66)
        assert out == ""
        assert f"{host} has no token that is good" in err
    assert list(tokens(ctl)) == [1]


@pytest.mark.parametrize("state", ["activ", "actve"])
def test_a_state_there_is_not_is_named_with_the_nearest(ctl, state):
    _, err = ctl("token", "list", "--state", state, status=65)
    assert f"does not take --state {state}: did you mean active? Input should be" in err


def test_an_id_that_is_none_is_called_so(ctl):
    for command in (["token", "revoke"], ["event"]):
        _, err = ctl(*command, "9" * 30, status=65)
        assert "the collector does not take ID: " in err


def test_an_overlap_that_is_none_is_refused_before_a_token_is_made(asking, stand_in):
    _, err = asking("token", "rotate", "web-1", "--overlap", "soon", status=2)
    assert "--overlap: 'soon' is no length of time" in err
    _, err = asking("token", "rotate", "web-1", "--overlap", "53w", status=2)
    assert "--overlap: '53w' is longer than 366d" in err
    assert stand_in.requests == []


def test_a_name_the_collector_does_not_take_is_named(asking, stand_in):
    stand_in.refuse("POST /admin/tokens", 422, "too long", token=0, field="hostname")
    _, err = asking("token", "create", "web-1", status=65)
    assert "does not take HOST: too long" in err


@pytest.mark.parametrize("answer", [{"status": "ok"}, {"token": "a\x1b[2J"}, {"token": 7}])
def test_an_answer_without_a_token_is_no_success(asking, stand_in, answer):
    stand_in.answer("POST /admin/tokens", answer, 201)
    out, err = asking("token", "create", "web-1", status=76)
    assert out == ""
    assert "see watchtowerctl token list" in err


def test_tokens_are_listed(asking, stand_in):
    token = {
        "id": 7,
        "hostname": "web-1",
        "owner": "db.example.org",
        "created_at": "2026-03-14T09:26:53.000000Z",
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
        "state": "active",
    }
    stand_in.answer("GET /admin/tokens", [token])
    out, _ = asking("token", "list", "--host", "web-1", "--state", "active")
    assert out.splitlines()[1].split() == [
        "7",
        "web-1",
        "db.example.org",
        "active",
        "2026-03-14",
        "14:56:53+05:30",
    ]
    assert stand_in.requests[0].query == [("hostname", "web-1"), ("state", "active")]
    assert json.loads(asking("token", "list", "--json")[0]) == token


def test_a_token_is_revoked(asking, stand_in):
    stand_in.answer("DELETE /admin/tokens/7", {"status": "ok"})
    assert asking("token", "revoke", "7") == ("", "Token 7 is revoked.\n")


def test_a_token_that_is_not_there_is_named(asking, stand_in):
    stand_in.refuse("DELETE /admin/tokens/7", 404, "there is no token 7")
    _, err = asking("token", "revoke", "7", status=66)
    assert err == "watchtowerctl: there is no token 7\n"

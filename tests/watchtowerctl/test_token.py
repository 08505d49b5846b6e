"""``watchtowerctl token``: secrets go where they are needed and nowhere else."""

import json

import pytest

TOKEN = "T0ken" * 9
MADE = {"status": "ok", "id": 7, "hostname": "web-1", "token": TOKEN, "created": True}


@pytest.mark.parametrize("command", ["create", "rotate"])
def test_the_token_is_alone_on_standard_output(asking, stand_in, command):
    stand_in.answer("POST /admin/tokens", MADE, 201)
    out, err = asking("token", command, "web-1")
    assert out == TOKEN + "\n"
    assert TOKEN not in err
    assert "Token 7 of web-1: its WATCHTOWER_AGENT_TOKEN" in err


def test_create_leaves_other_tokens_alone(asking, stand_in):
    stand_in.answer("POST /admin/tokens", MADE, 201)
    asking("token", "create", "web-1")
    assert stand_in.requests[0].body == {"hostname": "web-1"}


def test_rotate_says_how_long_the_others_are_good(asking, stand_in):
    stand_in.answer("POST /admin/tokens", MADE, 201)
    _, err = asking("token", "rotate", "web-1", "--overlap", "7d")
    assert stand_in.requests[0].body == {"hostname": "web-1", "overlap_seconds": 604_800}
    assert "The other tokens of web-1 end in 7d" in err
    asking("token", "rotate", "web-1")
    assert stand_in.requests[1].body["overlap_seconds"] == 86_400


def test_an_overlap_that_is_none_is_refused_before_a_token_is_made(asking, stand_in):
    _, err = asking("token", "rotate", "web-1", "--overlap", "soon", status=2)
    assert "--overlap: 'soon' is no length of time" in err
    assert stand_in.requests == []


def test_an_overlap_the_collector_does_not_take_is_named(asking, stand_in):
    stand_in.refuse("POST /admin/tokens", 422, "too long", token=0, field="overlap_seconds")
    stand_in.refuse("POST /admin/tokens", 422, "too long", token=0, field="hostname")
    _, err = asking("token", "rotate", "web-1", "--overlap", "99w", status=65)
    assert "does not take --overlap: too long" in err
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

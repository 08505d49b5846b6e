"""Each host has a token of its own: what it is good for, and how it is replaced."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from fleet import INVENTORY, ask, curl, hosts, log_in, on, playbook, secret, stored_login, token_of
from troubles import switched_off

COLLECTOR = "collector"
AGENTS = hosts("watchtower_agents")
TOKENS = INVENTORY / ".watchtower/secrets/agent_tokens"


def tokens(**filters):
    return ask(COLLECTOR, "/admin/tokens", **filters)


def show(token, hostname):
    """Post one event in the name of a host; return the status and the answer."""
    event = {
        "type": "login",
        "timestamp": datetime.now(UTC).isoformat(),
        "hostname": hostname,
        "user": "an-invention",
    }
    header = f"X-Login-Alert-Token: {token}"
    status, answer = curl(COLLECTOR, "/login", "-d", json.dumps(event), header=header)
    return status, json.loads(answer)


def test_every_agent_has_one_token_and_uses_it():
    known = tokens()
    assert sorted(token["hostname"] for token in known) == sorted(AGENTS)
    assert {token["state"] for token in known} == {"active"}
    assert all(token["last_used_at"] for token in known)
    assert len({token_of(agent) for agent in AGENTS}) == len(AGENTS)


def test_a_hosts_token_speaks_for_no_other_host():
    status, answer = show(token_of("agent-12"), "agent-13")
    assert (status, answer["error"]["reason"]) == (403, "foreign_host")
    assert ask(COLLECTOR, "/events", user="an-invention") == []
    assert show(token_of("agent-12"), "agent-12")[0] == 201


def test_agents_report_under_the_name_their_token_is_for():
    for agent in AGENTS:
        settings = on(agent, "cat /opt/watchtower/agent/.env")
        assert f'WATCHTOWER_HOSTNAME="{agent}"' in settings


def test_rotating_one_hosts_token_loses_no_login():
    """As the documentation says, with logins before, during and after."""
    others = {agent: token_of(agent) for agent in AGENTS if agent != "agent-13"}
    before = token_of("agent-13")
    (TOKENS / "agent-13").unlink()
    logins = [log_in("agent-13")]
    with ThreadPoolExecutor(1) as runner:
        rollout = runner.submit(playbook, "site", "--limit", "agent-13")
        while not rollout.done():
            logins.append(log_in("agent-13"))
        result = rollout.result()
    assert result.returncode == 0, result.stdout + result.stderr
    logins.append(log_in("agent-13"))
    is_new = token_of("agent-13") != before
    assert is_new
    for login in logins:
        stored_login(COLLECTOR, "agent-13", login)
    old, new = tokens(hostname="agent-13")
    assert (old["state"], new["state"]) == ("expiring", "active")
    assert new["last_used_at"]
    # The others' tokens are as they were.
    untouched = others == {agent: token_of(agent) for agent in others}
    assert untouched
    assert sorted(token["hostname"] for token in tokens(state="active")) == sorted(AGENTS)


def test_an_old_token_can_be_ended_at_once():
    """What waits meanwhile is sent with the new one."""
    before = token_of(COLLECTOR)
    (TOKENS / COLLECTOR).unlink()
    login = log_in(COLLECTOR)
    at_once = ("-e", "watchtower_agent_token_overlap_days=0")
    result = playbook("agents", "--limit", COLLECTOR, *at_once)
    assert result.returncode == 0, result.stdout + result.stderr
    assert show(before, COLLECTOR)[0] == 401
    assert [token["state"] for token in tokens(hostname=COLLECTOR)] == ["expired", "active"]
    stored_login(COLLECTOR, COLLECTOR, login)
    stored_login(COLLECTOR, COLLECTOR, log_in(COLLECTOR))


def test_a_revoked_token_is_named_with_the_fix():
    (token,) = tokens(hostname="agent-12")
    key = f"X-Admin-Api-Key: {secret('admin_api_key')}"
    assert curl(COLLECTOR, f"/admin/tokens/{token['id']}", "-X", "DELETE", header=key)[0] == 200
    assert show(token_of("agent-12"), "agent-12")[0] == 401
    settings = on("agent-12", "cat /opt/watchtower/agent/.env")
    refused = playbook("agents", "--limit", "agent-12,agent-13")
    assert refused.returncode == 2, refused.stdout
    assert "The collector does not take the token of agent-12" in refused.stdout
    assert "was revoked" in refused.stdout
    assert f"remove {TOKENS}/agent-12" in " ".join(refused.stdout.split())
    assert "agent-13 : ok" in " ".join(refused.stdout.split())
    untouched = on("agent-12", "cat /opt/watchtower/agent/.env") == settings
    assert untouched
    login = log_in("agent-12")
    (TOKENS / "agent-12").unlink()
    mended = playbook("site", "--limit", "agent-12")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    stored_login(COLLECTOR, "agent-12", login)


def test_a_host_that_is_down_keeps_its_token():
    (TOKENS / "agent-11").rename(TOKENS.parent / "set-aside")
    with switched_off("agent-11"):
        assert playbook("agents", "--limit", "agent-11").returncode == 4
        (token,) = tokens(hostname="agent-11")
        assert token["state"] == "active"
    stored_login(COLLECTOR, "agent-11", log_in("agent-11"))
    (TOKENS.parent / "set-aside").rename(TOKENS / "agent-11")
    assert "changed=0" in playbook("agents", "--limit", "agent-11").stdout

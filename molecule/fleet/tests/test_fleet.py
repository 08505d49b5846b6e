"""A whole fleet: real SSH logins on every host, and what `/events` says of them."""

import json
import re
import secrets as random_secrets
import socket
import subprocess

import pytest
from fleet import (
    INVENTORY,
    STATE,
    address,
    as_root,
    ask,
    curl,
    hosts,
    log_in,
    on,
    playbook,
    secret,
    ssh,
    stored_login,
    wait_for,
)

testinfra_hosts = as_root("watchtower_collector")

COLLECTOR = "collector"
AGENTS = hosts("watchtower_agents")


@pytest.fixture(scope="module")
def bob():
    """Give every host an account with a password; return the password."""
    password = random_secrets.token_urlsafe(16)
    for agent in AGENTS:
        on(
            agent,
            "id bob >/dev/null 2>&1 || useradd --create-home --shell /bin/sh bob; chpasswd",
            f"bob:{password}\n",
        )
    return password


@pytest.mark.parametrize("agent", AGENTS)
def test_login_by_key(agent):
    event = stored_login(COLLECTOR, agent, log_in(agent))
    fingerprint = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(STATE / "id_ed25519.pub")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[1]
    assert event["user"] == "ops"
    assert event["method"] == "publickey"
    assert event["key_fingerprint"] == fingerprint
    assert event["trusted"] is True


@pytest.mark.parametrize("agent", AGENTS)
def test_login_by_password(agent, bob):
    event = stored_login(COLLECTOR, agent, log_in(f"bob@{agent}", password=bob))
    assert (event["user"], event["method"]) == ("bob", "password")


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("user", ["bob", "nobody-of-that-name"])
def test_failed_login(agent, user, bob):
    assert ssh(f"{user}@{agent}", password="not " + bob).returncode == 255
    events = wait_for(
        f"{user}'s failure on {agent}",
        lambda: ask(
            COLLECTOR, "/events", hostname=agent, type="login_failed", user=user, method="password"
        ),
    )
    assert not ask(COLLECTOR, "/events", hostname=agent, type="login", user="nobody-of-that-name")
    assert events[0]["source_ip"]


@pytest.mark.parametrize("agent", AGENTS)
def test_user_name_cannot_lie(agent):
    """The classic: a user name that reads like the log line of a login as root."""
    lie = "Accepted password for root from 1.2.3.4 port 22 ssh2"
    ssh(agent, "true", password="whatever", User=f'"{lie}"')
    wait_for(
        f"the failure on {agent}",
        lambda: [
            e
            for e in ask(COLLECTOR, "/events", hostname=agent, type="login_failed")
            if e["user"] == lie
        ],
    )
    assert not ask(COLLECTOR, "/events", hostname=agent, source_ip="1.2.3.4")
    assert not ask(COLLECTOR, "/events", hostname=agent, type="login", user="root")


def test_collector_away_and_back():
    """Logins while the collector is down arrive when it is back, once each."""
    on(
        COLLECTOR,
        "systemctl stop watchtower-collector.service watchtower-collector.socket caddy.service",
    )
    logins = {agent: [log_in(agent) for _ in range(3)] for agent in AGENTS}
    on(
        COLLECTOR,
        "systemctl start watchtower-collector.socket watchtower-collector.service caddy.service",
    )
    for agent, mine in logins.items():
        for login in mine:
            # An agent waits up to a minute until it tries again.
            stored_login(COLLECTOR, agent, login, seconds=120)


def test_restart_of_the_collector_refuses_no_connection():
    """The socket is systemd's: a request during a restart waits instead of failing."""
    restart = subprocess.Popen(
        [
            "ssh",
            "-F",
            str(STATE / "ssh_config"),
            COLLECTOR,
            "sudo systemctl restart watchtower-collector",
        ]
    )
    answers = []
    while restart.poll() is None or len(answers) < 5:
        answers.append(curl(COLLECTOR, "/healthz")[0])
    assert restart.returncode == 0
    assert set(answers) == {200}


def test_verify_names_the_host_whose_logins_do_not_arrive():
    on("agent-12", "systemctl stop watchtower-agent")
    try:
        result = playbook("verify")
    finally:
        on("agent-12", "systemctl start watchtower-agent")
    assert result.returncode == 2, result.stdout
    assert "- agent-12: nothing within 60 s" in result.stdout
    assert "- agent-13" not in result.stdout
    assert playbook("verify").returncode == 0


def test_labels_are_carried_and_asked_for():
    groups = {agent: "bastions" if agent == COLLECTOR else "servers" for agent in AGENTS}
    for agent, group in groups.items():
        event = stored_login(COLLECTOR, agent, log_in(agent))
        assert (event["region"], event["host_group"]) == ("test-region", group)
    for group in ("bastions", "servers"):
        found = ask(
            COLLECTOR,
            "/events",
            type="login",
            region="test-region",
            host_group=group,
            limit="1000",
        )
        assert {event["hostname"] for event in found} == {
            agent for agent in AGENTS if groups[agent] == group
        }
    assert ask(COLLECTOR, "/events", region="test-region", host_group="no-such-group") == []
    assert ask(COLLECTOR, "/events", region="no-such-region") == []


def page(path):
    """Return the events of one page, and the path of the next one as its `Link` header has it."""
    key = f"X-Admin-Api-Key: {secret('admin_api_key')}"
    status, answer = curl(COLLECTOR, path, "--include", header=key)
    assert status == 200, answer
    headers, _, body = answer.partition("\n\n")
    link = re.search('^link: <(.*)>; rel="next"$', headers, re.MULTILINE | re.IGNORECASE)
    return json.loads(body), link and link[1]


def test_pages_join_without_overlap():
    for _ in range(3):
        stored_login(COLLECTOR, "agent-12", log_in("agent-12"))
    # Nobody logs in to that host from here on, so its list stays as it is.
    filters = "hostname=agent-12&type=login"
    whole, after_whole = page(f"/events?{filters}&limit=1000")
    assert after_whole is None
    first, following = page(f"/events?{filters}&limit=2")
    assert following.startswith("/events?")
    second, _ = page(following)
    assert len(first) == 2
    assert second
    assert first + second == whole[: len(first + second)]


def test_nobody_outside_reaches_more_than_two_doors():
    """From another host of the fleet, with the admin key and everything."""
    on("agent-12", "cat >/run/admin.header", f"X-Admin-Api-Key: {secret('admin_api_key')}\n")
    try:
        for path, status in (
            ("/events", "404"),
            ("/healthz", "200"),
            ("/openapi.json", "404"),
        ):
            answer = on(
                "agent-12",
                f"curl -sS -o /dev/null -w '%{{http_code}}' -H @/run/admin.header "
                f"--cacert /opt/watchtower/agent/ca.crt https://{COLLECTOR}{path}",
            )
            assert answer == status, path
    finally:
        on("agent-12", "rm /run/admin.header")


def test_broken_caddyfile_does_not_replace_the_old_one():
    def state():
        return on(COLLECTOR, "sha256sum /etc/caddy/Caddyfile; systemctl show -p MainPID caddy")

    before = state()
    # Caddy's `email` takes one word.
    result = playbook("collector", "-e", '{"watchtower_caddy_acme_email": "two words"}')
    assert result.returncode != 0
    assert "failed to validate" in result.stdout, result.stdout
    assert state() == before
    assert curl(COLLECTOR, "/healthz")[0] == 200


def test_certificate_of_ones_own(tmp_path):
    """The whole way with `watchtower_caddy_tls: files`, and back to Caddy's own CA."""
    on(
        COLLECTOR,
        f"""
        install -d -o root -g caddy -m 0750 /etc/caddy/own; cd /etc/caddy/own
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
          -subj /CN=own-ca -keyout ca.key -out ca.crt
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={COLLECTOR} \
          -keyout site.key -out site.csr
        echo subjectAltName=DNS:{COLLECTOR} >site.ext
        openssl x509 -req -in site.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 \
          -extfile site.ext -out site.crt
        rm ca.key; chgrp caddy site.key; chmod 0640 site.key
        """,
    )
    (tmp_path / "own-ca.crt").write_text(on(COLLECTOR, "cat /etc/caddy/own/ca.crt"))
    own = {
        "watchtower_caddy_tls": "files",
        "watchtower_caddy_tls_certificate_file": "/etc/caddy/own/site.crt",
        "watchtower_caddy_tls_key_file": "/etc/caddy/own/site.key",
        "watchtower_agent_ca_file": str(tmp_path / "own-ca.crt"),
    }
    result = playbook("site", "-e", json.dumps(own))
    assert result.returncode == 0, result.stdout
    assert f"Your login to each of {len(AGENTS)} hosts is in /events." in result.stdout
    served = on(
        "agent-12",
        f"openssl s_client -connect {COLLECTOR}:443 -servername {COLLECTOR} </dev/null 2>&1",
    )
    assert "CN = own-ca" in served
    back = playbook("site")
    assert back.returncode == 0, back.stdout


def test_secrets_are_printed_at_no_verbosity():
    """Everything that holds a secret is written anew, with --diff and all the words there are."""
    for agent in AGENTS:
        on(agent, "rm /opt/watchtower/agent/.env")
    on(COLLECTOR, "rm /opt/watchtower/collector/.env")
    result = playbook("site", "--diff", "-vvvvv")
    said = result.stdout + result.stderr
    assert result.returncode == 0, said[-3000:]
    assert said.count("changed: [") > len(AGENTS)
    known = ["admin_api_key", *(f"agent_tokens/{agent}" for agent in AGENTS)]
    leaked = [name for name in known if secret(name) in said]
    assert not leaked
    # And what was removed is back, and runs.
    assert playbook("site").stdout.count("changed=0") == len(AGENTS) + 1


def test_secrets_on_the_controller_are_closed():
    state = INVENTORY / ".watchtower"
    kept = list((state / "secrets").rglob("*"))
    assert len([path for path in kept if path.is_file()]) == len(AGENTS) + 1
    for path in (state, state / "secrets", *kept):
        mode = "0o700" if path.is_dir() else "0o600"
        assert oct(path.stat().st_mode & 0o777) == mode, path


def test_the_operator_reaches_events_through_a_tunnel():
    """As the documentation says: port 443 of the collector, forwarded by SSH to loopback."""
    with socket.create_server(("localhost", 0)) as free:
        local = free.getsockname()[1]
    way = ["-o", "ExitOnForwardFailure=yes", "-N", "-L", f"{local}:localhost:443"]
    tunnel = subprocess.Popen(["ssh", "-F", str(STATE / "ssh_config"), *way, COLLECTOR])
    settings = f'header = "X-Admin-Api-Key: {secret("admin_api_key")}"\n'
    command = ["curl", "-sS", "-K", "-", "--cacert", str(INVENTORY / ".watchtower/ca.crt")]
    command += ["--connect-to", f"{COLLECTOR}:443:localhost:{local}"]

    def attempt():
        answer = subprocess.run(
            [*command, f"https://{COLLECTOR}/events?limit=1"],
            input=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        return answer.stdout if answer.returncode == 0 else None

    try:
        assert wait_for("an answer through the tunnel", attempt).startswith("[{")
    finally:
        tunnel.terminate()
        tunnel.wait()
    assert address(COLLECTOR)

"""The collector's host after the roles: what is there, and what must not be."""

import json

import pytest
from fleet import CA_ROOT, INVENTORY, as_root, ask, curl, on, secret, wait_for

testinfra_hosts = as_root("watchtower_collector")

SERVICE = "watchtower-collector.service"
SOCKET = "watchtower-collector.socket"


def exposure(host, unit):
    """Return systemd's verdict on a unit's sandbox, 0 (best) to 10."""
    output = host.check_output("systemd-analyze security --no-pager %s", unit)
    return float(output.splitlines()[-1].split(":")[1].split()[0])


def name_of(host):
    """Return the host's name, which is also its site's."""
    return host.check_output("hostname")


def admin_header(name):
    """Return the header that shows one of the inventory's admin keys."""
    return f"X-Admin-Api-Key: {secret(name)}"


def test_units_run_and_will_after_a_reboot(host):
    for unit in (SERVICE, SOCKET, "caddy.service"):
        assert host.service(unit).is_running, unit
        assert host.service(unit).is_enabled, unit
    assert host.check_output("systemctl is-system-running") == "running"


def test_account_can_do_nothing_else(host):
    user = host.user("watchtower-collector")
    assert user.shell == "/usr/sbin/nologin"
    assert user.groups == ["watchtower-collector"]
    assert host.check_output("passwd --status watchtower-collector").split()[1] in {
        "L",
        "NP",
        "LK",
    }
    assert not host.file(user.home).exists


@pytest.mark.parametrize(
    ("path", "owner", "mode"),
    [
        ("/opt/watchtower/collector/.env", "root", 0o600),
        ("/opt/watchtower/collector/releases", "root", 0o755),
        ("/var/lib/watchtower", "watchtower-collector", 0o700),
        ("/var/lib/watchtower/watchtower.db", "watchtower-collector", 0o600),
        ("/etc/caddy/Caddyfile", "root", 0o644),
        ("/var/lib/caddy", "caddy", 0o700),
    ],
)
def test_files_are_closed(host, path, owner, mode):
    file = host.file(path)
    assert file.exists
    assert (file.user, oct(file.mode)) == (owner, oct(mode))


def test_program_cannot_be_changed_by_the_service(host):
    release = host.file("/opt/watchtower/collector/current").linked_to
    assert release.startswith("/opt/watchtower/collector/releases/")
    assert host.check_output(f"find {release} ! -user root") == ""
    assert host.check_output(f"find {release} ! -type l -perm /022") == ""


def test_only_ssh_and_https_listen_to_the_network(host):
    # The files of /proc, so that nothing hides behind a tool's idea of a socket.
    listening = set(host.socket.get_listening_sockets())
    public = {s for s in listening if s.startswith(("tcp", "udp")) and "127.0.0." not in s}
    ports = {int(s.rsplit(":", 1)[1]) for s in public}
    assert ports == {22, 443}, listening
    assert "tcp://127.0.0.1:8000" in listening
    assert not any(s.endswith((":80", ":2019")) for s in listening), listening


def test_collector_has_no_network_of_its_own(host):
    pid = host.check_output("systemctl show --property=MainPID --value %s", SERVICE)
    # A network namespace with a loopback device and nothing else.
    interfaces = host.check_output(f"nsenter --target {pid} --net ip -brief link").splitlines()
    assert [line.split()[0] for line in interfaces] == ["lo"]


def test_sandbox(host):
    assert exposure(host, SERVICE) <= 0.3
    assert exposure(host, "caddy.service") <= 1.5


def test_caddy_admin_is_closed_to_others(host):
    socket = host.file("/run/caddy")
    assert (socket.user, oct(socket.mode)) == ("caddy", "0o700")
    denied = host.run(
        "setpriv --reuid=nobody --clear-groups curl --unix-socket /run/caddy/admin.sock http://c/config/"
    )
    assert denied.rc != 0


def test_reload_by_hand_works(host):
    for _ in range(2):
        host.check_output("systemctl reload caddy")
    assert curl(name_of(host), "/healthz") == (200, '{"status":"ok"}')


def test_certificate_carries_the_name_and_its_own_ca(host):
    name = name_of(host)
    fetched = (INVENTORY / ".watchtower" / f"{name}.crt").read_text()
    assert fetched == host.file(CA_ROOT).content_string
    assert curl(name, "/healthz")[0] == 200
    # Without that CA nothing is accepted: it is not in the host's store.
    refused = host.run(f"curl -sS --resolve {name}:443:127.0.0.1 https://{name}/healthz")
    assert refused.rc == 60, refused
    # And nobody answers in clear.
    assert host.run("curl -sS --max-time 5 http://127.0.0.1/healthz").rc == 7


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("/login",), 405),
        (("/healthz", "-X", "POST"), 405),
        (("/login", "-d", "{}"), 401),
        (("/events",), 401),
    ],
)
def test_doors(host, arguments, status):
    assert curl(name_of(host), *arguments)[0] == status


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("/healthz",), 200), (("/login", "-d", "{}"), 401), (("/events",), 401)],
)
def test_a_wish_to_upgrade_goes_no_further_than_caddy(host, arguments, status):
    """The collector would answer 400."""
    wish = ["--http1.1", "-H", "Connection: Upgrade", "-H", "Upgrade: foo"]
    assert curl(name_of(host), *arguments, *wish)[0] == status


@pytest.mark.parametrize("path", ["events", "openapi.json", "metrics", "docs", "nothing"])
def test_admin_paths_do_not_exist_from_outside(host, path):
    """The host's public address is not in an admin network, even for the host itself."""
    name = name_of(host)
    outside = host.check_output("hostname --all-ip-addresses").split()[0]
    status = host.check_output(
        f"curl -sS -o /dev/null -w '%{{http_code}}' --resolve {name}:443:{outside} "
        f"--cacert {CA_ROOT} https://{name}/{path}"
    )
    assert status == "404"


def test_key_opens_events(host):
    assert isinstance(ask(name_of(host), "/events"), list)


def test_metrics_say_what_a_sandbox_could_hide(host):
    status, text = curl(name_of(host), "/metrics", header=admin_header("admin_api_key"))
    assert status == 200
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    values = {name: float(value) for name, _, value in lines}
    assert values["watchtower_up"] == 1
    for name in ("resident_memory", "disk_free", "disk_size", "database_used"):
        assert values[f"watchtower_{name}_bytes"] > 10_000, name
    assert values["watchtower_open_files"] > 10


def test_wrong_settings_end_in_silence_not_in_a_loop(host):
    """A waiting connection starts the service again and again; only so often, though."""
    name = name_of(host)
    on(name, "cp -p /opt/watchtower/collector/.env /run/env; systemctl stop watchtower-collector")
    try:
        on(name, "echo ADMIN_API_KEY=short >/opt/watchtower/collector/.env")
        host.run("curl --silent --max-time 60 http://127.0.0.1:8000/healthz")
        wait_for("the socket's end", lambda: host.run(f"systemctl is-failed {SOCKET}").rc == 0)
        said = host.check_output(f"journalctl --unit={SERVICE} --since=-2min --output=cat")
        assert 1 <= said.count("ADMIN_API_KEY must") <= 10
    finally:
        on(
            name,
            "mv /run/env /opt/watchtower/collector/.env; systemctl start watchtower-collector",
        )
    assert curl(name, "/healthz")[0] == 200


@pytest.fixture
def token(host):
    """A token for web-1."""
    status, made = curl(
        name_of(host),
        "/admin/tokens",
        "-d",
        '{"hostname": "web-1"}',
        header=admin_header("admin_api_key"),
    )
    assert status == 201
    return json.loads(made)["token"]


def test_body_over_the_limit_is_refused(host, token):
    name = name_of(host)
    on(name, "head --bytes 9M /dev/zero >/run/large")
    header = f"X-Login-Alert-Token: {token}"
    assert curl(name, "/login", "--data-binary", "@/run/large", header=header)[0] == 413


def test_who_is_refused_is_named_by_the_address_that_came_to_caddy(host):
    """Else all of the fleet would be slowed down for one that guesses."""
    name = name_of(host)
    outside = host.check_output("hostname --all-ip-addresses").split()[0]

    def is_named():
        status = host.check_output(
            f"curl -sS -o /dev/null -w '%{{http_code}}' --resolve {name}:443:{outside} "
            f"--cacert {CA_ROOT} -H 'X-Login-Alert-Token: guessed' -d '{{}}' https://{name}/login"
        )
        assert status in {"401", "429"}
        # One line in ten seconds.
        said = host.check_output(f"journalctl --unit={SERVICE} --since=-1min --output=cat")
        return f"refused {outside} with a wrong or no X-Login-Alert-Token" in said

    wait_for("a line about the guesser", is_named)


def test_shared_token_and_previous_key_are_good_where_they_are_set(host):
    name = name_of(host)
    expected = (201, 200) if name == "collector-13" else (401, 401)
    token = f"X-Login-Alert-Token: {secret('agent_token')}"
    taken, _ = curl(name, "/login", "-d", "[]", header=token)
    assert (taken, curl(name, "/events", header=admin_header("previous"))[0]) == expected


def test_no_secret_in_units_journal_or_process_list(host, token):
    header = f"X-Login-Alert-Token: {token}"
    for body in ("[]", '{"hostname": "another"}', "{"):
        curl(name_of(host), "/login", "-d", body, header=header)
    seen = host.check_output(
        "journalctl --no-pager --output=cat; ps -eo args; systemctl cat caddy watchtower-collector"
    )
    # The words that would stand beside a secret are there, so the search looks in the right place.
    assert "watchtower_collector" in seen
    known = ("agent_token", "admin_api_key", "previous")
    leaked = [name for name in known if secret(name) in seen]
    assert not leaked
    assert token not in seen

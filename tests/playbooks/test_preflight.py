"""What preflight.yml says to an operator whose inventory has mistakes."""

import re

import pytest

SHORT, ODD, SHARED, OTHER, TWICE = (
    "short-and-secret",
    "odd characters, 32 or more: ÄÖÜß!?$%",
    "shared-secret-" * 4,
    "other-secret-" * 4,
    "a-secret-given-twice-" * 4,
)
URL_PASSWORD = "password-in-a-url"

# As many mistakes as fit into one inventory; no host is reachable, and none may be tried.
WRONG = f"""\
    all:
      children:
        watchtower_collector:
          hosts:
            collector-1:
              ansible_host: 192.0.2.1
              watchtower_caddy_site_address: https://collector-with-a-long-name.example.org
              watchtower_collector_admin_api_key: {SHARED}
              watchtower_collector_agent_token: {SHARED}
              watchtower_collector_admin_api_key_previous: {OTHER}
              watchtower_caddy_tls: files
            collector-2:
              ansible_host: 192.0.2.2
              watchtower_caddy_site_address: collector-with-a-long-name.example.org:8443
              watchtower_caddy_admin_networks: [192.0.2.0/24, 192.0.2.1/24, office]
              watchtower_colector_port: 8001
            collector-3:
              ansible_host: 192.0.2.3
              watchtower_caddy_site_address: 192.0.2.3
        watchtower_agents:
          hosts:
            agent-1: {{ansible_host: 192.0.2.11, watchtower_agent_token: {SHORT}}}
            agent-2: {{ansible_host: 192.0.2.12, watchtower_agent_token: "{ODD}"}}
            agent-3: {{ansible_host: 192.0.2.13, watchtower_agent_token: }}
            agent-4: {{ansible_host: 192.0.2.14, watchtower_agent_token: "{{{{ vault_token }}}}"}}
            agent-5: {{ansible_host: 192.0.2.15, watchtower_agent_regoin: eu}}
            agent-6: {{ansible_host: 192.0.2.16, watchtower_agent_region: 'eu"\\nX=1'}}
            agent-7: {{ansible_host: 192.0.2.17, watchtower_agent_collector_url: "http://collector"}}
            agent-8: {{ansible_host: 192.0.2.18, watchtower_agent_collector_url: "https://collector/login"}}
            agent-9: {{ansible_host: 192.0.2.19, watchtower_agent_collector_url: "https://c:port"}}
            agent-11: {{ansible_host: 192.0.2.21, watchtower_agent_token: {SHARED}}}
            agent-12: {{ansible_host: 192.0.2.22, watchtower_agent_token: {OTHER}}}
            agent-13: {{ansible_host: 192.0.2.23, watchtower_agent_token: {TWICE}}}
            agent-14: {{ansible_host: 192.0.2.24, watchtower_agent_token: {TWICE}}}
            agent-10:
              ansible_host: 192.0.2.20
              watchtower_agent_collector_url: https://me:{URL_PASSWORD}@collector
            twin-1: {{ansible_host: 192.0.2.30, watchtower_agent_token_overlap_days: 367}}
            twin-2: {{ansible_host: 192.0.2.30}}
            behind-1: {{ansible_host: 10.0.0.5, ansible_ssh_common_args: -J jump-1}}
            behind-2: {{ansible_host: 10.0.0.5, ansible_ssh_common_args: -J jump-2}}
          vars:
            watchtower_agent_hostgroup: web
    """

# Host, variable and fix, as they must stand together in one line of the message.
LINES = [
    ("3 collectors", "collector-1, collector-2, collector-3", "takes one host"),
    ("collector-3", "watchtower_caddy_site_address is '192.0.2.3'", "not an address"),
    ("twin-1 and twin-2", "192.0.2.30", "correct ansible_host"),
    ("agent-1", "watchtower_agent_token has 16 characters", "openssl rand -hex 32"),
    ("agent-2", "watchtower_agent_token has characters other than", "openssl rand -hex 32"),
    ("agent-3", "watchtower_agent_token has 0 characters", "openssl rand -hex 32"),
    ("agent-4", "watchtower_agent_token cannot be filled in", "vault_token"),
    ("agent-5", "watchtower_agent_regoin", "did you mean watchtower_agent_region?"),
    ("agent-1 and 17 more", "watchtower_agent_hostgroup", "mean watchtower_agent_host_group?"),
    ("twin-1", "watchtower_agent_token_overlap_days is '367'", "from 0 to 366"),
    ("agent-6", "watchtower_agent_region", "up to 64 letters, digits"),
    ("agent-7", "watchtower_agent_collector_url", "must begin with https://"),
    ("agent-8", "watchtower_agent_collector_url", "without a path"),
    ("agent-9", "watchtower_agent_collector_url", "https://NAME"),
    ("agent-10", "watchtower_agent_collector_url carries a user name", "https://NAME"),
    ("collector-1", "watchtower_caddy_site_address", "without https://"),
    (
        "collector-1",
        "watchtower_collector_agent_token and watchtower_collector_admin_api_key are the same",
        "Make two",
    ),
    (
        "agent-11",
        "watchtower_agent_token is the collector's watchtower_collector_admin_api_key;",
        "Make two",
    ),
    (
        "agent-12",
        "watchtower_agent_token is the collector's watchtower_collector_admin_api_key_previous;",
        "Make two",
    ),
    ("agent-13 and 1 more", "the same watchtower_agent_token", "Remove the variable"),
    ("collector-1", "watchtower_caddy_tls_certificate_file is not set", "set it to a path"),
    ("collector-1", "watchtower_caddy_tls_key_file is not set", "set it to a path"),
    ("collector-2", "watchtower_caddy_site_address", "without a port"),
    ("collector-2", "watchtower_caddy_admin_networks", "192.0.2.1/24 has host bits", "is written"),
    ("collector-2", "watchtower_caddy_admin_networks", "'office'", "a network is written"),
    ("collector-2", "watchtower_colector_port", "did you mean watchtower_collector_port?"),
    ("agent-1 and 13 more", "watchtower_agent_ca_file is not set", 'Set it to ""'),
]


def told(run):
    """Return the lines of the message, one mistake each."""
    message = run.output.split("FAILED! =>")[1]
    return [line.strip() for line in message.splitlines() if line.strip().startswith("- ")]


@pytest.fixture(scope="module")
def wrong(run_playbook, write_inventory):
    """Run the inventory with all the mistakes, at the highest verbosity that shows variables."""
    folder = write_inventory(WRONG)
    run = run_playbook("preflight", folder, "-vvv")
    run.folder = folder
    return run


def test_inventory_with_mistakes_ends_the_run(wrong):
    assert wrong.status != 0
    assert f"The inventory {wrong.folder} needs attention" in wrong.output


@pytest.mark.parametrize("parts", LINES, ids=lambda parts: f"{parts[0]}: {parts[1]}")
def test_mistake_is_named_with_its_fix(wrong, parts):
    found = [line for line in told(wrong) if all(part in line for part in parts)]
    assert len(found) == 1, told(wrong)


def test_nothing_but_the_mistakes_is_named(wrong):
    assert len(told(wrong)) == len(LINES)


def test_no_secret_is_printed(wrong):
    for secret in (SHORT, ODD, SHARED, OTHER, TWICE, URL_PASSWORD):
        assert secret not in wrong.output


def test_no_host_is_touched_and_nothing_is_made(wrong):
    assert wrong.calls == []
    assert [path.name for path in wrong.folder.iterdir()] == ["hosts.yml"]


@pytest.mark.parametrize("playbook", ["site", "agents"])
def test_every_playbook_looks_first(run_playbook, write_inventory, playbook):
    folder = write_inventory("all: {hosts: {stray: {ansible_host: 192.0.2.1}}}\n")
    run = run_playbook(playbook, folder)
    assert run.status != 0
    assert [line.split(":")[0] for line in told(run)] == ["- no collector", "- no agents"]
    assert "put one host into the group watchtower_collector" in run.output
    assert "put the hosts to be watched into the group watchtower_agents" in run.output
    assert run.calls == []


def test_agents_of_a_collector_elsewhere_need_none_here(run_playbook, write_inventory):
    folder = write_inventory(
        """\
        all:
          children:
            watchtower_agents:
              vars:
                watchtower_agent_collector_url: https://collector.example.org:8443
                watchtower_agent_token: 0123456789abcdef0123456789abcdef
              hosts:
                agent-1: {ansible_host: 192.0.2.11}
        """
    )
    run = run_playbook("preflight", folder)
    assert "needs attention" not in run.output
    assert len(run.calls) == 1, run.output


def test_several_inventories_would_have_several_secrets(run_playbook, write_inventory, tmp_path):
    one = write_inventory("all: {children: {watchtower_collector: {hosts: {collector: }}}}\n")
    other = tmp_path / "other"
    other.mkdir()
    hosts = "all: {children: {watchtower_agents: {hosts: {agent-1: , agent-2: }}}}\n"
    (other / "hosts.yml").write_text(hosts)
    run = run_playbook("preflight", one, "-i", str(other))
    assert run.status != 0
    (line,) = told(run)
    assert f"agent-1 and 1 more in {other}; collector in {one}" in line
    assert "Put the hosts into one folder" in line
    assert run.calls == []


SHARING = """\
    all:
      children:
        watchtower_collector:
          hosts:
            collector: {{ansible_host: 192.0.2.1}}
          vars:
            watchtower_collector_agent_token: "{shared}"
            watchtower_collector_admin_api_key_previous: ""
        watchtower_agents:
          vars: {{watchtower_agent_token: {token}}}
          hosts:
            agent-1: {{ansible_host: 192.0.2.11}}
            agent-2: {{ansible_host: 192.0.2.12}}
            agent-3: {{ansible_host: 192.0.2.13, watchtower_agent_token: {own}}}
    """


def test_agents_may_share_a_token_that_the_collector_has_as_such(run_playbook, write_inventory):
    folder = write_inventory(SHARING.format(shared=SHARED, token=SHARED, own=OTHER))
    run = run_playbook("preflight", folder)
    assert "needs attention" not in run.output
    assert len(run.calls) == 4, run.output


def test_a_token_that_agents_share_by_mistake_is_named(run_playbook, write_inventory):
    folder = write_inventory(SHARING.format(shared="", token=SHARED, own=OTHER))
    run = run_playbook("preflight", folder)
    (line,) = told(run)
    assert "agent-1 and 1 more: they have the same watchtower_agent_token" in line
    assert SHARED not in run.output
    assert run.calls == []


@pytest.mark.parametrize("name", ["hosts", "more"])
def test_key_that_stands_twice_is_named(run_playbook, write_inventory, name):
    twice = """\
        all:
          children:
            watchtower_agents:
              hosts:
                agent-1: {ansible_host: 192.0.2.11}
                agent-1: {ansible_host: 192.0.2.12}
        """
    sound = "all: {children: {watchtower_collector: {hosts: {collector: }}}}\n"
    folder = write_inventory(**{"hosts": sound, name: twice})
    run = run_playbook("preflight", folder)
    assert run.status != 0
    assert "duplicate mapping key 'agent-1'" in run.output
    assert re.search(rf"Origin: {folder}/{name}.yml:6", run.output)
    assert run.calls == []

"""Whose tokens the role makes known to which collector, told from an inventory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHARED = "shared-token-" * 4
OWN = "a-token-of-ones-own-" * 2
# The role's own tasks on this very machine, which stands for the collector's host, too.
PLAYBOOK = """\
- name: Make tokens known
  hosts: watchtower_agents
  gather_facts: false
  vars:
    __watchtower_host: {hostname: "{{ inventory_hostname | replace('/', '-') }}.own"}
  tasks:
    - name: Include the role's part
      ansible.builtin.include_role: {name: watchtower_agent, tasks_from: register}
"""


@pytest.fixture
def roll_out(repository, tmp_path, port, admin_key):
    """Run that on an inventory of these agents, each with its variables; return what it said."""

    def run(agents, *arguments, collector=f"watchtower_collector_agent_token: {SHARED}"):
        hosts = "".join(f"        '{name}': {{{own}}}\n" for name, own in agents.items())
        (tmp_path / "hosts.yml").write_text(
            "all:\n"
            "  vars:\n    ansible_connection: local\n"
            f"    ansible_python_interpreter: {sys.executable}\n"
            "  children:\n"
            "    watchtower_collector:\n"
            f"      hosts: {{collector: {{watchtower_collector_port: {port}, {collector}}}}}\n"
            f"    watchtower_agents:\n      hosts:\n{hosts}"
        )
        key = tmp_path / ".watchtower/secrets/admin_api_key"
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_text(f"{admin_key}\n")
        (tmp_path / "play.yml").write_text(PLAYBOOK)
        program = Path(sys.executable).parent / "ansible-playbook"
        ended = subprocess.run(
            [program, "-i", tmp_path / "hosts.yml", tmp_path / "play.yml", *arguments],
            env=os.environ
            | {
                "ANSIBLE_CONFIG": str(repository / "ansible.cfg"),
                "ANSIBLE_ROLES_PATH": str(repository / "roles"),
                "ANSIBLE_FORCE_COLOR": "0",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run


def names(ask):
    return [token["hostname"] for token in ask("GET", "/admin/tokens")]


def test_every_agent_of_this_collector_gets_its_own_token_known(roll_out, ask, tmp_path):
    agents = {
        "web-1": "",
        "rack/web-2": "",
        "web-3": f"watchtower_agent_token: {OWN}",
        "web-4": "watchtower_agent_collector_url: 'https://collector:8443'",
    }
    said = roll_out(agents, "--diff", "-vvvvv")
    assert names(ask) == ["web-1.own", "rack-web-2.own", "web-3.own", "web-4.own"]
    secrets = tmp_path / ".watchtower/secrets/agent_tokens"
    made = sorted(file.name for file in secrets.iterdir())
    assert made == ["rack%2Fweb-2", "web-1", "web-4"]
    leaked = [file.name for file in secrets.iterdir() if file.read_text().strip() in said]
    assert not leaked
    assert OWN not in said
    assert said.count("changed=1") == 1  # one request for all
    again = roll_out(agents)
    assert again.count("changed=0") == len(agents)


def test_no_collector_hears_of_tokens_that_are_not_for_it(roll_out, ask, tmp_path):
    roll_out(
        {
            "web-1": "watchtower_agent_collector_url: 'https://another.example.org'",
            "web-2": f"watchtower_agent_token: {SHARED}",
        }
    )
    assert names(ask) == []


def test_a_dry_run_sends_nothing(roll_out, ask):
    roll_out({"web-1": ""}, "--check", "--diff")
    assert names(ask) == []


def test_the_site_address_tells_whose_agent_it_is(roll_out, ask):
    site = "watchtower_caddy_site_address: Watch.example.org"
    url = "watchtower_agent_collector_url: 'https://watch.example.org'"
    roll_out({"web-1": "", "web-2": url}, collector=site)
    assert names(ask) == ["web-1.own", "web-2.own"]

"""The inventories that come with the repository are sound, and say what they seem to say."""

import json
import secrets as random_secrets
import shutil

import pytest


@pytest.fixture(scope="module", params=["example", "demo"])
def inventory(request, repository, tmp_path_factory):
    """Copy an inventory, as it is in version control, as the operator's first step would."""
    folder = tmp_path_factory.mktemp("fleet") / "mine"
    made_here = shutil.ignore_patterns(".watchtower", "machine.yml")
    shutil.copytree(repository / "inventory" / request.param, folder, ignore=made_here)
    return folder


@pytest.fixture(scope="module")
def variables(ansible):
    """Return the variables of each host of an inventory, as Ansible resolves them."""

    def resolve(inventory):
        output = ansible("ansible-inventory", "-i", str(inventory), "--list")
        return json.loads(output)["_meta"]["hostvars"]

    return resolve


def test_sound(inventory, run_playbook, variables):
    run = run_playbook("preflight", inventory)
    # It goes on to the hosts, each of them, and none answers.
    assert "needs attention" not in run.output
    assert run.status == 4, run.output
    hosts = variables(inventory)
    assert len(run.calls) == len(hosts)
    assert run.output.count("UNREACHABLE!") == len(hosts)


def test_labels_of_the_example_reach_its_hosts(repository, variables):
    hosts = variables(repository / "inventory/example")
    labels = {
        name.split(".")[0]: (
            host["watchtower_agent_region"],
            host["watchtower_agent_host_group"],
            host.get("watchtower_agent_flagged", False),
        )
        for name, host in hosts.items()
    }
    assert labels == {
        "web-1": ("eu-central", "web", False),
        "web-2": ("eu-central", "web", False),
        "db-1": ("eu-north", "databases", False),
        "bastion": ("eu-central", "bastions", True),
        "collector": ("eu-central", "bastions", True),
    }


def test_example_of_a_vault_is_not_read(repository, variables):
    hosts = variables(repository / "inventory/example")
    assert not [name for host in hosts.values() for name in host if name.endswith("_token")]


def test_vault_of_the_example_is_sound_once_it_is_filled_in(repository, run_playbook, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(repository / "inventory/example", folder)
    example = folder / "group_vars/all/vault.yml.example"
    vault = folder / "group_vars/all/vault.yml"
    text = example.read_text()
    while '""' in text:
        text = text.replace('""', random_secrets.token_hex(32), 1)
    vault.write_text(text)
    run = run_playbook("preflight", folder)
    assert "needs attention" not in run.output
    assert run.calls
    vault.write_text(example.read_text())
    run = run_playbook("preflight", folder)
    assert run.output.count("openssl rand -hex 32") >= 3
    assert run.calls == []

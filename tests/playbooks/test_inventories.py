"""The inventories that come with the repository are sound, and say what they seem to say."""

import json
import shutil
import subprocess

import pytest


@pytest.fixture(scope="module", params=["example", "demo"])
def inventory(request, repository, tmp_path_factory):
    """Copy an inventory, as it is in version control, as the operator's first step would."""
    folder = tmp_path_factory.mktemp("fleet") / "mine"
    made_here = shutil.ignore_patterns(".watchtower", "machine.yml")
    shutil.copytree(repository / "inventory" / request.param, folder, ignore=made_here)
    return folder


def variables(inventory):
    """Return the variables of each host, as Ansible resolves them."""
    output = subprocess.run(
        ["ansible-inventory", "-i", inventory, "--list"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return json.loads(output)["_meta"]["hostvars"]


def test_sound(inventory, run_playbook):
    run = run_playbook("preflight", inventory)
    # It goes on to the hosts, each of them, and none answers.
    assert "needs attention" not in run.output
    assert run.status == 4, run.output
    hosts = variables(inventory)
    assert len(run.calls) == len(hosts)
    assert run.output.count("UNREACHABLE!") == len(hosts)


def test_labels_of_the_example_reach_its_hosts(repository):
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


def test_example_of_a_vault_is_not_read(repository):
    hosts = variables(repository / "inventory/example")
    assert not [name for host in hosts.values() for name in host if name.endswith("_token")]

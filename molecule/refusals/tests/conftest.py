"""What the refusals share: a whole rollout and its figures, and what a host looks like."""

import re
import shlex

import pytest
import yaml
from fleet import INVENTORY, SSH_CONFIG, on, playbook

RECAP = re.compile(
    r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE
)


class Run:
    """What a playbook came to: its exit status, its words, and its figures for each host."""

    def __init__(self, result):
        self.status = result.returncode
        self.output = result.stdout + result.stderr
        # Long lines are broken somewhere; a sentence is to be found all the same.
        self.words = " ".join(self.output.split())
        self.changed, self.unreachable, self.failed = (
            {row[0]: int(row[figure]) for row in RECAP.findall(self.output)}
            for figure in (1, 2, 3)
        )

    def sum(self):
        """Return how many tasks changed something, were unreachable and failed, in all."""
        figures = (self.changed, self.unreachable, self.failed)
        return tuple(sum(figure.values()) for figure in figures)


@pytest.fixture(scope="session")
def site():
    """Run site.yml on the scenario's inventory or on another."""

    def run(*arguments, inventory=INVENTORY):
        return Run(playbook("site", *arguments, inventory=inventory))

    return run


@pytest.fixture
def write_inventory(tmp_path):
    """Write an inventory of its own for some of the scenario's hosts."""

    def write(collector, agents):
        groups = {
            "watchtower_collector": {"hosts": {collector: None}},
            "watchtower_agents": {"hosts": dict.fromkeys(agents)},
        }
        variables = {"ansible_ssh_common_args": f"-F {shlex.quote(str(SSH_CONFIG))}"}
        (tmp_path / "hosts.yml").write_text(
            yaml.safe_dump({"all": {"vars": variables, "children": groups}})
        )
        return tmp_path

    return write


@pytest.fixture
def footprint():
    """Return everything of a host that an installation would change, to be compared."""

    def look(*hosts):
        return {
            host: on(
                host,
                "dpkg-query --show; getent passwd; getent group; "
                "find /etc /opt /usr -xdev -printf '%p %m %u %s %T@ %l\\n' | sort",
            )
            for host in hosts
        }

    return look

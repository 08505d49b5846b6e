"""An agent that is killed, and that systemd starts again."""

from fleet import as_root, ssh, wait_for
from spooled import main_process, name_of, spooled

# One is enough: systemd waits for half a minute each time, and molecule/chaos kills on all.
testinfra_hosts = as_root("watchtower_agents")[:1]


def test_kill_loses_and_repeats_nothing(host):
    """`kill -9` with logins before it, while the agent is dead, and after."""
    name = name_of(host)
    killed = main_process(host)

    def login():
        return int(ssh(name, 'echo "$SSH_CONNECTION"').stdout.split()[1])

    ports = [login()]
    host.check_output("kill -9 %s", killed)
    ports.append(login())
    wait_for("the agent's restart", lambda: main_process(host) not in {"0", killed})
    ports.append(login())

    def arrived():
        return [e["source_port"] for e in spooled(host, type="login", user="ops")]

    wait_for("the logins", lambda: set(ports) <= set(arrived()))
    assert [arrived().count(port) for port in ports] == [1, 1, 1]

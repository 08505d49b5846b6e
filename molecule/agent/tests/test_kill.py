"""An agent that is killed, and that systemd starts again."""

from fleet import as_root, log_in, wait_for
from spooled import main_process, name_of, spooled

# One is enough: systemd waits for half a minute each time, and molecule/chaos kills on all.
testinfra_hosts = as_root("watchtower_agents")[:1]


def test_kill_loses_and_repeats_nothing(host):
    """`kill -9` with logins before it, while the agent is dead, and after."""
    name = name_of(host)
    killed = main_process(host)

    logins = [log_in(name)]
    host.check_output("kill -9 %s", killed)
    logins.append(log_in(name))
    wait_for("the agent's restart", lambda: main_process(host) not in {"0", killed})
    logins.append(log_in(name))

    def arrived():
        events = spooled(host, type="login", user="ops")
        return [len(login.among(events)) for login in logins]

    wait_for("the logins", lambda: all(arrived()))
    assert arrived() == [1, 1, 1]

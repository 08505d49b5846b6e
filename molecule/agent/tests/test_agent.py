"""An agent whose collector cannot be reached: what is there, what it keeps, what must not be."""

import itertools

import pytest
from fleet import as_root, hosts, ssh, token_of, wait_for
from spooled import main_process, name_of, spooled

testinfra_hosts = as_root("watchtower_agents")

SERVICE = "watchtower-agent.service"


def test_unit_runs_and_will_after_a_reboot(host):
    assert host.service(SERVICE).is_running
    assert host.service(SERVICE).is_enabled
    assert host.check_output("systemctl is-system-running") == "running"
    restarts = host.check_output("systemctl show --property=NRestarts --value %s", SERVICE)
    assert restarts == "0"


def test_account_may_read_the_journal_and_nothing_else(host):
    user = host.user("watchtower-agent")
    assert user.shell == "/usr/sbin/nologin"
    assert set(user.groups) == {"watchtower-agent", "systemd-journal"}
    assert not host.file(user.home).exists
    status = host.check_output(f"cat /proc/{main_process(host)}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(user.uid)] * 4
    assert fields["NoNewPrivs"] == "1"
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}


@pytest.mark.parametrize(
    ("path", "owner", "mode"),
    [
        ("/opt/watchtower/agent/.env", "root", 0o600),
        ("/opt/watchtower/agent/ca.crt", "root", 0o644),
        ("/opt/watchtower/agent/releases", "root", 0o755),
        ("/etc/systemd/system/watchtower-agent.service", "root", 0o644),
        ("/run/watchtower-agent", "watchtower-agent", 0o700),
        ("/var/lib/watchtower-agent", "watchtower-agent", 0o700),
        ("/var/lib/watchtower-agent/spool.db", "watchtower-agent", 0o600),
    ],
)
def test_files_are_closed(host, path, owner, mode):
    file = host.file(path)
    assert file.exists
    assert (file.user, oct(file.mode)) == (owner, oct(mode))


def test_program_cannot_be_changed_by_the_service(host):
    release = host.check_output("readlink --canonicalize /opt/watchtower/agent/current")
    assert release.startswith("/opt/watchtower/agent/releases/")
    assert host.check_output(f"find {release} ! -user root") == ""
    assert host.check_output(f"find {release} ! -type l -perm /022") == ""


def test_program_has_its_well_known_name(host):
    version = host.check_output("/opt/watchtower/agent/watchtower_agent.py --version")
    assert version == host.check_output("cat /opt/watchtower/agent/current/VERSION")


def test_nothing_was_built_or_fetched_by_pip(host):
    """The host's own Python and its packages, no others."""
    assert not host.file("/opt/watchtower/agent/current/venv").exists
    assert host.package("python3-requests").is_installed
    assert not host.package("gcc").is_installed
    assert not host.package("python3-pip").is_installed


def test_program_is_compiled_for_the_hosts_python(host):
    """Else the service, which may not write there, would do so at each start."""
    program = (
        "from importlib.util import cache_from_source; "
        "print(cache_from_source('/opt/watchtower/agent/current/watchtower_agent/run.py'))"
    )
    compiled = host.file(host.check_output("python3 -c %s", program))
    assert compiled.is_file
    assert (compiled.user, compiled.mode) == ("root", 0o644)


def test_agent_listens_on_nothing(host):
    listening = {s for s in host.socket.get_listening_sockets() if not s.startswith("unix")}
    assert {int(s.rsplit(":", 1)[1]) for s in listening} == {22}


def test_sandbox(host):
    output = host.check_output("systemd-analyze security --no-pager %s", SERVICE)
    exposure = float(output.splitlines()[-1].split(":")[1].split()[0])
    assert exposure <= 1.5


def test_key_login_waits_in_the_spool(host):
    name = name_of(host)
    before = len(spooled(host, type="login", user="ops", method="publickey"))
    assert ssh(name).returncode == 0
    wait_for(
        f"ops's login in the spool of {name}",
        lambda: len(spooled(host, type="login", user="ops", method="publickey")) > before,
    )
    event = spooled(host, type="login", user="ops", method="publickey")[-1]
    assert event["hostname"] == name
    assert event["region"] == "eu-north"
    assert event["host_group"] == "bastions"
    assert event["key_type"] == "ED25519"
    assert event["key_fingerprint"].startswith("SHA256:")
    assert event["trusted"] is True
    assert len(event["event_id"]) == 32
    assert event["raw_message"].startswith("Accepted publickey for ops from ")


def test_failed_login_waits_in_the_spool(host):
    name = name_of(host)
    assert ssh(f"root@{name}", password="not the password").returncode == 255
    wait_for(
        f"root's failure in the spool of {name}",
        lambda: spooled(host, type="login_failed", user="root", method="password"),
    )


def test_agent_says_once_that_it_cannot_reach_the_collector(host):
    pid = main_process(host)

    def seconds_up():
        return int(host.check_output("ps -o etimes= -p %s", pid))

    # It waits 1, 2, 4 and 8 seconds at most between its first attempts: that makes several.
    wait_for("the agent's first attempts", lambda: seconds_up() > 25)
    said = host.check_output("journalctl _PID=%s --output=cat --no-pager", pid).splitlines()
    assert not [line for line in said if "Warning:" in line], "Python's, about its packages"
    assert any("https://collector.invalid" in line for line in said)
    complaints = [line for line in said if "The collector cannot be reached" in line]
    # Another reason is worth another line, and so is the first one when it comes back.
    assert complaints
    assert all(line != following for line, following in itertools.pairwise(complaints))


def test_no_secret_in_unit_journal_or_process_list(host):
    seen = host.check_output(
        "journalctl --no-pager --output=cat; ps -eo args; systemctl cat watchtower-agent"
    )
    assert "watchtower_agent.py" in seen
    leaked = token_of(name_of(host)) in seen
    assert not leaked


def test_token_is_not_in_the_journal_reader(host):
    """journalctl, the agent's child, has no business with the token."""
    children = f"pgrep --parent {main_process(host)} --exact journalctl"
    # One that has ended by the time it is looked at has none any more.
    look = f"for child in $({children}); do tr '\\0' '\\n' </proc/$child/environ; done 2>/dev/null"

    def environment():
        seen = host.run(look).stdout
        return seen if "PATH=" in seen else ""

    assert "WATCHTOWER_AGENT_TOKEN" not in wait_for("a journalctl of the agent's", environment)


def test_every_release_of_debian_is_here():
    assert set(hosts("watchtower_agents")) == {"agent-11", "agent-12", "agent-13"}

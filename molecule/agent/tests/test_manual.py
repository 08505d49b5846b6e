"""What the person on the host types, beside an agent whose collector cannot be reached."""

import json

from fleet import as_root

testinfra_hosts = as_root("watchtower_agents")


def test_status_tells_what_is_wrong_and_changes_nothing(host):
    """As root, beside the running agent, whose collector does not exist."""
    listing = "find /var/lib/watchtower-agent -printf '%p %u:%g %m\n' | sort"
    before = host.check_output(listing)
    status = host.run("watchtower-agent status")
    assert status.rc == 5
    assert "Service       runs since" in status.stdout
    last = status.stdout.splitlines()[-1]
    assert last.startswith("WRONG: nothing reaches the collector, since ")
    assert last.endswith(" Type: sudo watchtower-agent check")
    told = json.loads(host.run("watchtower-agent status --json").stdout)
    assert (told["exit_status"], told["service"], told["acknowledged_at"]) == (5, "active", None)
    assert host.check_output(listing) == before


def test_check_names_the_step_that_fails(host):
    check = host.run("watchtower-agent check")
    assert check.rc == 7
    (failed,) = [line for line in check.stdout.splitlines() if line.startswith("FAIL")]
    assert "the name collector.invalid is not found" in failed
    assert "ok    journal: the agent's user can read it" in check.stdout


def test_others_than_root_are_told_what_to_type(host):
    for command in ("status", "check"):
        refused = host.run(f"runuser -u nobody -- /usr/local/bin/watchtower-agent {command}")
        assert (refused.rc, refused.stdout) == (77, "")
        assert f"sudo watchtower-agent {command}" in refused.stderr


def test_what_does_not_mend_itself_is_left_stopped(host):
    """A spool of a later version: exit status 70."""
    spool = "/var/lib/watchtower-agent/spool.db"
    version = "import sqlite3; s = sqlite3.connect('%s'); s.execute('PRAGMA user_version = %d')"
    host.check_output("systemctl stop watchtower-agent")
    try:
        host.check_output("runuser -u watchtower-agent -- python3 -c %s", version % (spool, 9))
        assert host.run("systemctl start watchtower-agent").rc != 0
        assert host.check_output("systemctl show -p SubState --value watchtower-agent") == "failed"
        status = host.run("watchtower-agent status")
        assert "exit status 70: the spool was written by a later version" in status.stdout
    finally:
        host.check_output("runuser -u watchtower-agent -- python3 -c %s", version % (spool, 1))
        host.check_output("systemctl restart watchtower-agent")

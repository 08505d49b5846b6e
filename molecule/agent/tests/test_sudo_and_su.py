"""Real sudo and su, called by real users, and a flood that makes journald drop messages."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from fleet import as_root, log_in, on, wait_for
from spooled import name_of, spooled

testinfra_hosts = as_root("watchtower_agents")

TERMINAL = Path(__file__).with_name("terminal.py")
PASSWORD = secrets.token_hex(8)
PEOPLE = """
for user in anna frank; do
  id $user >/dev/null 2>&1 || useradd --create-home --shell /bin/sh $user
done
echo 'anna ALL=(ALL:ALL) ALL' >/etc/sudoers.d/anna
chmod 440 /etc/sudoers.d/anna
IFS= read -r password
printf '%s\\n' "anna:$password" "frank:$password" "root:$password" | chpasswd
"""


@pytest.fixture(scope="module")
def people(host):
    """Anna may use sudo, Frank may not."""
    on(name_of(host), PEOPLE, stdin=PASSWORD + "\n")
    on(name_of(host), "cat >/root/terminal.py", stdin=TERMINAL.read_text())
    uids = host.check_output("id -u anna; id -u frank").split()
    return dict(zip(("anna", "frank"), map(int, uids), strict=True))


KINDS = ("sudo", "sudo_failed", "su", "su_failed")
ATTEMPTS = 6


def call(host, people, user, passwords, command):
    """Let a user run a command on a terminal; return the events of theirs that are new.

    Theirs by uid: su writes the name of who logged in first, which is Ansible's here. On a busy
    machine journald looks too late at a program that ends at once, and cannot say whose it was;
    then the line is kept as untrusted, and we call again.
    """
    for _ in range(ATTEMPTS):
        known = {event["event_id"] for event in spooled(host)}
        # Through a file, because a command line is for everybody to see.
        on(
            name_of(host),
            f"IFS= read -r answers; python3 /root/terminal.py {user} $answers {command}",
            stdin=",".join(passwords) + "\n",
        )

        def new(known=known):
            events = [e for e in spooled(host) if e["event_id"] not in known]
            trusted = [e for e in events if e["type"] in KINDS and e["uid"] == people[user]]
            return trusted or [e for e in events if e["type"] == "untrusted"]

        events = wait_for(f"the event of {command}", new)
        if events[0]["trusted"]:
            return events
        # What comes after all that was said is read after it: nothing of it is taken for new.
        login = log_in(name_of(host))
        wait_for("the login after it", lambda made=login: made.among(spooled(host, type="login")))
    pytest.fail(f"{command}: untrusted {ATTEMPTS} times: {events}")


def test_a_command_through_sudo(host, people):
    (event,) = call(host, people, "anna", [PASSWORD], "sudo -k /usr/bin/id -u")
    assert event["type"] == "sudo"
    assert event["trusted"] is True
    assert event["uid"] == people["anna"]
    assert event["target_user"] == "root"
    assert event["command"] == "/usr/bin/id -u"
    assert event["directory"] == "/home/anna"
    assert event["tty"].startswith("pts/")


def test_a_wrong_password_for_sudo(host, people):
    (event,) = call(host, people, "anna", ["x", "y", "z"], "sudo -k id")
    assert (event["type"], event["reason"]) == ("sudo_failed", "wrong_password")
    assert event["uid"] == people["anna"]


def test_somebody_who_may_not_use_sudo(host, people):
    (event,) = call(host, people, "frank", [PASSWORD], "sudo -k id")
    assert (event["type"], event["reason"]) == ("sudo_failed", "not_in_sudoers")
    assert event["uid"] == people["frank"]


def test_su_to_root(host, people):
    (event,) = call(host, people, "anna", [PASSWORD], "su -c id root")
    assert event["type"] == "su"
    assert (event["target_user"], event["uid"]) == ("root", people["anna"])
    assert event["trusted"] is True


def test_su_that_fails(host, people):
    (event,) = call(host, people, "frank", ["wrong"], "su -c id root")
    assert event["type"] == "su_failed"
    assert (event["target_user"], event["uid"]) == ("root", people["frank"])


FLOOD = """
cat >/run/systemd/system/ssh@flood.service <<'UNIT'
[Service]
Type=oneshot
LogRateLimitIntervalSec=2s
LogRateLimitBurst=10
ExecStart=/bin/sh -c '(seq 300; sleep 3; echo after; sleep 1) | logger -t flood'
UNIT
systemctl daemon-reload
systemctl start ssh@flood.service
"""


def test_messages_that_journald_dropped(host):
    on(name_of(host), FLOOD)
    (event,) = wait_for(
        "journald's word", lambda: spooled(host, type="journal_gap", reason="suppressed")
    )
    assert event["unit"] == "ssh@flood.service"
    assert event["lost_messages"] > 100
    assert event["trusted"] is True

"""An ordinary user of the host tries to fake a login, in every way that forge.py knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fleet import as_root, log_in, on, ssh, wait_for
from spooled import name_of, spooled

testinfra_hosts = as_root("watchtower_agents")

FORGE = Path(__file__).with_name("forge.py")


@pytest.fixture(scope="module")
def forged(host):
    """Let mallory try; return the ways that were possible, each with the line that it forged."""
    name = name_of(host)
    on(
        name,
        "id mallory >/dev/null 2>&1 || useradd --create-home --shell /bin/bash mallory;"
        "loginctl enable-linger mallory;"
        "cat >/home/mallory/forge.py; chmod 644 /home/mallory/forge.py",
        stdin=FORGE.read_text(),
    )
    wait_for(
        "mallory's own systemd",
        lambda: host.run("test -S /run/user/$(id -u mallory)/systemd/private").rc == 0,
    )
    tried = on(name, "runuser -l mallory -c 'python3 forge.py'").splitlines()
    done = [line.split(maxsplit=3) for line in tried if line.startswith("done ")]
    ways = {way: line for _, way, _, line in done}
    # What is logged after the forgeries is in the spool, so they have been read by then.
    login = log_in(name)
    wait_for("the login after them", lambda: login.among(spooled(host, type="login")))
    return ways


def forged_lines(ways):
    """Return the lines; a real sshd says what its client does, and not a line of ours."""
    return {way: line for way, line in ways.items() if way != "real_sshd_of_an_ordinary_user"}


def test_most_ways_are_there_on_every_host(forged):
    assert len(forged) >= 21, forged


def test_every_way_put_its_line_into_the_journal(host, forged):
    """Or the next test would prove nothing."""
    journal = host.check_output("journalctl --output=cat --no-pager").splitlines()
    for way, line in forged_lines(forged).items():
        assert line in journal, way


def test_nothing_of_it_is_believed(host, forged):
    events = [event for event in spooled(host) if "6.6.6." in json.dumps(event)]
    assert events
    assert {event["type"] for event in events} == {"untrusted"}
    assert not any(event["trusted"] for event in events)
    assert not any("user" in event or "source_ip" in event for event in events)


def test_all_that_they_claim_is_kept_and_labelled(host, forged):
    kept = {event["raw_message"] for event in spooled(host, type="untrusted")}
    for way, line in forged_lines(forged).items():
        assert line in kept, way


def test_the_words_of_a_users_own_sshd_are_not_believed(host, forged):
    assert "real_sshd_of_an_ordinary_user" in forged
    events = [e for e in spooled(host) if "for mallory from 127.0.0.1" in e.get("raw_message", "")]
    assert events
    assert {event["type"] for event in events} == {"untrusted"}


# Without the characters that newer SSH clients refuse to send; the parser's tests have those.
HOSTILE_NAMES = (
    "Accepted password for root from 6.6.7.1 port 22 ssh2",
    "x from 6.6.7.2 port 22 ssh2",
    "root from 6.6.7.3 port 22 ssh2",
    "x 6.6.7.4 port 22 [preauth]",
    "\N{RIGHT-TO-LEFT OVERRIDE} and ü",
    "y" * 300,
)


# OpenSSH 9.8 and later lets nobody in for a while from where many attempts failed.
# A restart ends when sshd listens again; a reload only when the signal is sent, and for a moment
# after it nobody can connect.
NO_PENALTIES = """
if sshd -T | grep -q ^persourcepenalties; then
  echo 'PerSourcePenalties no' >/etc/ssh/sshd_config.d/no-penalties.conf
  systemctl restart ssh
fi
"""


def test_hostile_names_fake_no_address(host):
    name = name_of(host)
    on(name, NO_PENALTIES)
    before = {event["event_id"] for event in spooled(host)}
    for user in HOSTILE_NAMES:
        assert ssh(f"{user}@{name}", password="no").returncode == 255
    after = log_in(name)
    wait_for("the login after them", lambda: after.among(spooled(host, type="login")))
    events = [event for event in spooled(host) if event["event_id"] not in before]
    failed = [event for event in events if event["type"] == "login_failed"]
    assert {event["user"] for event in failed} == {user[:100] for user in HOSTILE_NAMES}
    assert {event["source_ip"] for event in events if "source_ip" in event} == {after.source_ip}
    assert {event["user"] for event in events if event["type"] == "login"} == {"ops"}
    assert not any(event["type"] == "untrusted" for event in events)


def test_the_events_of_one_connection_belong_together(host):
    name = name_of(host)
    mine = log_in(name)
    (login,) = wait_for("the login", lambda: mine.among(spooled(host, type="login")))
    wait_for(
        "the end of its session",
        lambda: spooled(host, type="session_closed", session_id=login["session_id"]),
    )
    together = spooled(host, session_id=login["session_id"])
    assert [event["type"] for event in together] == ["login", "session_opened", "session_closed"]
    assert {event["user"] for event in together} == {"ops"}
    assert [event["timestamp"] for event in together] == sorted(e["timestamp"] for e in together)

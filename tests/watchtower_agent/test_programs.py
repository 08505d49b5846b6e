import json

import pytest

from watchtower_agent.entry import JournalEntry
from watchtower_agent.journal import Journal
from watchtower_agent.journald import MESSAGE_ID
from watchtower_agent.parse import Parser
from watchtower_agent.programs import known_programs

TIME = {"__REALTIME_TIMESTAMP": "1763899200000000"}
SUDO = "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id"
SU = "(to root) alice on pts/0"
PAM = (
    "pam_unix({0}:auth): authentication failure; logname= uid=1001 euid=0 tty=pts/0 ruser=alice",
    "pam_unix({0}:session): session opened for user root(uid=0) by (uid=1001)",
    "pam_unix({0}:session): session closed for user root",
)


def setuid_fields(name, message, **changes):
    fields = {
        "MESSAGE": message,
        "PRIORITY": "5",
        "SYSLOG_IDENTIFIER": name,
        "_CAP_EFFECTIVE": "1fffeffffff",
        "_COMM": name,
        "_EXE": f"/usr/bin/{name}",
        "_HOSTNAME": "web-1",
        "_MACHINE_ID": "0" * 32,
        "_PID": "4242",
        "_TRANSPORT": "syslog",
        "_UID": "1001",
    }
    return {k: v for k, v in {**fields, **changes}.items() if v is not None}


def parsed(fields, **settings):
    event = Parser(**settings).parse(JournalEntry({**fields, **TIME}))
    return None if event is None else json.loads(event.to_json())


def test_a_command_through_sudo_with_all_that_is_known_of_it():
    event = parsed(setuid_fields("sudo", SUDO))
    assert len(event.pop("event_id")) == len(event.pop("session_id")) == 32
    assert event == {
        "type": "sudo",
        "timestamp": "2025-11-23T12:00:00.000000Z",
        "hostname": "web-1",
        "user": "alice",
        "uid": 1001,
        "target_user": "root",
        "command": "/usr/bin/id",
        "directory": "/home/alice",
        "tty": "pts/0",
        "raw_message": SUDO,
        "trusted": True,
    }


def test_the_pieces_of_a_long_command_share_their_session():
    first = parsed(setuid_fields("sudo", SUDO))
    rest = parsed(setuid_fields("sudo", "   alice : (command continued) x"))
    assert first["session_id"] == rest["session_id"]
    assert (rest["type"], rest["ambiguous"]) == ("sudo", True)


def test_a_refusal_is_told_by_its_priority_too():
    event = parsed(setuid_fields("sudo", SUDO, PRIORITY="1"))
    assert (event["type"], event["ambiguous"]) == ("sudo_failed", True)
    assert "command" not in event


def test_a_change_of_user_through_su():
    event = parsed(setuid_fields("su", SU))
    assert (event["type"], event["user"], event["uid"]) == ("su", "alice", 1001)
    assert (event["target_user"], event["tty"]) == ("root", "pts/0")


@pytest.mark.parametrize("name", ["sshd", "sshd-session", "sudo", "cron"])
def test_su_under_another_name_is_su(name):
    # bash -c 'exec -a sshd su', up to util-linux 2.38.
    assert parsed(setuid_fields("su", SU, SYSLOG_IDENTIFIER=name))["type"] == "su"
    assert parsed(setuid_fields("su", SU, SYSLOG_IDENTIFIER=name, _COMM="x"))["type"] == "su"


@pytest.mark.parametrize("line", PAM)
@pytest.mark.parametrize("name", ["sudo", "su"])
def test_what_pam_says_within_them_counts_nothing_twice(name, line):
    assert parsed(setuid_fields(name, line.format(name))) is None
    assert parsed(setuid_fields(name, line.format(name), _GID="0")) is None


@pytest.mark.parametrize(("name", "line"), [("sudo", SUDO), ("su", SU)])
def test_a_forged_line_is_kept_without_its_claims(name, line):
    event = parsed(setuid_fields(name, line, _EXE="/usr/bin/logger", _CAP_EFFECTIVE="0"))
    del event["event_id"], event["timestamp"]
    assert event == {
        "type": "untrusted",
        "hostname": "web-1",
        "raw_message": line,
        "trusted": False,
    }


def test_an_ordinary_user_who_is_said_to_be_root_is_not_believed():
    line = SUDO.replace("   alice", "    root")
    assert parsed(setuid_fields("sudo", line))["type"] == "untrusted"
    assert parsed(setuid_fields("sudo", line, _UID="0"))["user"] == "root"


def dropped(unit, transport="driver"):
    return {
        "MESSAGE": f"Suppressed 2345 messages from {unit}",
        "MESSAGE_ID": MESSAGE_ID,
        "SYSLOG_IDENTIFIER": "systemd-journald",
        "_HOSTNAME": "web-1",
        "_PID": "30",
        "_TRANSPORT": transport,
        "_UID": "0",
    }


def test_what_journald_dropped_is_a_gap():
    event = parsed(dropped("ssh.service"))
    del event["event_id"], event["timestamp"]
    assert event == {
        "type": "journal_gap",
        "hostname": "web-1",
        "reason": "suppressed",
        "lost_messages": 2345,
        "unit": "ssh.service",
        "raw_message": "Suppressed 2345 messages from ssh.service",
        "trusted": True,
    }
    assert parsed(dropped("nginx.service")) is None
    assert parsed(dropped("ssh.service", transport="journal"))["type"] == "untrusted"


def test_the_unit_of_sshd_that_is_set_is_the_one_whose_gaps_count():
    programs = known_programs(("bastion.service",))
    assert parsed(dropped("bastion.service"), programs=programs)["type"] == "journal_gap"
    assert parsed(dropped("ssh.service"), programs=programs) is None


def test_the_journal_is_asked_for_all_that_they_write(journal_directory, stop):
    renamed = setuid_fields("su", SU, SYSLOG_IDENTIFIER="x", _COMM="x")
    quiet = setuid_fields("cron", "nothing")
    journal_directory.write(
        setuid_fields("sudo", SUDO, PRIORITY="1"), quiet, renamed, dropped("ssh.service")
    )
    events = map(Parser().parse, Journal(stop, journal_directory.source).since(0))
    assert [event.type for event in events] == ["sudo_failed", "su", "journal_gap"]

import pytest

from watchtower_agent.entry import JournalEntry
from watchtower_agent.trust import SshdTrust, claims_sshd

GENUINE = {
    "OpenSSH 8.4 to 9.7": {},
    "9.8 and later": {
        "_EXE": "/usr/lib/openssh/sshd-session",
        "SYSLOG_IDENTIFIER": "sshd-session",
    },
    "socket-activated": {"_SYSTEMD_UNIT": "ssh@3-10.0.0.1:22-10.0.0.2:5000.service"},
    "moved to the session by pam_systemd": {"_SYSTEMD_UNIT": "session-12.scope"},
    "replaced by an upgrade while it runs": {"_EXE": "/usr/sbin/sshd (deleted)"},
    "gone before journald looked at its program": {"_EXE": None},
    "gone before journald looked at its program and name": {"_EXE": None, "_COMM": None},
    "gone before journald looked at its unit": {"_SYSTEMD_UNIT": None},
}
FORGED = {
    "logger -t sshd": {"_UID": "1000", "_EXE": "/usr/bin/logger", "_COMM": "logger"},
    "logger, gone already": {"_UID": "1000", "_EXE": None, "_COMM": None, "_SYSTEMD_UNIT": None},
    "systemd-cat -t sshd": {"_UID": "1000", "_TRANSPORT": "stdout", "_EXE": "/usr/bin/cat"},
    "a program renamed sshd": {"_UID": "1000", "_EXE": "/home/eve/sshd"},
    "sshd itself, started by a user": {"_UID": "1000", "_SYSTEMD_UNIT": "session-3.scope"},
    "logger --journald": {"_UID": "1000", "_TRANSPORT": "journal"},
    "a container's log, handed on by a daemon of root's": {
        "_TRANSPORT": "journal", "_EXE": "/usr/bin/dockerd", "_SYSTEMD_UNIT": "docker.service",
    },
    "root in a container with the host's /dev/log": {"_SYSTEMD_UNIT": "docker-ab12.scope"},
    "root, another program": {"_EXE": "/usr/bin/logger"},
    "root, another program, gone already": {"_EXE": None, "_COMM": "logger"},
    "root's session, gone already": {"_EXE": None, "_SYSTEMD_UNIT": "session-3.scope"},
    "root, nothing known": {"_EXE": None, "_COMM": None, "_SYSTEMD_UNIT": None},
    "sshd -e, where a user name can begin a line": {"_TRANSPORT": "stdout"},
    "no uid": {"_UID": None},
    "a sshd elsewhere": {"_EXE": "/opt/sshd/sshd"},
}  # fmt: skip


@pytest.mark.parametrize("changes", GENUINE.values(), ids=GENUINE)
def test_what_sshd_wrote_is_believed(changes, sshd_fields):
    assert SshdTrust().is_genuine(JournalEntry(sshd_fields("x", **changes)))


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_what_others_wrote_is_not(changes, sshd_fields):
    entry = JournalEntry(sshd_fields("x", **changes))
    assert claims_sshd(entry)
    assert not SshdTrust().is_genuine(entry)


def test_repeated_trusted_fields_are_not_believed(sshd_fields):
    assert not SshdTrust().is_genuine(JournalEntry(sshd_fields("x", _UID=["0", "1000"])))


def test_units_can_be_named(sshd_fields):
    entry = JournalEntry(sshd_fields("x", _SYSTEMD_UNIT="sshd-bastion.service"))
    assert not SshdTrust().is_genuine(entry)
    assert SshdTrust(units=("sshd-bastion.service",)).is_genuine(entry)


def test_a_claim_may_be_one_of_several_identifiers(sshd_fields):
    fields = sshd_fields("x", _COMM="logger", SYSLOG_IDENTIFIER=["cron", "sshd"])
    assert claims_sshd(JournalEntry(fields))
    assert not claims_sshd(JournalEntry(sshd_fields("x", _COMM="a", SYSLOG_IDENTIFIER="b")))

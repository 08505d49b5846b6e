import pytest

from watchtower_agent.entry import JournalEntry
from watchtower_agent.sudo import Sudo

LINE = "   alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/true"
# As journald wrote it on Debian 11 to 13.
SUDO_FIELDS = {
    "MESSAGE": LINE,
    "PRIORITY": "5",
    "SYSLOG_IDENTIFIER": "sudo",
    "_CAP_EFFECTIVE": "1fffeffffff",
    "_COMM": "sudo",
    "_EXE": "/usr/bin/sudo",
    "_GID": "1001",
    "_PID": "4242",
    "_SYSTEMD_UNIT": "session-7.scope",
    "_TRANSPORT": "syslog",
    "_UID": "1001",
}
GENUINE = {
    "in a session": {},
    "called by root": {"_UID": "0"},
    "refused, so that it had ended before journald looked": {"_EXE": None},
    "called through a symbolic link of another name": {"_COMM": "x"},
    "sudoedit": {"_COMM": "sudoedit"},
    "replaced by an upgrade while it runs": {"_EXE": "/usr/bin/sudo (deleted)"},
    "/bin and /usr/bin are one": {"_EXE": "/bin/sudo"},
    "in a service": {"_SYSTEMD_UNIT": "cron.service"},
    "in a terminal of a desktop": {"_SYSTEMD_UNIT": "user@1001.service"},
    "in a scope of systemd-run": {"_SYSTEMD_UNIT": "run-r12.scope"},
    "in no unit": {"_SYSTEMD_UNIT": None},
    "with every capability there is": {"_CAP_EFFECTIVE": "1ffffffffff"},
    "in a host that is a container with few capabilities": {"_CAP_EFFECTIVE": "a80425fb"},
}
# Captured from such forgeries on Debian 11 to 13.
FORGED = {
    "logger -t sudo": {"_COMM": "logger", "_EXE": "/usr/bin/logger", "_CAP_EFFECTIVE": "0"},
    "logger, gone already": {"_COMM": "logger", "_EXE": None, "_CAP_EFFECTIVE": "0"},
    "anything, gone altogether": {"_COMM": None, "_EXE": None, "_CAP_EFFECTIVE": None},
    "systemd-cat -t sudo": {
        "_TRANSPORT": "stdout", "_COMM": "cat", "_EXE": "/bin/cat", "_CAP_EFFECTIVE": "0",
    },
    "logger --journald": {
        "_TRANSPORT": "journal", "_COMM": "logger", "_EXE": None, "_CAP_EFFECTIVE": "0",
    },
    "a program renamed sudo": {"_EXE": "/home/alice/sudo", "_CAP_EFFECTIVE": "0"},
    "a program renamed sudo, gone already": {"_EXE": None, "_CAP_EFFECTIVE": "0"},
    "a program renamed sudo, in a user namespace": {
        "_EXE": "/home/alice/sudo", "_CAP_EFFECTIVE": "1ffffffffff",
    },
    "the same, gone already, under another name": {
        "_COMM": "python3", "_EXE": None, "_CAP_EFFECTIVE": "1ffffffffff",
    },
    "su, its standard error led into the socket": {"_COMM": "su", "_EXE": "/usr/bin/su"},
    "a daemon with some capabilities": {"_CAP_EFFECTIVE": "c0"},
    "capabilities that are no number": {"_CAP_EFFECTIVE": "all"},
    "root's logger": {"_UID": "0", "_COMM": "logger", "_EXE": "/usr/bin/logger"},
    "root's logger, gone already": {"_UID": "0", "_COMM": "logger", "_EXE": None},
    "root's sudo over standard output": {"_UID": "0", "_TRANSPORT": "stdout"},
    "root of a container that has the host's socket": {
        "_UID": "0", "_SYSTEMD_UNIT": "docker-ab12.scope",
    },
    "root of another container": {"_UID": "0", "_SYSTEMD_UNIT": "systemd-nspawn@web.service"},
    "no uid": {"_UID": None},
    "a uid given twice": {"_UID": ["0", "1001"]},
    "a path elsewhere": {"_EXE": "/usr/local/bin/sudo"},
}  # fmt: skip


def entry(**changes):
    fields = {**SUDO_FIELDS, **changes}
    return JournalEntry({name: value for name, value in fields.items() if value is not None})


@pytest.mark.parametrize("changes", GENUINE.values(), ids=GENUINE)
def test_what_sudo_wrote_is_believed(changes):
    assert Sudo().claims(entry(**changes))
    assert Sudo().is_genuine(entry(**changes))


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_what_others_wrote_is_not(changes):
    assert Sudo().claims(entry(**changes))
    assert not Sudo().is_genuine(entry(**changes))


def test_the_program_claims_what_it_writes_under_another_name():
    assert Sudo().claims(entry(SYSLOG_IDENTIFIER="x", _COMM="x"))
    assert not Sudo().claims(entry(SYSLOG_IDENTIFIER="x", _COMM="x", _EXE="/usr/bin/x"))


def test_whoever_forges_what_the_fields_cannot_tell_speaks_only_of_himself():
    # sudo -S -p 'sudo: root : …' with standard error led into the syslog socket: journald sees
    # sudo itself. The uid in the event is the forger's.
    statement = Sudo().read(LINE, entry())
    assert Sudo().is_genuine(entry())
    assert statement.details["uid"] == 1001
    assert not Sudo().read(LINE.replace("   alice", "    root"), entry()).credible

import pytest

from watchtower_agent.entry import JournalEntry
from watchtower_agent.journald import MESSAGE_ID, Journald

# As journald wrote it on Debian 11 to 13.
DROPPED_FIELDS = {
    "MESSAGE": "Suppressed 2345 messages from ssh.service",
    "MESSAGE_ID": MESSAGE_ID,
    "N_DROPPED": "2345",
    "OBJECT_SYSTEMD_UNIT": "ssh.service",
    "SYSLOG_IDENTIFIER": "systemd-journald",
    "_COMM": "systemd-journal",
    "_EXE": "/usr/lib/systemd/systemd-journald",
    "_SYSTEMD_UNIT": "systemd-journald.service",
    "_TRANSPORT": "driver",
    "_UID": "0",
}


def entry(**changes):
    return JournalEntry({**DROPPED_FIELDS, **changes})


@pytest.mark.parametrize(
    "unit",
    [
        "ssh.service",
        "sshd.service",
        "ssh@3-10.0.0.1:22-10.0.0.2:5000.service",
        "session-12.scope",
        "user@1000.service",
    ],
)
def test_dropped_messages_of_these_units_are_a_gap(unit):
    statement = Journald().read(f"Suppressed 2345 messages from {unit}", entry())
    assert statement.type == "journal_gap"
    assert statement.details == {"reason": "suppressed", "lost_messages": 2345, "unit": unit}
    # It is no process of a session: such an event has no session_id.
    assert statement.process == ""


@pytest.mark.parametrize("unit", ["nginx.service", "init.scope", "ssh.socket", "user-1000.slice"])
def test_those_of_others_are_nothing(unit):
    assert Journald().read(f"Suppressed 2345 messages from {unit}", entry()) is None


def test_the_units_of_sshd_can_be_named():
    message = "Suppressed 1 messages from bastion.service"
    assert Journald().read(message, entry()) is None
    assert Journald(ssh_units=("bastion.service",)).read(message, entry()).details["unit"]


@pytest.mark.parametrize(
    "message",
    [
        "Suppressed 2345 messages from ssh.service and others",
        "Suppressed many messages from ssh.service",
        "suppressed 2345 messages from ssh.service",
        "Suppressed 99999999999 messages from ssh.service",
        "Journal started",
    ],
)
def test_other_words_are_nothing(message):
    assert Journald().read(message, entry()) is None


def test_journalds_own_word_is_believed():
    assert Journald().claims(entry())
    assert Journald().is_genuine(entry())


@pytest.mark.parametrize("transport", ["journal", "syslog", "stdout", "kernel", "audit"])
def test_the_same_word_of_anybody_else_is_not(transport):
    # logger --journald with MESSAGE_ID=…: a client chooses everything but the transport.
    assert Journald().claims(entry(_TRANSPORT=transport))
    assert not Journald().is_genuine(entry(_TRANSPORT=transport))


def test_what_else_journald_says_is_no_claim():
    assert not Journald().claims(entry(MESSAGE_ID="f77379a8490b408bbe5f6940505a777b"))

import json

import pytest

from watchtower_agent.entry import EntryError, JournalEntry
from watchtower_agent.event import RAW_MESSAGE_CHARACTERS
from watchtower_agent.host import Host, Labels
from watchtower_agent.parse import Parser

LINE = "Accepted password for root from 198.51.100.7 port 4711 ssh2"
TIME = {"__REALTIME_TIMESTAMP": "1763899200000000"}


def parsed(fields, parser=None):
    event = (parser or Parser()).parse(JournalEntry(fields | TIME))
    return None if event is None else json.loads(event.to_json())


def test_a_login_with_all_that_is_known_of_it(sshd_fields):
    labels = Labels(region="eu", host_group="web", severity="high", flagged=True)
    event = parsed(sshd_fields(LINE), Parser(host=Host(labels=labels)))
    assert len(event.pop("event_id")) == 32
    assert len(event.pop("session_id")) == 32
    assert event == {
        "type": "login",
        "timestamp": "2025-11-23T12:00:00.000000Z",
        "hostname": "web-1",
        "user": "root",
        "method": "password",
        "source_ip": "198.51.100.7",
        "source_port": 4711,
        "raw_message": LINE,
        "trusted": True,
        "region": "eu",
        "host_group": "web",
        "severity": "high",
        "flagged": True,
    }


def test_a_forged_login_is_kept_without_its_claims(sshd_fields):
    event = parsed(sshd_fields(LINE, _UID="1000", _EXE="/usr/bin/logger"))
    del event["event_id"], event["timestamp"]
    assert event == {
        "type": "untrusted",
        "hostname": "web-1",
        "raw_message": LINE,
        "trusted": False,
    }


def test_a_forged_ambiguous_line_is_only_untrusted(sshd_fields):
    event = parsed(sshd_fields("Accepted password for root", _UID="1000"))
    assert event["type"] == "untrusted"
    assert "ambiguous" not in event


def test_the_words_of_a_sessions_own_sshd_are_no_claim(sshd_fields):
    # After the login a sshd process runs with the uid of its user and logs under it.
    assert parsed(sshd_fields("Disconnected from user al 192.0.2.1 port 4", _UID="1000")) is None


def test_the_same_words_from_elsewhere_are_nothing(sshd_fields):
    assert parsed(sshd_fields(LINE, SYSLOG_IDENTIFIER="cron", _COMM="cron")) is None


def test_no_message_is_nothing(sshd_fields):
    assert parsed(sshd_fields(None)) is None


def test_a_message_given_twice_is_not_sshds(sshd_fields):
    event = parsed(sshd_fields([LINE, LINE], _TRANSPORT="journal", _UID="1000"))
    assert event["type"] == "untrusted"


def test_the_message_is_bounded_and_legible(sshd_fields):
    text = "Accepted password for x\0\ud800" + "y" * 5000
    event = parsed(sshd_fields(text, _UID="1000"))
    assert event["raw_message"].startswith("Accepted password for x\\000\\ud800y")
    assert len(event["raw_message"]) < RAW_MESSAGE_CHARACTERS + 20


def test_a_host_without_name_gets_the_one_given(sshd_fields):
    event = parsed(sshd_fields(LINE, _HOSTNAME=None), Parser(host=Host("here")))
    assert event["hostname"] == "here"


def test_a_fixed_name_stands_in_for_the_journals_and_changes_no_id(sshd_fields):
    """A name from DHCP, or from before the host was renamed."""
    fixed = Parser(host=Host("web-1", Labels(region="eu"), name_is_fixed=True))
    fields = sshd_fields(LINE, _HOSTNAME="dhcp-7")
    event, plain = parsed(fields, fixed), parsed(fields)
    assert (event["hostname"], event["journal_hostname"]) == ("web-1", "dhcp-7")
    assert event["region"] == "eu"
    assert plain["hostname"] == "dhcp-7"
    assert "journal_hostname" not in plain
    assert event["event_id"] == plain["event_id"]


@pytest.mark.parametrize("name", ["web-1", None])
def test_a_journal_that_has_no_other_name_adds_none(sshd_fields, name):
    fixed = Parser(host=Host("web-1", name_is_fixed=True))
    event = parsed(sshd_fields(LINE, _HOSTNAME=name), fixed)
    assert event["hostname"] == "web-1"
    assert "journal_hostname" not in event


def test_an_entry_without_time_is_an_error(sshd_fields):
    with pytest.raises(EntryError):
        Parser().parse(JournalEntry(sshd_fields(LINE)))


def test_a_line_of_sshds_whole_length_may_have_lost_its_end(sshd_fields):
    """There is one way to read it, and the true user and address may have stood behind."""
    line = (
        "Accepted publickey for al from 192.0.2.1 port 4711 ssh2: RSA-CERT SHA256:"
        + "A" * 43
        + " ID {} (serial 1) CA RSA SHA256:"
        + "A" * 43
    )
    short, whole = (
        parsed(sshd_fields(line.format("x" * (length - len(line) + 2)))) for length in (499, 500)
    )
    assert (short.get("ambiguous"), short["user"]) == (None, "al")
    assert whole["ambiguous"] is True
    assert "user" not in whole
    assert "source_ip" not in whole
    assert whole["type"] == "login"


def test_blanks_at_the_end_hide_no_cut(sshd_fields):
    """A key id of blanks pushes the rest beyond sshd's 500 bytes; journald strips the blanks."""
    whole = (
        "Failed publickey for al from 192.0.2.1 port 4711 ssh2: RSA-CERT SHA256:"
        + "A" * 43
        + " ID x from 6.6.6.6 port 22 ssh2"
    )
    raw = f"<38>Nov 23 12:00:00 sshd[4242]: {whole.ljust(500)}"
    event = parsed(sshd_fields(whole, SYSLOG_RAW=raw))
    assert event["type"] == "login_failed"
    assert event["ambiguous"] is True
    assert "source_ip" not in event
    assert "user" not in event

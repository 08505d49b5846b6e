"""On real journal files, read by the real journalctl; damaged ones: test_fault_reading.py."""

import pytest

from watchtower_agent.entry_reader import EntryReader, UnreadableEntry
from watchtower_agent.journalctl import JournalError

CRON = {"MESSAGE": "job", "SYSLOG_IDENTIFIER": "cron", "_COMM": "cron"}


@pytest.fixture
def reader(stop):
    return EntryReader(stop)


def messages(entries):
    return [entry.text("MESSAGE") for entry in entries]


def test_what_lies_behind_an_entry_is_complete_also_if_the_filter_hides_it(
    reader, journal_directory
):
    journal_directory.write("one", CRON, "two", "three")
    matches = (*journal_directory.source, "SYSLOG_IDENTIFIER=sshd")
    one, cron, _, _ = reader.read([], journal_directory.source)
    for entry in (one, cron):
        assert messages(reader.read(reader._behind(entry, matches), matches)) == ["two", "three"]


def test_a_failure_that_is_no_entrys_fault_is_an_error(reader):
    with pytest.raises(JournalError):
        list(reader.read([], ["--directory=/nowhere"]))


def test_an_entry_that_cannot_be_read_has_its_address_from_its_cursor():
    boot = "b0" * 16
    entry = UnreadableEntry.at(f"s={'a' * 32};i=1;b={boot};m=1e8480;t=64441c94b9240;x=7c")
    assert entry.realtime == 0x64441C94B9240
    assert entry.text("_BOOT_ID") == boot
    assert UnreadableEntry.at("") is None
    assert UnreadableEntry.at("something new") is None

"""On real journal files, read by the real journalctl."""

import dataclasses

import pytest

from watchtower_agent.journal import CursorLostError, Journal, current_boot_id, position_of

BOOT = "b0" * 16
LATER_BOOT = "b1" * 16
CRON = {"MESSAGE": "job", "SYSLOG_IDENTIFIER": "cron", "_COMM": "cron"}


@pytest.fixture
def journal(journal_directory, stop):
    return Journal(stop, journal_directory.source)


def messages(entries):
    return [entry.text("MESSAGE") for entry in entries]


def all_entries(journal_directory, stop):
    return list(
        Journal(stop, journal_directory.source)._entries.read([], journal_directory.source)
    )


def test_only_what_claims_to_be_sshd_is_read(journal, journal_directory, sshd_fields):
    journal_directory.write(
        "one",
        CRON,
        sshd_fields("two", SYSLOG_IDENTIFIER="sshd-session", _COMM="sshd-session"),
        sshd_fields("three", SYSLOG_IDENTIFIER="eve"),
        sshd_fields("four", _COMM="logger"),
    )
    assert messages(journal.since(0)) == ["one", "two", "three", "four"]


def test_since_a_time(journal, journal_directory):
    journal_directory.write("one", "two", "three")
    seconds = journal_directory.clock // 1_000_000
    assert messages(journal.since(seconds - 1)) == ["two", "three"]
    assert messages(journal.since(seconds + 1)) == []


def test_reading_goes_on_right_behind_the_position(journal, journal_directory):
    journal_directory.write("one", "two", "three")
    first, second, _ = journal.since(0)
    assert messages(journal.after(position_of(first))) == ["two", "three"]
    assert messages(journal.after(position_of(second))) == ["three"]
    journal_directory.write("four")
    assert messages(journal.after(position_of(second))) == ["three", "four"]


def test_a_position_that_the_filter_hides_loses_nothing(journal, journal_directory, stop):
    journal_directory.write("one", CRON, "two", "three")
    cron = all_entries(journal_directory, stop)[1]
    assert messages(journal.after(position_of(cron))) == ["two", "three"]


def test_a_hidden_position_at_the_end_is_not_a_lost_one(journal, journal_directory, stop):
    journal_directory.write("one", CRON)
    cron = all_entries(journal_directory, stop)[1]
    assert messages(journal.after(position_of(cron))) == []


def test_reading_goes_on_in_rotated_files(journal, journal_directory):
    journal_directory.write("one", "two")
    position = position_of(next(iter(journal.since(0))))
    journal_directory.rotate("system@1.journal")
    journal_directory.write("three")
    assert messages(journal.after(position)) == ["two", "three"]


def test_a_vacuumed_position_is_noticed(journal, journal_directory):
    journal_directory.write("one")
    position = position_of(next(iter(journal.since(0))))
    journal_directory.rotate("system@1.journal")
    journal_directory.write("two", "three")
    (journal_directory.path / "system@1.journal").unlink()
    with pytest.raises(CursorLostError):
        list(journal.after(position))


@pytest.mark.parametrize("cursor", ["", "garbage", "s=;i=;b=;m=;t=;x="])
def test_a_corrupt_position_is_noticed(journal, journal_directory, cursor):
    journal_directory.write("one")
    position = position_of(next(iter(journal.since(0))))
    with pytest.raises(CursorLostError):
        list(journal.after(dataclasses.replace(position, cursor=cursor)))


def test_a_position_of_another_journal_is_noticed(journal, journal_directory, tmp_path, stop):
    journal_directory.write("one")
    position = position_of(next(iter(journal.since(0))))
    (journal_directory.path / "system.journal").unlink()
    journal_directory.clock -= 10**12  # and the clock went back, so that nothing lies behind it
    journal_directory.write("two")
    with pytest.raises(CursorLostError):
        list(journal.after(position))


def test_one_boot_only(journal, journal_directory):
    journal_directory.write("one", "two", "three")
    journal_directory.write("four", boot=LATER_BOOT)
    assert messages(journal.boot(LATER_BOOT)) == ["four"]


def test_the_newest_entry_is_no_place_to_wait_at(journal, journal_directory):
    """journald may be about to file it, where the filter does not find it yet."""
    journal_directory.write("one", "two", "three")
    journal_directory.write("four", boot=LATER_BOOT)
    assert journal.tail(BOOT).text("MESSAGE") == "two"
    assert journal.tail(LATER_BOOT) is None
    assert journal.tail("f" * 32) is None


def test_the_head_is_the_oldest_of_all(journal, journal_directory):
    assert journal.head() is None
    journal_directory.write(CRON, "one")
    assert journal.head().text("MESSAGE") == "job"


def test_long_binary_and_repeated_fields_arrive(journal, journal_directory, sshd_fields):
    journal_directory.write(sshd_fields(b"\xff\xfe"), sshd_fields("x" * 50_000))
    assert messages(journal.since(0)) == ["\\xff\\xfe", "x" * 50_000]


def test_the_id_of_an_entry_survives_its_copy_to_another_file(journal, journal_directory):
    journal_directory.write("one", "two")
    ids = [entry.event_id for entry in journal.since(0)]
    journal_directory.rotate("system@1.journal")
    assert [entry.event_id for entry in journal.since(0)] == ids
    assert len(set(ids)) == 2


def test_the_boot_id_is_the_kernels():
    assert len(current_boot_id()) == 32
    int(current_boot_id(), 16)

import json

import pytest

from watchtower_agent.entry import EntryError, JournalEntry

SPELLINGS = ("é\n", list("é\n".encode()))


def test_text_is_read_from_every_spelling_of_systemds_json():
    for spelling in SPELLINGS:
        assert JournalEntry({"MESSAGE": spelling}).text("MESSAGE") == "é\n"
    assert JournalEntry({"MESSAGE": [255, 65]}).text("MESSAGE") == "\\xffA"
    assert JournalEntry({"MESSAGE": None}).text("MESSAGE") is None
    assert JournalEntry({}).text("MESSAGE") is None


def test_a_repeated_field_has_values_but_no_text():
    entry = JournalEntry({"MESSAGE": ["a", [255]]})
    assert entry.values("MESSAGE") == [b"a", b"\xff"]
    assert entry.text("MESSAGE") is None


def test_the_id_does_not_depend_on_the_spelling(sshd_fields):
    ids = {JournalEntry(sshd_fields(spelling)).event_id for spelling in SPELLINGS}
    assert len(ids) == 1
    assert len(ids.pop()) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"_MACHINE_ID": "f" * 32},
        {"_BOOT_ID": "f" * 32},
        {"__MONOTONIC_TIMESTAMP": "2"},
        {"_PID": "1"},
        {"MESSAGE": "other"},
        {"MESSAGE": ["x", "x"]},
        {"_PID": "42421", "MESSAGE": "x"},
    ],
)
def test_the_id_depends_on_each_part(change, sshd_fields):
    plain = JournalEntry(sshd_fields("x")).event_id
    assert JournalEntry(sshd_fields("x") | change).event_id != plain


def test_the_id_does_not_depend_on_the_cursor(sshd_fields):
    first = JournalEntry(sshd_fields("x", __CURSOR="s=1;i=1")).event_id
    assert JournalEntry(sshd_fields("x", __CURSOR="s=2;i=9")).event_id == first


def test_the_time_is_the_senders_then_the_receivers():
    times = {"__REALTIME_TIMESTAMP": "1763899200000000"}
    assert JournalEntry(times).timestamp == "2025-11-23T12:00:00.000000Z"
    source = times | {"_SOURCE_REALTIME_TIMESTAMP": "1763899199999999"}
    assert JournalEntry(source).timestamp == "2025-11-23T11:59:59.999999Z"
    nonsense = times | {"_SOURCE_REALTIME_TIMESTAMP": "yesterday"}
    assert JournalEntry(nonsense).timestamp == "2025-11-23T12:00:00.000000Z"


def test_the_beginning_of_time_is_a_time():
    assert JournalEntry({"__REALTIME_TIMESTAMP": "0"}).timestamp == "1970-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("text", [None, "", "-1", "²", "9" * 19, "1e9"])
def test_an_impossible_time_is_an_error(text):
    with pytest.raises(EntryError):
        _ = JournalEntry({"__REALTIME_TIMESTAMP": text}).timestamp


@pytest.mark.parametrize("line", [b"", b"no json", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_entry_is_an_error(line):
    with pytest.raises(EntryError):
        JournalEntry.from_json(line)


def test_an_entry_without_cursor_is_an_error():
    with pytest.raises(EntryError, match="__CURSOR"):
        _ = JournalEntry.from_json(json.dumps({"MESSAGE": "x"}).encode()).cursor

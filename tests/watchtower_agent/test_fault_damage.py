"""What journalctl cannot read of a damaged journal, and what only looks like damage."""

import os
import struct

import pytest
from journal_file import ARENA_SIZE_AT, INCOMPATIBLE_FLAGS_AT, entries, field_at, item_format
from logins import CRON, SECOND, THIRD, login, ports, take

from watchtower_agent.journalctl import JournalError


def damage_header(file, at, value):
    content = bytearray(file.read_bytes())
    content[at : at + len(value)] = value
    file.write_bytes(content)


@pytest.mark.parametrize(
    "power_failed",
    [
        lambda file: os.truncate(file, 4 * 1024 * 1024),
        lambda file: os.truncate(file, 100),
        lambda file: damage_header(file, 0, bytes(8)),
        lambda file: damage_header(file, INCOMPATIBLE_FLAGS_AT, b"\xff" * 4),
        lambda file: damage_header(file, ARENA_SIZE_AT, (2**40).to_bytes(8, "little")),
    ],
    ids=["short", "very short", "signature", "features", "size"],
)
def test_a_file_that_journalctl_ignores_is_reported(
    start, spool, journal_directory, boot, power_failed
):
    """After a power failure, for example; journald then begins another file."""
    journal_directory.write(login(1))
    start().drain()
    journal_directory.rotate("system@1.journal")
    journal_directory.write(login(2), login(3))
    power_failed(journal_directory.path / "system.journal")
    journal_directory.rotate("system@2.journal~")
    journal_directory.write(login(4), boot=SECOND)
    boot(SECOND)
    reader = start()
    reader.drain()
    reader.drain()
    *logins, gap = sorted(take(spool), key=lambda event: event["type"] == "journal_gap")
    assert [event["source_port"] for event in logins] == [1, 4]
    assert (gap["type"], gap["reason"]) == ("journal_gap", "entries_vanished")
    assert "system@2.journal~" in gap["raw_message"]
    assert gap["gap_since"] < gap["gap_until"]
    reader.drain()
    assert take(spool) == []


def lead_astray(file, field):
    """Let what refers to a field point behind the end of the file; return how often it did."""
    content = bytearray(file.read_bytes())
    item, offset = item_format(content), field_at(content, field)
    changed = 0
    for places in entries(content):
        for place in places:
            if struct.unpack_from(item, content, place)[0] == offset:
                struct.pack_into(item, content, place, 0x7FFFFFF8)
                changed += 1
    file.write_bytes(content)
    return changed


def test_a_field_that_journalctl_leaves_out_is_reported(reader, spool, journal_directory):
    journal_directory.write(login(1), login(2), login(3))
    file = journal_directory.path / "system.journal"
    assert lead_astray(file, b"MESSAGE=" + login(2).encode()) == 1
    reader.drain()
    assert ports(spool) == [1, 3, "journal_gap"]
    reader.drain()
    assert take(spool) == []


def test_a_boot_whose_first_entry_is_damaged_is_read(start, spool, journal_directory, boot):
    journal_directory.write(login(9))
    start().drain()
    take(spool)
    journal_directory.rotate("system@1.journal")
    journal_directory.write(login(1), login(2), login(3), boot=SECOND)
    boot(SECOND)
    message = login(1).encode()
    journal_directory.damage(b"MESSAGE=" + message, b"MESSAGE-" + message)
    start().drain()
    assert ports(spool) == ["journal_gap", 2, 3]


def test_an_older_boot_whose_first_entry_is_damaged_holds_nothing_up(
    start, spool, journal_directory, boot
):
    journal_directory.write(login(1))
    start().drain()
    take(spool)
    journal_directory.rotate("system@1.journal")
    journal_directory.write("first", login(2), boot=SECOND)
    journal_directory.damage(b"MESSAGE=first", b"MESSAGE-first")
    journal_directory.rotate("system@2.journal")
    journal_directory.write(login(3), boot=THIRD)
    boot(THIRD)
    start().drain()
    assert ports(spool) == ["journal_gap", 2, 3]


def test_a_damaged_tail_is_no_anchor(reader, spool, journal_directory, boot):
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.write({**CRON, "MESSAGE": "damaged"}, CRON, boot=SECOND)
    journal_directory.damage(b"MESSAGE=damaged", b"MESSAGE-damaged")
    boot(SECOND)
    assert reader.drain() == 0
    journal_directory.write(login(2), boot=SECOND)
    reader.drain()
    assert ports(spool) == [1, 2]


# What only looks like damage


def test_a_file_that_is_just_being_made_is_no_damage(reader, spool, journal_directory):
    journal_directory.write(login(1))
    file = journal_directory.path / "user-1000.journal"
    file.write_bytes(b"LPKSHHRH")
    reader.drain()
    file.unlink()
    journal_directory.write(login(2), file=file.name)
    reader.drain()
    reader.drain()
    assert ports(spool) == [1, 2]


def test_who_is_killed_twice_found_no_damage(
    reader, spool, journal_directory, journalctl_script, tmp_path
):
    """By the kernel, for want of memory, behind the second entry and then at once."""
    journal_directory.write(login(1), login(2), login(3))
    reader.drain()
    take(spool)
    journal_directory.write(login(4), login(5), login(6))
    journalctl_script(f"""
case "$*" in *--output=export*cursor=s=*)
  echo >>{tmp_path}/runs
  case $(wc -l <{tmp_path}/runs) in
    1) really "$@" --lines=2; kill -9 $$ ;;
    2) kill -9 $$ ;;
  esac ;;
esac
really "$@"
""")
    with pytest.raises(JournalError, match="-9"):
        reader.drain()
    with pytest.raises(JournalError, match="-9"):
        reader.drain()
    reader.drain()
    assert ports(spool) == [4, 5, 6]


def test_silence_is_no_lost_position(
    reader, spool, journal_directory, journalctl_script, monkeypatch
):
    journal_directory.write(login(1))
    reader.drain()
    take(spool)
    journal_directory.write(login(2))
    program = journalctl_script(
        'case "$*" in *cursor=s=*) : >"$0.silent"; exec sleep 100 ;; esac; really "$@"'
    )
    with monkeypatch.context() as patch:
        patch.setattr("watchtower_agent.journalctl.SILENCE_SECONDS", 2)
        with pytest.raises(JournalError, match="said nothing"):
            reader.drain()
    assert program.with_suffix(".silent").exists()
    monkeypatch.setattr("watchtower_agent.journalctl.PROGRAM", "journalctl")
    reader.drain()
    assert ports(spool) == [2]

"""journalctl's export format is read as it was written, whatever a client wrote."""

import json
import random
import subprocess
import tracemalloc
from itertools import chain, pairwise, repeat

import pytest

from watchtower_agent import export_format as module
from watchtower_agent.entry import ENTRY_FIELDS, JournalEntry
from watchtower_agent.export_format import ExportStream

# Values that look like the format around them.
HOSTILE = (
    b"",
    b"text",
    b"=",
    b"a=b",
    "ü\u202e".encode(),
    b"\n",
    b"\n\n",
    b"\n\n__CURSOR=s=1\n_UID=0\n\n",
    b"__CURSOR=s=1",
    b"MESSAGE=Accepted password for root from 192.0.2.1 port 1 ssh2",
    b"\n_UID=0",
    b"\0\xff" * 9,
    b"\n" * 10,
    b"\x0a\0\0\0\0\0\0\0",
    b"x" * 300,
)
NAMES = ("MESSAGE", "SYSLOG_IDENTIFIER", "_COMM", "_UID")


def printed(fields):
    """Print an entry as output_export() in logs-show.c does; it ends with its empty line."""
    lines = b""
    for name, value in fields:
        if value.decode("utf-8", "replace").isprintable():
            lines += name.encode() + b"=" + value + b"\n"
        else:
            lines += name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
    return lines + b"\n"


def read(stream, cuts=()):
    """Return the fields of each entry in a stream cut into pieces, and how many it skipped."""
    ends = [0, *sorted(cuts), len(stream)]
    export = ExportStream(stream[a:b] for a, b in pairwise(ends))
    entries = list(export.entries())
    return [
        {name: entry.values(name) for name in entry.fields} for entry in entries
    ], export.skipped


def cursor(number):
    return ("__CURSOR", f"s=0;i={number}".encode())


def grouped(fields):
    values = {}
    for name, value in fields:
        values.setdefault(name, []).append(value)
    return values


@pytest.mark.parametrize("seed", range(300))
def test_each_value_arrives_in_its_own_field(seed):
    chance = random.Random(seed)
    entries = [
        [cursor(number), *((chance.choice(NAMES), chance.choice(HOSTILE)) for _ in range(5))]
        for number in range(4)
    ]
    stream = b"".join(map(printed, entries))
    cuts = [chance.randrange(len(stream)) for _ in range(chance.choice((0, 1, 20)))]
    assert read(stream, cuts) == (list(map(grouped, entries)), 0)


def test_an_entry_that_journalctl_gave_up_leaves_nothing_in_the_next():
    """It prints the fields that it can read, no empty line, and goes on."""
    given_up = printed([cursor(1), ("_UID", b"0"), ("_COMM", b"sshd")]).removesuffix(b"\n")
    with_bytes = printed([cursor(2), ("_UID", b"0"), ("_COMM", b"\n\n")]).removesuffix(b"\n")
    whole = [cursor(3), ("MESSAGE", b"Accepted password for root")]
    for stream in (given_up, with_bytes, given_up + with_bytes):
        assert read(stream + printed(whole)) == ([grouped(whole)], 0)


@pytest.mark.parametrize("value", [b"text", b"\n\n"])
def test_what_was_broken_off_is_no_entry(value):
    """journalctl was killed while it printed."""
    first = [cursor(1), ("MESSAGE", value)]
    whole = printed(first)
    for end in range(len(whole)):
        assert read(whole + whole[:end]) == ([grouped(first)], 0)


@pytest.mark.parametrize("value", [b"x" * 2000, b"\n" * 2000], ids=["text", "bytes"])
@pytest.mark.parametrize("piece", [7, 100_000])
def test_what_is_too_large_is_skipped_and_counted(value, piece, monkeypatch):
    monkeypatch.setattr(module, "ENTRY_BYTES", 1000)
    entries = [
        [cursor(1), ("MESSAGE", b"one")],
        [cursor(2), ("_COMM", b"sshd"), ("MESSAGE", value), ("_UID", b"0")],
        [cursor(3), ("MESSAGE", b"two")],
    ]
    stream = b"".join(map(printed, entries))
    cuts = range(piece, len(stream), piece)
    assert read(stream, cuts) == ([grouped(entries[0]), grouped(entries[2])], 1)


@pytest.mark.parametrize(
    ("header", "piece"),
    [
        (b"MESSAGE=", b"x" * 60_000),
        (b"MESSAGE\n" + (2**62).to_bytes(8, "little"), b"x" * 60_000),
        (b"", b"MESSAGE=" + b"x" * 60_000 + b"\n"),
    ],
    ids=["text", "bytes", "many fields"],
)
def test_what_is_too_large_does_not_fill_memory(header, piece):
    stream = ExportStream(chain([b"__CURSOR=s=0\n" + header], repeat(piece, 1000)))
    tracemalloc.start()
    try:
        assert list(stream.entries()) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def test_journalctl_says_the_same_in_json(journal_directory, sshd_fields):
    """Both ways to read an entry, the agent's and that of ``parse``, make one event of it."""
    for number, value in enumerate(HOSTILE):
        message = b"%d " % number + value
        journal_directory.write(sshd_fields(message, SYSLOG_IDENTIFIER=[value, b"twice"]))
        journal_directory.write(sshd_fields(message, SYSLOG_IDENTIFIER=value))
    fields = f"--output-fields={','.join(ENTRY_FIELDS)}"
    command = ["journalctl", "--all", "--quiet", fields, *journal_directory.source]

    def output(form):
        argv = [*command, f"--output={form}"]
        return subprocess.run(argv, check=True, capture_output=True).stdout

    from_export = list(ExportStream([output("export")]).entries())
    from_json = [JournalEntry.from_json(line) for line in output("json").splitlines()]
    assert len(from_export) == len(from_json) == 2 * len(HOSTILE)
    for one, other in zip(from_export, from_json, strict=True):
        assert one.fields.keys() == other.fields.keys()
        for name in one.fields:
            assert one.values(name) == other.values(name), json.dumps(other.fields)
            assert one.text(name) == other.text(name)
        assert one.event_id == other.event_id

"""sshd's lines: what was captured from real servers, and what only the sources tell."""

import json
from pathlib import Path

import pytest

from watchtower_agent.entry import JournalEntry
from watchtower_agent.parse import Parser

CORPUS = Path(__file__).with_name("corpus") / "sshd"
FILES = sorted(path for path in CORPUS.glob("*.jsonl") if path.name != "formats.jsonl")
CASES = [
    json.loads(line) for path in FILES for line in path.read_text(encoding="utf-8").splitlines()
]
SENDER = ("SYSLOG_IDENTIFIER", "_COMM", "_EXE", "_SYSTEMD_UNIT", "_TRANSPORT", "_UID")
SAME_FOR_ALL = {"timestamp", "hostname", "event_id", "raw_message", "session_id", "trusted"}


@pytest.mark.parametrize("case", CASES, ids=[case["line"][:70] for case in CASES])
def test_each_line_of_the_corpus_says_what_stands_beside_it(case, sshd_fields):
    changes = case.get("fields", {})
    if "captured" in case["from"]:
        # What journald did not know of the sender must not be made up.
        changes = {**dict.fromkeys(SENDER), **changes}
    fields = sshd_fields(case["line"], __REALTIME_TIMESTAMP="1763899200000000", **changes)
    event = Parser().parse(JournalEntry(fields))
    if case["says"] is None:
        assert event is None
        return
    assert event is not None
    said = json.loads(event.to_json())
    assert {name: said[name] for name in said if name not in SAME_FOR_ALL} == case["says"]
    assert event.details["raw_message"] == case["line"]

import json
from pathlib import Path

import pytest

from watchtower_agent.entry import JournalEntry
from watchtower_agent.su import Su
from watchtower_agent.sudo import Sudo

CORPUS = Path(__file__).with_name("corpus") / "su.jsonl"
CASES = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
# As journald wrote it on Debian 11 to 13.
SU_FIELDS = {
    "MESSAGE": "(to root) alice on pts/0",
    "PRIORITY": "5",
    "SYSLOG_IDENTIFIER": "su",
    "_CAP_EFFECTIVE": "1fffeffffff",
    "_COMM": "su",
    "_EXE": "/usr/bin/su",
    "_GID": "1001",
    "_PID": "4242",
    "_SYSTEMD_UNIT": "session-7.scope",
    "_TRANSPORT": "syslog",
    "_UID": "1001",
}
GENUINE = {
    "Debian 12 and 13": {},
    "Debian 11": {"_EXE": "/bin/su"},
    "called by root": {"_UID": "0"},
    "gone before journald looked at its program": {"_EXE": None},
    "called through a symbolic link of another name": {"_COMM": "x", "SYSLOG_IDENTIFIER": "x"},
    "called under another name": {"SYSLOG_IDENTIFIER": "sshd"},
}
# Captured from such forgeries on Debian 11 to 13.
FORGED = {
    "logger -t su": {"_COMM": "logger", "_EXE": "/usr/bin/logger", "_CAP_EFFECTIVE": "0"},
    "a program renamed su": {"_EXE": "/home/alice/su", "_CAP_EFFECTIVE": "0"},
    "sudo -p, its standard error led into the socket": {"_COMM": "sudo", "_EXE": "/usr/bin/sudo"},
    "the same, gone already": {"_COMM": "sudo", "_EXE": None},
    "gone altogether": {"_COMM": None, "_EXE": None, "_CAP_EFFECTIVE": None},
    "root's logger": {"_UID": "0", "_COMM": "logger", "_EXE": None},
}


def entry(**changes):
    fields = {**SU_FIELDS, **changes}
    return JournalEntry({name: value for name, value in fields.items() if value is not None})


@pytest.mark.parametrize("case", CASES, ids=[case["line"][:70] for case in CASES])
def test_each_line_of_the_corpus_says_what_stands_beside_it(case):
    statement = Su().read(case["line"], entry(_UID="0"))
    if case["says"] is None:
        assert statement is None
        return
    ambiguous = {"ambiguous": True} if statement.ambiguous else {}
    said = {"type": statement.type, **statement.details, **ambiguous}
    assert said == {**case["says"], "uid": 0}


def test_there_is_a_line_of_each_release():
    for release in ("2.36.1", "2.38.1", "2.41.5"):
        assert [case for case in CASES if case["from"] == f"captured from su {release}"]


@pytest.mark.parametrize("changes", GENUINE.values(), ids=GENUINE)
def test_what_su_wrote_is_believed(changes):
    assert Su().claims(entry(**changes))
    assert Su().is_genuine(entry(**changes))


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_what_others_wrote_is_not(changes):
    assert Su().claims(entry(**changes))
    assert not Su().is_genuine(entry(**changes))


def test_the_callers_uid_is_told_and_contradicts_a_false_root():
    statement = Su().read("(to bob) alice on pts/0", entry())
    assert (statement.details["uid"], statement.credible) == (1001, True)
    assert not Su().read("(to bob) root on pts/0", entry()).credible


def test_su_and_sudo_do_not_speak_for_each_other():
    assert Sudo().read("(to root) alice on pts/0", entry()) is None
    assert Su().read("   alice : PWD=/ ; USER=root ; COMMAND=/bin/true", entry()) is None

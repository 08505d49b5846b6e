import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchtower_agent.entry import JournalEntry
from watchtower_agent.setuid_program import DETAIL_CHARACTERS
from watchtower_agent.sudo import Sudo
from watchtower_agent.sudo_lines import read_sudo_line

CORPUS = Path(__file__).with_name("corpus") / "sudo.jsonl"
CASES = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
NOTICE, ALERT = "5", "1"


def said(line, priority=NOTICE, uid="0"):
    """Return what an entry of sudo's with this line says, as it stands in the corpus."""
    statement = Sudo().read(line, JournalEntry({"PRIORITY": priority, "_UID": uid}))
    if statement is None:
        return None
    ambiguous = {"ambiguous": True} if statement.ambiguous else {}
    return {"type": statement.type, **statement.details, **ambiguous}


@pytest.mark.parametrize("case", CASES, ids=[case["line"][:70] for case in CASES])
def test_each_line_of_the_corpus_says_what_stands_beside_it(case):
    says = case["says"] and {**case["says"], "uid": 0}
    assert said(case["line"], case.get("priority", NOTICE)) == says


def test_the_blank_that_journald_takes_from_the_end_changes_nothing():
    ending = [case for case in CASES if case["line"].endswith(" ;")]
    assert len(ending) > 5
    for case in ending:
        priority = case.get("priority", NOTICE)
        assert said(case["line"] + " ", priority) == said(case["line"], priority)


def test_there_is_a_line_of_each_release():
    assert len(CASES) >= 60
    for release in ("1.9.5p2", "1.9.13p3", "1.9.16p2"):
        assert [case for case in CASES if case["from"] == f"captured from sudo {release}"]


# eventlog.c, once more: what is printed here is what sudo meant, and what is read must agree.
# "old" is 1.9.5p2 as published, which escapes nothing.


def escape(text, dialect, blanks=False, quotes=False):
    """sudo_lbuf_append_esc(), lib/util/lbuf.c."""
    if dialect == "old":
        return text
    escaped = ""
    for character in text:
        if character < " " or character == "\x7f" or (blanks and character == " "):
            escaped += f"#0{ord(character):o}"
        elif quotes and character in "'\\":
            escaped += "\\" + character
        else:
            escaped += character
    return escaped


def command_line(path, arguments, dialect):
    words = [escape(path, dialect, blanks=True)]
    for argument in arguments:
        word = escape(argument, dialect, quotes=True)
        words.append(f"'{word}'" if " " in argument and dialect != "old" else word)
    return " ".join(words)


def strip(call, text):
    """journald takes whitespace from the end, and may keep the original."""
    return text.rstrip(" \t\r\n") if call["stripped"] else text


def print_line(call, user, text):
    """do_syslog_sudo(), and then journald."""
    return strip(call, f"{user:>8} : {text}")


PIECES = [
    " ; ",
    " ;",
    "USER=nobody",
    "COMMAND=/bin/true",
    " ; COMMAND=/bin/true",
    " ; USER=nobody ; COMMAND=/bin/true",
    " ; TTY=pts/9 ; PWD=/ ; USER=nobody ; COMMAND=/bin/true",
    " ; PWD=/",
    " ; GROUP=staff",
    " ; ENV=A=b ; COMMAND=/bin/true",
    "ENV=A=bCOMMAND=/bin/true",
    " ; EXIT=0",
    " ; SIGNAL=KILL ; EXIT=137",
    "(command continued) ",
    "   alice : TTY=pts/0 ; PWD=/ ; USER=nobody ; COMMAND=/bin/true",
    "command not allowed ; ",
    "#012",
    "\n",
    "\t",
    "'",
    "\\",
    "ü",
    "\\xff",
]
HOSTILE = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_characters="\0"), max_size=4),
    max_size=6,
).map("".join)
USERS = st.sampled_from(["alice", "administrator", "joe bloggs", "EXAMPLE\\al"])
CALLS = st.fixed_dictionaries(
    {
        "host": st.sampled_from([None, "web-1"]),
        "tty": st.sampled_from([None, "pts/0"]),
        "chroot": st.none() | HOSTILE.map("/".__add__),
        "directory": HOSTILE.map("/home/".__add__),
        "target_user": st.sampled_from(["root", "bob", "joe bloggs", "#4711"]),
        "target_group": st.sampled_from([None, "ops", "domain users"]),
        "session": st.sampled_from([None, "000001"]),
        "environment": st.none() | st.tuples(HOSTILE, HOSTILE),
        "path": HOSTILE.map("/usr/bin/".__add__),
        "arguments": st.lists(HOSTILE, max_size=3),
        "ending": st.sampled_from(["", " ; EXIT=1", " ; SIGNAL=TERM ; EXIT=143"]),
        "dialect": st.sampled_from(["old", "new"]),
        "stripped": st.booleans(),
    }
)


def print_call(call):
    """Return the text of the fields, and what sudo means by them: new_logline()."""
    dialect = call["dialect"]
    command = command_line(call["path"], call["arguments"], dialect)
    text = "".join(
        f"{key}={value} ; "
        for key, value in (
            ("HOST", call["host"]),
            ("TTY", call["tty"]),
            ("CHROOT", call["chroot"] and escape(call["chroot"], dialect)),
            ("PWD", escape(call["directory"], dialect)),
            ("USER", call["target_user"]),
            ("GROUP", call["target_group"]),
            ("TSID", call["session"]),
        )
        if value is not None
    )
    if call["environment"]:
        name, value = call["environment"]
        text += f"ENV={escape(name.replace('=', '') + 'X=' + value, dialect)} ; "
    meant = {
        "tty": call["tty"],
        "directory": escape(call["directory"], dialect),
        "target_user": call["target_user"],
        "target_group": call["target_group"],
        "command": strip(call, command + call["ending"]).removesuffix(call["ending"]),
    }
    return f"{text}COMMAND={command}{call['ending']}", meant


def assert_truthful(statement, event_type, meant):
    """What is said as a fact must be what sudo meant; silence is allowed if it is marked."""
    assert statement.type == event_type
    for name, value in statement.details.items():
        assert value == meant[name], name
    if not statement.ambiguous:
        missing = {n for n, value in meant.items() if value is not None} - {*statement.details}
        assert not missing


@settings(max_examples=1000, deadline=None)
@given(user=USERS, call=CALLS)
def test_nothing_in_a_call_can_lie_about_the_command(user, call):
    text, meant = print_call(call)
    statement = read_sudo_line(print_line(call, user, text), allowed=True)
    assert_truthful(statement, "sudo", {"user": user, **meant})


REASONS = st.sampled_from(
    [
        ("3 incorrect password attempts", "wrong_password"),
        ("a password is required", "password_required"),
        ("user NOT in sudoers", "not_in_sudoers"),
        ("user NOT authorized on host", "not_on_host"),
        ("command not allowed", "not_allowed"),
        ("user not allowed to change directory to {}", "option_not_allowed"),
        ("sorry, you are not allowed to set the following environment variables: {}",
         "option_not_allowed"),
        ("No way, 3 tries", None),
    ]
)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(user=USERS, call=CALLS, reason=REASONS, tail=HOSTILE.filter(bool))
def test_nothing_in_a_call_can_lie_about_a_refusal(user, call, reason, tail):
    call = {**call, "ending": ""}
    text, meant = print_call(call)
    words = reason[0].format(escape(tail, call["dialect"]))
    statement = read_sudo_line(print_line(call, user, f"{words} ; {text}"), allowed=False)
    assert_truthful(statement, "sudo_failed", {"user": user, "reason": reason[1], **meant})


@settings(max_examples=1000, deadline=None)
@given(call=CALLS, name=HOSTILE.filter(bool), kind=st.sampled_from(["user", "group"]))
def test_no_name_of_an_unknown_account_can_lie(call, name, kind):
    name = escape(name, call["dialect"])
    directory = escape(call["directory"], call["dialect"])
    key = {"user": "USER", "group": "GROUP"}[kind]
    tty = f"TTY={call['tty']} ; " if call["tty"] else ""
    text = f"unknown {kind} {name} ; {tty}PWD={directory} ; {key}={name} ; "
    statement = read_sudo_line(print_line(call, "alice", text), allowed=False)
    meant = {
        "user": "alice",
        "reason": "unknown_target",
        "tty": call["tty"],
        "directory": directory,
        f"target_{kind}": name,
    }
    assert_truthful(statement, "sudo_failed", meant)


@settings(max_examples=300, deadline=None)
@given(text=HOSTILE, allowed=st.booleans())
def test_the_rest_of_a_long_line_is_an_event_that_says_only_whose_it_is(text, allowed):
    statement = read_sudo_line(f"   alice : (command continued) {text}", allowed=allowed)
    assert statement.type == ("sudo" if allowed else "sudo_failed")
    assert statement.details == {"user": "alice"}
    assert statement.ambiguous


def test_a_name_too_long_for_a_command_is_no_command():
    # sudo -- "TTY=pts/0 ; … ; COMMAND=/bin/true xxxx…": sudo's complaint begins with that name.
    line = "     bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/true"
    assert said(line, NOTICE)["command"] == "/bin/true"
    assert said(line, ALERT) == {"type": "sudo_failed", "user": "bob", "uid": 0, "ambiguous": True}


def test_the_callers_uid_is_told_and_contradicts_a_false_root():
    line = "    root : PWD=/ ; USER=root ; COMMAND=/bin/true"
    own = Sudo().read(line, JournalEntry({"_UID": "0"}))
    others = Sudo().read(line, JournalEntry({"_UID": "1001"}))
    assert (own.details["uid"], own.credible) == (0, True)
    assert (others.details["uid"], others.credible) == (1001, False)


def test_a_detail_is_never_longer_than_the_collector_takes():
    line = "   alice : PWD=/ ; USER=root ; COMMAND=/bin/echo " + "\\xff" * 300
    assert len(said(line)["command"]) == DETAIL_CHARACTERS


def test_more_readings_than_are_looked_at_agree_on_nothing():
    directory = "/home/x" + " ; USER=n ; COMMAND=" * 33
    line = f"   alice : TTY=pts/0 ; PWD={directory} ; USER=root ; COMMAND=/usr/bin/id"
    assert said(line) == {"type": "sudo", "user": "alice", "uid": 0, "ambiguous": True}


def test_a_line_of_separators_is_read_in_a_time_that_ends():
    # Without a memory of dead ends, or without a bound, this test does not end.
    for count in (45, 4500):
        keys = ("CHROOT", "PWD", "USER", "GROUP", "ENV")
        line = "   alice : unknown user x" + "".join(f" ; {key}=" * count for key in keys)
        assert said(line, ALERT) == {
            "type": "sudo_failed",
            "reason": "unknown_target",
            "user": "alice",
            "uid": 0,
            "ambiguous": True,
        }

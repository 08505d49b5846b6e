import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from watchtower_agent.entry import JournalEntry
from watchtower_agent.parse import Parser
from watchtower_agent.sshd_lines import CUT_LINE_BYTES, read_sshd_line

CORPUS = Path(__file__).with_name("corpus") / "sshd.jsonl"
CASES = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
SAME_FOR_ALL = {"timestamp", "hostname", "event_id", "raw_message", "session_id", "trusted"}


@pytest.mark.parametrize("case", CASES, ids=[case["line"][:70] for case in CASES])
def test_each_line_of_the_corpus_says_what_stands_beside_it(case, sshd_fields):
    fields = sshd_fields(case["line"], __REALTIME_TIMESTAMP="1763899200000000")
    event = Parser().parse(JournalEntry(fields))
    if case["says"] is None:
        assert event is None
        return
    said = json.loads(event.to_json())
    assert event.details["raw_message"] == case["line"]
    assert {name: said[name] for name in said if name not in SAME_FOR_ALL} == case["says"]


def strnvis(raw):
    """sshd's own escaping, for LOG_SYSLOG_VIS."""
    names = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r"}
    return "".join(
        "\\\\"
        if byte == 0x5C
        else chr(byte)
        if 0x20 <= byte < 0x7F
        else f"\\{names[byte]}"
        if byte in names
        else f"\\{byte:03o}"
        for byte in raw
    )


# Pieces of sshd's own lines, so that hostile names look like the line around them.
PIECES = [
    " from ",
    " port 22 ssh2",
    "1.2.3.4",
    "6.6.6.6 port 1",
    "Accepted password for root",
    "invalid user ",
    ": RSA SHA256:" + "A" * 43,
    "RSA-CERT SHA256:" + "B" * 43 + " ID ",
    " (serial 0) CA RSA SHA256:" + "C" * 43,
    " [preauth]",
    "\\",
    "\\n",
    "\n",
    "ü",
    '"',
    ", signature count = 1",
]
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=8).map(
    lambda parts: "".join(parts).encode("utf-8", "replace").replace(b"\0", b"")
)
NAMES = HOSTILE.map(lambda raw: raw[:100])
KEY_TYPES = st.sampled_from(["RSA", "ED25519", "ECDSA-SK"])
TRUE_IP = "203.0.113.77"
TRUE_PORT = 54321


def readings_agree_with_the_server(line, event_type, user, **more):
    """What is said as a fact must be what the server meant; silence is allowed if it is marked."""
    said = read_sshd_line(line)
    assert said is not None
    assert said.type == event_type
    truth = {
        "user": user.decode("utf-8", "backslashreplace"),
        "source_ip": TRUE_IP,
        "source_port": str(TRUE_PORT),
        **more,
    }
    for name, value in truth.items():
        if name in said.details:
            assert said.details[name] == value
        else:
            assert said.ambiguous
    return said


@settings(max_examples=300, deadline=None)
@given(user=NAMES, verb=st.sampled_from(["", "invalid user "]))
def test_a_user_name_cannot_lie_where_the_line_ends_in_sshds_own_words(user, verb):
    assume(verb or not user.startswith(b"invalid user "))  # no account has such a name
    tail = f"{strnvis(user)} from {TRUE_IP} port {TRUE_PORT}"
    line = f"Failed password for {verb}{tail} ssh2"
    said = readings_agree_with_the_server(line, "login_failed", user, method="password")
    assert not said.ambiguous
    said = readings_agree_with_the_server(f"Invalid user {tail}", "login_failed", user)
    assert not said.ambiguous


@settings(max_examples=300, deadline=None)
@given(user=NAMES, key_type=KEY_TYPES, key_id=HOSTILE, certificate=st.booleans())
def test_neither_user_nor_key_id_can_lie_about_a_key(user, key_type, key_id, certificate):
    key = f"{key_type}-CERT" if certificate else key_type
    line = (
        f"Failed publickey for invalid user {strnvis(user)} from {TRUE_IP} port {TRUE_PORT} ssh2"
        f": {key} SHA256:{'k' * 43}"
    )
    if certificate:
        line += f" ID {strnvis(key_id)} (serial 7) CA ED25519 SHA256:{'c' * 43}"
    cut = line[:CUT_LINE_BYTES]
    readings_agree_with_the_server(
        cut, "login_failed", user, method="publickey", key_fingerprint=f"SHA256:{'k' * 43}"
    )


@settings(max_examples=300, deadline=None)
@given(text=HOSTILE)
def test_no_text_behind_sshds_other_words_becomes_a_login(text):
    for beginning in ("Connection closed by invalid user ", "Postponed publickey for ", "User "):
        assert read_sshd_line(beginning + strnvis(text)) is None

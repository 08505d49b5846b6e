"""Every format string that sshd logs with is known, and those about logins have lines."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from watchtower_agent import event

CORPUS = Path(__file__).with_name("corpus")
CAPTURE = CORPUS / "capture"
sys.path.append(str(CAPTURE))
import expected  # noqa: E402  # it is found only by the line above
import printed  # noqa: E402  # likewise

CONTRACT = Path(__file__).parents[2] / "docs" / "api" / "collector-api.md"
FORMATS = {known["format"]: known for known in printed.formats()}
CONCERNING = [text for text, known in FORMATS.items() if known["concerns"]]
LINES = [
    json.loads(line)
    for path in sorted((CORPUS / "sshd").glob("*.jsonl"))
    if path != printed.FORMATS
    for line in path.read_text(encoding="utf-8").splitlines()
]
VERSIONS = ["8.4", "9.2", "10.0"]
# Why a format string is no event of its own; README.md in the folder capture explains them.
BECAUSE = {
    "after login",
    "configuration",
    "detail",
    "internal",
    "listener",
    "never printed",
    "not in Debian's build",
    "said again",
}
TYPES = {value for name, value in vars(event).items() if name.isupper() and isinstance(value, str)}


def documented_reasons():
    """Return "type/reason" for each reason in the contract's table."""
    table = CONTRACT.read_text(encoding="utf-8").partition("### Reasons")[2].partition("\n**")[0]
    found, event_type = set(), ""
    for row in re.findall(r"^\|(.*?)\|(.*?)\|", table, re.MULTILINE):
        event_type = row[0].strip(" `") or event_type
        found |= {f"{event_type}/{reason}" for reason in re.findall("`([a-z_]+)`", row[1])}
    return found


REASONS = documented_reasons()


@pytest.mark.parametrize("text", FORMATS)
def test_every_format_is_classified_in_the_words_of_the_contract(text):
    known = FORMATS[text]
    if known["concerns"] is None:
        assert known["because"] in BECAUSE
        return
    for concern in known["concerns"].split(" or "):
        assert concern in REASONS or concern in TYPES, concern


@pytest.mark.parametrize("text", CONCERNING)
def test_every_format_about_logins_has_a_line_that_it_printed(text):
    assert any(
        case.get("format") == text and printed.prints_whole(text, case["line"]) for case in LINES
    )


@pytest.mark.parametrize("case", LINES, ids=[case["line"][:70] for case in LINES])
def test_every_line_can_be_printed_by_the_format_that_it_names(case):
    if "format" in case:
        assert case["format"] in FORMATS
        assert printed.prints(case["format"], case["line"])
        return
    others = {*expected.FOREIGN.values(), *expected.OTHER_SOURCES}
    assert case["source"] in others, "neither a format of sshd's nor a known other source"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_has_captured_lines_of_every_type(version):
    captured = [case for case in LINES if case["from"].startswith(f"captured from {version}: ")]
    types = {case["says"]["type"] for case in captured if case["says"]}
    assert types >= {
        known["concerns"].split("/")[0] for known in FORMATS.values() if known["concerns"]
    }
    assert types >= {"session_opened", "session_closed"}


MAKEFILE = "SSHDOBJS=auth.o \\\n\tpacket.o\nLIBSSH_OBJS=\nSSHD_SESSION_OBJS= ${SSHDOBJS}\n"
AUTH_C = r"""
/* error("not this one"); */
static void
first(int level)
{
    int pri = SYSLOG_LEVEL_VERBOSE;

    error("one, %s: "
        "\"two\"", name(a, b));
    debug("not this one");
    fatal_fr(r, "three");
    verbose("%s: four", __func__);
#ifdef NEVER
    logit("five %" PRIu64 "!", x);
#endif
    if (level) /* twice */
        pri = SYSLOG_LEVEL_INFO;
    do_log2(pri, "six");
    do_log2(level ? SYSLOG_LEVEL_DEBUG1 : SYSLOG_LEVEL_ERROR, "seven");
    ssh_packet_disconnect(ssh, "eight %d", 8);
    sshpkt_fatal(ssh, r, "%s: nine", __func__);
    logdie("ten %s", remote_id);
}
"""
EXTRACTED = {
    'error: one, %s: "two"': ["error"],
    "fatal: first: three: %s": ["fatal"],
    "first: four": ["verbose"],
    "five %llu!": ["info"],
    "six": ["info", "verbose"],
    "error: seven": ["error"],
    "Disconnecting {remote}: eight %d": ["info"],
    "first: nine: Connection from {remote}: %s": ["info"],
    "ten {remote}": ["info"],
}


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "Makefile.in").write_text(MAKEFILE)
    (tmp_path / "auth.c").write_text(AUTH_C)
    return tmp_path


def extract(target, *arguments):
    command = [sys.executable, str(CAPTURE / "formats.py"), str(target), *arguments]
    subprocess.run(command, check=True)
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def test_the_inventory_reads_every_kind_of_log_call(sources, tmp_path):
    found = extract(tmp_path / "formats.jsonl", f"9.2={sources}")
    assert {known["format"]: known["levels"] for known in found} == EXTRACTED
    assert all(known["sites"] == {"auth.c, first()": ["9.2"]} for known in found)
    assert all(known["concerns"] == "?" for known in found)


def test_the_inventory_keeps_what_was_classified_by_hand(sources, tmp_path):
    target = tmp_path / "formats.jsonl"
    judged = {"format": "six", "concerns": None, "because": "detail"}
    target.write_text(json.dumps(judged) + "\n")
    found = {known["format"]: known for known in extract(target, f"9.2={sources}")}
    assert found["six"]["because"] == "detail"
    assert found["ten {remote}"]["concerns"] == "?"


INVALID_USER = "Invalid user %.100s from %.100s port %d"
CLOSED = "Connection closed by {remote}"


@pytest.mark.parametrize(
    ("text", "line", "whole"),
    [
        (INVALID_USER, "Invalid user x from 192.0.2.7 port 1", True),
        (INVALID_USER, "Invalid user x from 192.0.2.7 port", False),
        (INVALID_USER, "Invalid user " + "x" * 101 + " from 192.0.2.7 port 1", False),
        (INVALID_USER, "Invalid user " + r"\377" * 100 + " from 192.0.2.7 port 1", True),
        (CLOSED, "Connection closed by 192.0.2.7 port 1 [preauth]", True),
        (CLOSED, r"Connection closed by invalid user \\377\\\\ 192.0.2.7 port 1 [preauth]", True),
        (CLOSED, "Connection closed by user x ::1 port 1", True),
        (CLOSED, "Connection closed by x ::1 port 1", False),
        (CLOSED, "Connection closed by invalid user " + "x" * 500, False),
        ("error: fork: %.100s", "error: fork: ", True),
        ("error: fork: %.100s", "fork: x", False),
    ],
)
def test_a_format_prints_its_own_lines_only(text, line, whole):
    assert printed.prints_whole(text, line) is whole


def test_a_line_that_was_cut_off_is_the_beginning_of_its_format_and_of_no_other():
    line = ("Connection closed by invalid user " + "x" * 500)[: printed.LONGEST]
    assert [text for text in FORMATS if printed.prints(text, line)] == [
        CLOSED,
        "Connection closed by %.100s port %d",
    ]

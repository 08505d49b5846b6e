"""What is listed for programs: ``--json`` and ``--csv``, which spreadsheets open, too."""

import csv
import io
import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchtowerctl.commands import audit, hosts, stats, token
from watchtowerctl.documents import defused

LISTS = {
    "hosts": ("GET /hosts", hosts.FIELDS),
    "stats": ("GET /stats", stats.FIELDS),
    "token list": ("GET /admin/tokens", token.FIELDS),
    "audit": ("GET /admin/audit", audit.FIELDS),
}
HOSTILE = "\x1b[31mx\u202e"
each_list = pytest.mark.parametrize("command", LISTS)


@pytest.fixture
def listing(asking, stand_in):
    """Let a command list these documents, and return what it prints as CSV."""

    def list_them(command, *documents):
        route, _ = LISTS[command]
        answer = {"total": 1, "counts": documents} if command == "stats" else documents
        stand_in.answer(route, answer)
        with asking.start(*command.split(), "--csv", stdout=subprocess.PIPE) as process:
            out = process.communicate()[0]
        assert process.returncode == 0
        return out

    return list_them


def read(output):
    """Return the header of CSV, and its rows by the names in it."""
    header, *rows = csv.reader(io.StringIO(output, newline=""), strict=True)
    return header, [dict(zip(header, row, strict=True)) for row in rows]


def cell(value):
    """Return how CSV has a value of JSON."""
    if isinstance(value, str):
        return "'" + value if value.startswith(("=", "+", "-", "@")) else value
    return "" if value is None else json.dumps(value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["hosts"],
        ["token", "list"],
        ["audit", "--path", "/hosts", "--path", "/admin/tokens"],
        ["audit", "--path", "/hosts", "--path", "/admin/tokens", "--limit", "2"],
        ["stats", "--since", "2026-03-14"],
        ["stats", "--since", "2026-03-14", "--by", "flagged"],
        ["stats", "--since", "2026-03-14", "--by", "user", "--interval", "day", "--top", "1"],
    ],
    ids=" ".join,
)
def test_csv_has_what_json_has(ctl, post, arguments):
    post(
        {"hostname": "=1+1", "user": "@SUM(1)", "flagged": True, "source_ip": "::1"},
        {"hostname": "+1", "user": "@SUM(1)", "type": "sudo"},
        {"hostname": "ä, b", "user": 'al"ice', "type": "login_failed"},
    )
    for host in ("=1+1", "web-1"):
        ctl("token", "create", host)
    ctl("token", "revoke", "2")
    ctl("hosts")
    documents = [json.loads(line) for line in ctl(*arguments, "--json")[0].splitlines()]
    header, rows = read(ctl(*arguments, "--csv")[0])
    # The last count of an interval alone has that field.
    sometimes = {"other"} if arguments[0] == "stats" else set()
    assert documents
    assert set(header) == set().union(*documents) | sometimes
    assert rows == [{name: cell(document.get(name)) for name in header} for document in documents]


@each_list
def test_lines_are_those_of_rfc_4180(listing, command):
    _, (one, other, third, *rest) = LISTS[command]
    document = {one: 'a "b"', other: "c,\nd", third: True, "new": {"e": [1.5, None, "ä"]}}
    nothing = "," * len(rest)
    assert listing(command, document, {third: False}).decode() == (
        f"{','.join(LISTS[command][1])},new\r\n"
        f'"a ""b""","c,\nd",true{nothing},"{{""e"":[1.5,null,""ä""]}}"\r\n'
        f",,false{nothing},\r\n"
    )


@each_list
def test_without_a_row_there_is_still_the_header(listing, command):
    assert listing(command).decode() == ",".join(LISTS[command][1]) + "\r\n"


@each_list
def test_no_cell_is_a_formula(listing, command):
    _, fields = LISTS[command]
    hostile = dict.fromkeys(fields, "=HYPERLINK(1)") | {fields[0]: -1, "new": ["x;=1"]}
    _, (row,) = read(listing(command, hostile).decode())
    shown = dict.fromkeys(fields, "'=HYPERLINK(1)") | {fields[0]: "-1", "new": '["x;\'=1"]'}
    assert row == shown


@each_list
def test_no_escape_sequence_reaches_the_terminal(listing, asking, command):
    listing(command, dict.fromkeys(LISTS[command][1], HOSTILE))
    sent = asking.on_terminal(*command.split(), "--csv")
    assert "\\x1b[31mx\\u202e,\\x1b[31mx\\u202e" in sent
    assert "\x1b" not in sent
    assert "\u202e" not in sent


@each_list
def test_json_and_csv_are_refused_before_anybody_is_asked(unconfigured, command):
    _, err = unconfigured(*command.split(), "--json", "--csv", status=2)
    assert "--json and --csv exclude each other: give one of them" in err


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_nothing_is_printed_of_an_answer_that_is_an_error(asking, stand_in, form):
    stand_in.refuse("GET /admin/audit", 401, "wrong key")
    assert asking("audit", form, status=77)[0] == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a-b=c", "a-b=c"),
        ("=1+1", "'=1+1"),
        ("\uff1d1", "'\uff1d1"),
        ("\tx", "'\tx"),
        ("\n=1", "'\n'=1"),
        (' "=1', "' \"=1"),
        ("\u00a0\u200b=1", "'\u00a0\u200b=1"),
        ("\u3164=1", "'\u3164=1"),
        ("x;=1", "x;'=1"),
        ("x\r\n@1", "x\r\n'@1"),
        ("TTY=pts/0 ; COMMAND=/bin/ls -l; a-b", "TTY=pts/0 ; COMMAND=/bin/ls -l; a-b"),
    ],
)
def test_what_a_spreadsheet_takes_for_a_formula_is_defused(text, shown):
    assert defused(text) == shown


SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
IGNORED = '\x00\x08\x0b\x0c\x0e\x1f "\x7f\x9f\xa0\xad\u1680\u180e\u2000\u200f\u2028\u202e\u202f'
IGNORED += "\u205f\u2064\u3000\ufeff"


@given(st.text(alphabet=f"{SIGNS}{IGNORED};,\t\r\n'x1ä", max_size=12))
def test_it_is_what_the_collector_does(text):
    """Both kinds of CSV are opened in the same spreadsheets."""
    from watchtower_collector.rendering import _cell  # noqa: PLC0415  # this test alone

    assert defused(text) == _cell(text)

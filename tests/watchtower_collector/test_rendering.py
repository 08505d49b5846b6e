import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchtower_collector.event import event_row, parse_event
from watchtower_collector.rendering import (
    FIELDS,
    csv_header,
    event_document,
    render_csv,
    render_json,
    render_json_lines,
)
from watchtower_collector.store.schema import EVENTS

EVENT = {"type": "login", "timestamp": "2026-03-14T09:26:53Z", "hostname": "web-1"}


def row(**fields):
    return {**event_row(parse_event({**EVENT, **fields}), 0), "id": 1}


def cells(*rows):
    text = (csv_header() + render_csv(rows)).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_an_event_goes_out_as_it_came_in():
    given = {**EVENT, "event_id": "ab" * 16, "user": "älice", "trusted": True, "tty": "pts/0"}
    document = event_document(row(**given))
    assert document == {**document, **given, "timestamp": "2026-03-14T09:26:53.000000Z"}
    assert document["method"] is None


def test_every_column_that_a_client_may_see_is_a_field():
    internal = {"source_addr", "extra"}
    assert set(FIELDS) == {column.name for column in EVENTS.columns} - internal


def test_a_newer_agents_field_does_not_hide_one_of_ours():
    kept = {**row(), "extra": '{"hostname": "other", "new": 1}'}
    assert event_document(kept)["hostname"] == "web-1"
    assert event_document(kept)["new"] == 1
    assert list(event_document(kept)) == [*FIELDS, "new"], "after ours"


def test_json_lines_is_one_event_a_line():
    lines = render_json_lines([row(user="a\nb\u2028c"), row()]).decode().split("\n")
    assert [json.loads(line)["hostname"] for line in lines[:-1]] == ["web-1", "web-1"]
    assert lines[-1] == ""
    assert json.loads(render_json([row()])) == [json.loads(lines[1])]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_no_cell_begins_like_a_formula(start):
    hostile = start + "HYPERLINK(1)"
    (line,) = cells(row(user=hostile, certificate_id=hostile, host_group=hostile))
    assert line["user"] == line["certificate_id"] == line["host_group"] == "'" + hostile


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x;=HYPERLINK(1)", "x;'=HYPERLINK(1)"),
        ("x\t=1+1", "x\t'=1+1"),
        ("x\r\n-1", "x\r\n'-1"),
        ('x; "@SUM(1)', "x;' \"@SUM(1)"),
        (" =1+1", "' =1+1"),
        ("\x0b+1", "'\x0b+1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("\ufeff\u200b=1", "'\ufeff\u200b=1"),
        ("TTY=pts/0 ; COMMAND=/bin/ls -l; a-b", "TTY=pts/0 ; COMMAND=/bin/ls -l; a-b"),
    ],
)
def test_a_formula_behind_a_separator_or_a_space_is_defused_too(text, shown):
    (line,) = cells(row(user=text))
    assert line["user"] == shown


HOSTILE = st.text(alphabet="=+-@\uff1d;,\t\r\n\"' \u00a0\x0bx1", max_size=12)


@given(HOSTILE, HOSTILE, HOSTILE, st.sampled_from(",;\t"))
@settings(max_examples=1_000, deadline=None)
def test_no_cell_begins_like_a_formula_whatever_separates_them(one, other, third, separator):
    """A spreadsheet takes the separator of its country, and spaces and quotes away."""
    lines = render_csv([row(user=one, method=other, raw_message=third, tty=one)]).decode()
    for line in csv.reader(io.StringIO(lines, newline=""), delimiter=separator):
        for cell in line:
            assert not cell.lstrip('\u00a0\x0b "\t\r\n').startswith(("=", "+", "-", "@", "\uff1d"))


@given(st.text(max_size=40))
def test_whatever_the_text_the_columns_hold(text):
    (line,) = cells(row(user=text, source_port=22, tty=text))
    assert line["user"].replace("'", "") == row(user=text)["user"].replace("'", "")
    assert line["source_port"] == "22"
    assert line["hostname"] == "web-1"
    tty = json.loads(line["extra"])["tty"]
    assert tty.replace("'", "") == row(user=text)["user"].replace("'", "")


def test_truth_is_written_as_in_json():
    (line,) = cells(row(flagged=True))
    assert (line["flagged"], line["ambiguous"]) == ("true", "false")

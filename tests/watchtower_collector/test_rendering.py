import csv
import io
import json

import pytest
from hypothesis import given
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


@given(st.text(max_size=40))
def test_whatever_the_text_the_columns_hold(text):
    (line,) = cells(row(user=text, source_port=22, tty=text))
    assert line["user"].removeprefix("'") == row(user=text)["user"].removeprefix("'")
    assert line["source_port"] == "22"
    assert line["hostname"] == "web-1"
    assert json.loads(line["extra"])["tty"] == row(user=text)["user"]


def test_truth_is_written_as_in_json():
    (line,) = cells(row(flagged=True))
    assert (line["flagged"], line["ambiguous"]) == ("true", "false")

"""The benchmark of the collector's intake runs, with few events and for a moment."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks/collector"
STORED = 500


@pytest.fixture
def ingest(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARK)
    # For the scripts that it starts.
    monkeypatch.setenv("PYTHONPATH", f"{BENCHMARK.parents[1] / 'src'}")
    import ingest  # noqa: PLC0415  # its folder is in the path only now

    return ingest


@pytest.fixture
def databases(ingest, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    return ingest.Databases(ingest.history(tmp_path, STORED), folder)


def test_a_history_is_made_once_and_has_the_skew_of_a_fleet(ingest, tmp_path):
    path = ingest.history(tmp_path, STORED)
    made = path.stat().st_mtime_ns
    assert ingest.history(tmp_path, STORED).stat().st_mtime_ns == made
    counts = "SELECT count(*), count(DISTINCT hostname), count(DISTINCT event_id) FROM events"
    with closing(sqlite3.connect(path)) as connection:
        (count, hosts, ids) = connection.execute(counts).fetchone()
    assert (count, ids) == (STORED, STORED)
    assert 50 < hosts < STORED


@pytest.mark.parametrize("batch", [0, 10])
def test_what_the_collector_acknowledges_is_stored(ingest, databases, batch):
    contestant = ingest.Contestant("collector")
    job = {"connections": 3, "batch": batch, "seconds": 0.5}
    with ingest.collector(databases.collector) as server:
        databases.post(contestant, databases.collector, [server], job)
    assert contestant.failures == {}
    assert contestant.rate > 0
    # The count of the events is the benchmark's own assertion; it began with the history.
    assert ingest.stored(databases.collector) > STORED


def test_both_baselines_store_events_too(ingest, databases):
    contestant = ingest.Contestant("naive")
    with ingest.naive(databases.naive) as server:
        job = {"connections": 3, "batch": 0, "seconds": 0.5}
        databases.post(contestant, databases.naive, [server], job)
    assert contestant.failures == {}
    assert ingest.stored(databases.naive) > STORED
    result = ingest.child("raw.py", databases.raw, 0.2, 10)
    assert ingest.stored(databases.raw) == STORED + result["events"] > STORED


def test_a_fleet_that_comes_back_loses_nothing(ingest, databases, capsys):
    with ingest.collector(databases.collector) as server:
        ingest.storm(server, databases.collector, 1_000)
    assert "events stored once 10000, lost 0" in capsys.readouterr().out


def test_an_event_that_is_acknowledged_and_not_stored_is_told(ingest, databases):
    with (
        ingest.collector(databases.collector) as server,
        pytest.raises(AssertionError, match="events are not stored"),
    ):
        ingest.storm(server, databases.raw, 3)

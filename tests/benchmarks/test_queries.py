"""The benchmark of questions runs, with few events, and its ways find the same."""

from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks/collector"


@pytest.fixture
def queries(monkeypatch, tmp_path):
    """The benchmark, with a few thousand events of its own and late pages among them."""
    monkeypatch.syspath_prepend(BENCHMARK)
    # For the collector that it starts.
    monkeypatch.setenv("PYTHONPATH", f"{BENCHMARK.parents[1] / 'src'}")
    import event_database  # noqa: PLC0415  # its folder is in the path only now
    import queries  # noqa: PLC0415  # likewise

    monkeypatch.setattr(event_database, "CACHE", tmp_path)
    monkeypatch.setattr(queries, "LATE", 3)
    monkeypatch.setattr("sys.argv", ["queries.py", "--events", "5000", "--repetitions", "2"])
    return queries


def test_each_kind_has_its_line(queries, capsys):
    queries.main()
    said = capsys.readouterr().out
    first, late, rare = (table.splitlines()[2:] for table in said.strip().split("\n\n"))
    made = queries.Questions()
    assert names(first) == {
        *made.common(),
        *(f"{one}, from the disk" for one in queries.ALSO_FROM_DISK),
    }
    assert names(late) < {*made.common()}
    assert {"the latest", "region"} < names(late)
    assert names(rare) == {*made.rare()}


def names(lines):
    return {line.split("|")[1].strip() for line in lines}


def test_ways_that_find_something_else_end_it(queries, monkeypatch):
    monkeypatch.setattr(queries, "by_store", lambda *_: 7)
    with pytest.raises(AssertionError, match="the ways differ"):
        queries.main()

import pytest

from watchtower_collector.accept import preferred

OFFERED = ("application/json", "text/csv", "application/jsonl")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV ; Q=0.5", "text/csv"),
        ("text/csv, application/json", "text/csv"),
        ("application/jsonl, text/csv", "application/jsonl"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("application/json;q=0, */*;q=0.1", "text/csv"),
        ("application/*;q=0, */*;q=0.1", "text/csv"),
        ("application/*;q=0.2, text/csv;q=0.1", "application/json"),
        ("application/json;q=0.1, application/*;q=0.2", "application/jsonl"),
        ("text/html, */*;q=0.8", "application/json"),
        ("text/csv;header=present;q=0.9, application/json;q=1.000", "application/json"),
        # Nothing of it can be had, or nothing of it is understood: as if it were not there.
        ("text/html", "application/json"),
        ("text/csv;q=0", "application/json"),
        ("text/csv;q=nan, text/csv;q=2, ;q=1, ,text", "application/json"),
    ],
)
def test_the_heaviest_that_can_be_had(accept, wanted):
    assert preferred(accept, OFFERED) == wanted

"""``watchtowerctl audit``."""

import json

ENTRIES = [
    {
        "id": number,
        "at": f"2026-03-14T09:26:5{number}.000000Z",
        "key": "current",
        "address": "127.0.0.1",
        "method": "GET",
        "path": path,
        "query": "user=\x1b[2J",
        "status": 200,
        "detail": None,
    }
    for number, path in ((2, "/hosts"), (1, "/events"))
]


def test_the_table_has_the_newest_last(asking, stand_in):
    stand_in.answer("GET /admin/audit", ENTRIES)
    out, err = asking("audit", "--since", "2026-03-14")
    _, first, second = out.splitlines()
    assert "/events" in first
    assert "user=\\x1b[2J" in first
    assert "2026-03-14 14:56:52+05:30" in second
    assert err == "2 requests, from 2026-03-14 00:00:00+05:30 to now.\n"


def test_programs_get_the_newest_first(asking, stand_in):
    stand_in.answer("GET /admin/audit", ENTRIES)
    out, _ = asking("audit", "--json", "--path", "/events", "--limit", "7")
    assert [json.loads(line) for line in out.splitlines()] == ENTRIES
    assert stand_in.requests[0].query == [("path", "/events"), ("limit", "7")]


def test_it_says_whether_there_are_more(asking, stand_in):
    stand_in.answer("GET /admin/audit", ENTRIES, Link='</admin/audit?cursor=x>; rel="next"')
    stand_in.answer("GET /admin/audit", ENTRIES)
    _, err = asking("audit", "--limit", "2")
    assert err == (
        "The newest 2 requests, from the beginning to now. "
        "There are more: --limit or --all shows them.\n"
    )
    assert asking("audit", "--limit", "2")[1] == "2 requests, from the beginning to now.\n"


def test_a_path_that_can_never_be_is_refused_before_anybody_is_asked(unconfigured):
    _, err = unconfigured("audit", "--path", "events", status=2)
    assert "--path 'events' can never be: paths begin with /" in err


def test_all_and_a_limit_are_refused_before_anybody_is_asked(unconfigured):
    _, err = unconfigured("audit", "--limit", "7", "--all", status=2)
    assert "--all and --limit exclude each other: give one of them" in err

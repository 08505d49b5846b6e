import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from watchtower_collector.store import StoreUnavailableError

LINK = re.compile(r'</(events\?[^>]*)>; rel="next"')


def error_of(response, status):
    assert response.status_code == status, response.text
    assert response.json()["status"] == "error"
    return response.json()["error"]


def minutes(count):
    return [f"2026-01-01T{n // 60:02}:{n % 60:02}:00Z" for n in range(count)]


def pages(client, admin, url):
    """Follow ``Link`` from page to page; give each response."""
    while url:
        response = client.get(url, headers=admin)
        assert response.status_code == 200, response.text
        yield response
        link = LINK.fullmatch(response.headers.get("link", ""))
        url = "/" + link.group(1) if link else None


def test_newest_first(client, make_event):
    client.post([make_event(timestamp=stamp) for stamp in minutes(3)])
    stamps = [event["timestamp"] for event in client.events()]
    assert stamps == sorted(stamps, reverse=True)


def test_an_event_as_a_client_sees_it(client, repository, agent):
    sample = json.loads((repository / "docs/examples/sample-event.json").read_bytes())
    assert client.post(sample).status_code == 201
    (event,) = client.events()
    assert {name: event[name] for name in sample} == sample
    assert event["received_at"].endswith("Z")


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("json", '"flagged":true,"trusted":false,"ambiguous":false'),
        ("jsonl", '"flagged":true,"trusted":false,"ambiguous":false'),
        ("csv", ",true,false,false,"),
    ],
)
def test_truth_is_no_number(client, make_event, admin, form, words):
    """To SQLite it is one, and to Python 1 equals True."""
    client.post(make_event(flagged=True, trusted=False))
    assert words in client.get(f"/events?format={form}", headers=admin).text


def test_no_cache_keeps_it(client, admin):
    assert client.get("/events", headers=admin).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "query",
    [
        "user=alice",
        "hostname=web-1",
        "source_ip=203.0.113.7",
        "source_ip=203.0.113.0/24",
        "method=password",
        "type=sudo",
        "region=eu",
        "host_group=web",
        "severity=high",
        "flagged=true",
        "since=2026-03-14",
        "since=2026-03-14T01:00:00%2B01:00",
        "since=2026-03-14T01:00:00+01:00",
        "q=ACCEPTED",
        "user=ali*",
        "user=carol&user=alice",
        "hostname=web-*",
        "source_ip=2001:db8::2&source_ip=203.0.113.0/24",
        "method=publickey&method=pass*",
        "type=sud*",
        "type=su&type=sudo",
        "region=us&region=e*",
        "host_group=w*",
        "severity=high&severity=higher",
        "user=alice&hostname=web-1&type=sudo&source_ip=203.0.113.0/24&since=2026-03-14&q=acc",
    ],
)
def test_every_filter(client, make_event, query):
    wanted = make_event(
        type="sudo",
        method="password",
        region="eu",
        host_group="web",
        severity="high",
        flagged=True,
        raw_message="accepted",
    )
    other = make_event(
        hostname="db-1", user="bob", source_ip="2001:db8::1", timestamp="2026-03-13T23:59:59Z"
    )
    client.post([wanted, other])
    assert [event["event_id"] for event in client.events("?" + query)] == [wanted["event_id"]]


def test_all_of_ipv6_is_not_all_of_ipv4(client, make_event):
    client.post([make_event(user="v4"), make_event(user="v6", source_ip="2001:db8::1")])
    for query, users in (
        ("?source_ip=::/0", {"v6"}),
        ("?source_ip=0.0.0.0/0", {"v4"}),
        ("?source_ip=::/0&source_ip=0.0.0.0/0", {"v4", "v6"}),
        ("?source_ip=::ffff:203.0.113.0/120", {"v4"}),
    ):
        assert {event["user"] for event in client.events(query)} == users


def test_until_is_not_included(client, make_event):
    client.post([make_event(timestamp=stamp) for stamp in minutes(3)])
    (event,) = client.events("?until=2026-01-01T00:01:00Z")
    assert event["timestamp"] == "2026-01-01T00:00:00.000000Z"


def test_the_last_hours(client, make_event):
    now = datetime.now(UTC)
    for age in (timedelta(minutes=10), timedelta(hours=3)):
        stamp = (now - age).strftime("%Y-%m-%dT%H:%M:%SZ")
        client.post(make_event(timestamp=stamp, user=str(age)))
    assert [event["user"] for event in client.events("?hours=1.5")] == ["0:10:00"]
    assert len(client.events("?hours=4")) == 2


def test_the_last_hours_have_no_end(client, make_event):
    """A host whose clock is ahead hides nothing from who asks at 3 a.m."""
    ahead = (datetime.now(UTC) + timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
    client.post(make_event(timestamp=ahead))
    assert len(client.events("?hours=1")) == 1
    assert len(client.events("?since=2026-01-01")) == 1


def test_an_instant_is_an_empty_range(client, make_event):
    client.post(make_event())
    assert client.events("?since=2026-03-14T09:26:53Z&until=2026-03-14T09:26:53Z") == []


def test_a_hundred_by_default(client, make_event, admin):
    client.post([make_event() for _ in range(101)])
    assert len(client.events()) == 100
    assert len(client.events("?limit=1000")) == 101


def test_pages_hold_every_event_once_while_others_arrive(client, make_event, admin):
    client.post([make_event(timestamp=stamp) for stamp in minutes(25)])
    before = [event["id"] for event in client.events()]
    seen = []
    for response in pages(client, admin, "/events?limit=10&hostname=web-1"):
        seen += [event["id"] for event in response.json()]
        client.post(make_event(timestamp="2026-01-02T00:00:00Z"))
    assert seen == before


@pytest.mark.parametrize("count", [9, 10, 20])
def test_the_last_page_has_no_link(client, make_event, admin, count):
    if count:
        client.post([make_event() for _ in range(count)])
    sizes = [len(page.json()) for page in pages(client, admin, "/events?limit=10")]
    assert sizes == [10] * (count // 10) + [count % 10] * bool(count % 10)


def test_the_link_keeps_the_filters(client, make_event, admin):
    client.post([make_event(user="a&b=c", flagged=True) for _ in range(3)])
    client.post([make_event(user="a") for _ in range(3)])
    first = "/events?limit=1&user=a%26b%3Dc&flagged=true&since=2026-01-01&source_ip=203.0.113.0/24"
    assert sum(len(page.json()) for page in pages(client, admin, first)) == 3


def test_the_link_keeps_every_value_of_a_filter(client, make_event, admin):
    wanted = [
        {"user": "a&b", "source_ip": "203.0.113.7"},
        {"user": "c*", "source_ip": "203.0.113.8"},
        {"user": "other", "type": "sudo"},
        {"user": "oto", "type": "su"},
    ]
    unwanted = [{"user": "c1"}, {"user": "a"}, {"user": "oto", "type": "login"}]
    client.post([make_event(**{"type": "sudo", **fields}) for fields in wanted + unwanted])
    first = (
        "/events?limit=1&user=a%26b&user=c[*]&user=ot*&source_ip=203.0.113.7/32"
        "&source_ip=203.0.113.8&type=sudo*&type=su"
    )
    found = [event["user"] for page in pages(client, admin, first) for event in page.json()]
    assert found == [fields["user"] for fields in reversed(wanted)]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a*", ["a", "a*", "a*b", "a[*]"]),
        ("a[*]", ["a*"]),
        ("a[*]*", ["a*", "a*b"]),
        ("a[[*]]", ["a[*]"]),
        ("CORP\\*", ["CORP\\x"]),
        ("*", ["CORP\\x", "a", "a*", "a*b", "a[*]"]),
    ],
)
def test_an_asterisk_at_the_end_stands_for_any_text(client, make_event, pattern, found):
    users = ["a", "a*", "a*b", "a[*]", "CORP\\x", ...]
    client.post([make_event(user=user) for user in users])
    assert sorted(event["user"] for event in client.events(f"?user={pattern}")) == found


def test_the_link_pins_the_start_of_the_last_hours(client, make_event, admin):
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    client.post([make_event(timestamp=stamp) for _ in range(3)])
    link = client.get("/events?limit=1&hours=1", headers=admin).headers["link"]
    assert "hours" not in link
    assert "since=20" in link


@pytest.mark.parametrize(
    ("query", "parameter", "allowed"),
    [
        ("usr=alice", "usr", "user, hostname, source_ip"),
        ("limit=0", "limit", "from 1 to 1000"),
        ("limit=1001", "limit", "from 1 to 1000"),
        ("limit=ten", "limit", "from 1 to 1000"),
        ("limit=", "limit", "from 1 to 1000"),
        ("hours=0", "hours", "above 0"),
        ("hours=nan", "hours", "above 0"),
        ("hours=1e9", "hours", "above 0"),
        ("hours=-1", "hours", "above 0"),
        ("since=yesterday", "since", "2026-01-31"),
        ("until=2026-02-30", "until", "2026-01-31"),
        ("hours=1&since=2026-01-01", "hours", "one of them"),
        ("since=2026-01-02&until=2026-01-01", "until", "before since"),
        ("since=2026-01-01T00:00:00.000001Z&until=2026-01-01", "until", "before since"),
        ("hours=1&until=2026-01-01", "until", "before since"),
        ("since=2026-01-02&until=2026-01-01&format=csv", "until", "before since"),
        ("type=logout", "type", "login, login_failed"),
        ("source_ip=web-1", "source_ip", "CIDR"),
        ("source_ip=1.2.3.4/33", "source_ip", "CIDR"),
        ("flagged=1", "flagged", "true or false"),
        ("format=xml", "format", "json, csv, jsonl"),
        ("cursor=nonsense", "cursor", "Link"),
        ("user=", "user", "leave it out"),
        ("q=" + "x" * 1_025, "q", "1 to 1024"),
        ("since=2026-01-01&since=2026-01-02", "since", "twice"),
        ("flagged=true&flagged=false", "flagged", "twice"),
        ("user=a&user=", "user", "leave it out"),
        ("user=a**", "user", "one * at its end"),
        ("hostname=*-1", "hostname", "[*]"),
        ("&".join(["region=a"] * 101), "region", "101 times: at most 100"),
        ("type=login&type=logout", "type", "login, login_failed"),
        ("type=x*", "type", "login, login_failed"),
        ("source_ip=203.0.113.7&source_ip=203.0.113.*", "source_ip", "CIDR"),
        ("user=a%00b", "user", "characters"),
    ],
)
def test_a_mistake_names_the_parameter_and_what_is_allowed(
    client, admin, query, parameter, allowed
):
    error = error_of(client.get(f"/events?{query}", headers=admin), 422)
    assert error["parameter"] == parameter
    assert allowed in error["message"]


def test_text_that_is_not_utf_8_finds_nothing_and_breaks_nothing(client, admin):
    response = client.get("/events?user=%ff%ed%a0%80", headers=admin)
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("key", [None, "wrong"])
def test_without_the_key_there_is_nothing_to_learn(client, key):
    headers = {} if key is None else {"X-Admin-Api-Key": key}
    for query in ("", "?limit=0", "?nonsense=1", "?format=csv"):
        error = error_of(client.get("/events" + query, headers=headers), 401)
        assert error == {"message": "not authorized"}


def test_the_agents_token_is_no_key(client, agent):
    headers = {"X-Admin-Api-Key": agent["X-Login-Alert-Token"]}
    error_of(client.get("/events", headers=headers), 401)


@pytest.mark.parametrize(
    ("how", "media_type"),
    [
        ({"url": "/events?format=csv"}, "text/csv; charset=utf-8"),
        ({"url": "/events", "accept": "text/csv"}, "text/csv; charset=utf-8"),
        ({"url": "/events?format=jsonl"}, "application/jsonl"),
        ({"url": "/events", "accept": "application/x-ndjson;q=1"}, "application/jsonl"),
        ({"url": "/events?format=json", "accept": "text/csv"}, "application/json"),
        ({"url": "/events", "accept": "text/html, */*"}, "application/json"),
        (
            {"url": "/events", "accept": "text/csv;q=0.2, application/jsonl;q=0.8"},
            "application/jsonl",
        ),
        ({"url": "/events", "accept": "text/csv;q=0, application/json;q=0.1"}, "application/json"),
    ],
)
def test_the_format_by_parameter_or_header(client, admin, how, media_type):
    headers = {**admin, "Accept": how.get("accept", "*/*")}
    assert client.get(how["url"], headers=headers).headers["Content-Type"] == media_type


@pytest.fixture
def many(client, make_event):
    """Three pages of the stream, several events sharing each instant."""
    for _ in range(5):
        client.post([make_event(timestamp=stamp) for stamp in minutes(500)])
    return client


def test_json_lines_hold_everything_that_matches(many, admin, make_event):
    many.post(make_event(hostname="other"))
    response = many.get("/events?format=jsonl&hostname=web-1", headers=admin)
    found = [json.loads(line)["id"] for line in response.text.splitlines()]
    assert len(found) == len(set(found)) == 2_500
    assert "link" not in response.headers


def test_csv_holds_everything_that_matches(many, admin):
    response = many.get("/events?format=csv", headers=admin)
    lines = list(csv.DictReader(io.StringIO(response.text, newline=""), strict=True))
    assert len({line["id"] for line in lines}) == 2_500
    assert "watchtower-events.csv" in response.headers["Content-Disposition"]
    assert response.headers["Cache-Control"] == "no-store"


def test_with_a_limit_lines_come_in_pages(many, admin):
    found = []
    for page in pages(many, admin, "/events?format=jsonl&limit=1000"):
        found += [json.loads(line)["id"] for line in page.text.splitlines()]
    assert len(found) == len(set(found)) == 2_500


def test_a_csv_without_events_has_its_header(client, admin):
    text = client.get("/events?format=csv", headers=admin).text
    assert text.startswith("id,")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("form", ["json", "csv", "jsonl"])
def test_a_store_in_trouble_is_a_503_not_half_an_answer(client, admin, monkeypatch, form):
    def fail(work):
        raise StoreUnavailableError("too_slow", "narrow it")

    monkeypatch.setattr(client.store, "read", fail)
    response = client.get(f"/events?format={form}", headers=admin)
    assert error_of(response, 503)["reason"] == "too_slow"
    assert "Retry-After" in response.headers

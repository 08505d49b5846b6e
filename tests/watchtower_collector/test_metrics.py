"""What Prometheus is told is what happened, and all of it is documented."""

import concurrent.futures
import re
import threading
import time

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from watchtower_collector.brake import BURST
from watchtower_collector.metrics import BUSY, OUTCOMES, REFUSALS
from watchtower_collector.room import QueueFullError, TooMuchAtOnceError
from watchtower_collector.store import StoreUnavailableError
from watchtower_collector.store.schema import HOSTS

EVENT = {"type": "login", "timestamp": "2026-03-14T09:26:53Z", "hostname": "web-1"}
KEY = "metrics-key-of-the-tests-0123456789abcdef"


@pytest.fixture
def environment(environment):
    return {**environment, "WATCHTOWER_METRICS_KEY": KEY}


@pytest.fixture
def scraped(client):
    """A function that returns a metric's value, by its name and labels."""

    def scrape():
        response = client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"].startswith("text/plain")
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(response.text)
            for sample in family.samples
        }

    return scrape


def test_events_are_counted_by_what_became_of_them(client, scraped, make_event):
    event = make_event()
    client.post(event)
    client.post([event, make_event(), make_event(), make_event(type="nonsense")])
    client.post(make_event(type="nonsense"))
    counted = scraped()
    assert [counted["watchtower_events_total", outcome] for outcome in OUTCOMES] == [3, 1, 2]
    assert counted["watchtower_commit_seconds_count",] == 2
    assert counted["watchtower_login_refusals_total", "invalid"] == 1


def test_refusals_are_counted_by_reason(client, admin, scraped, make_event):
    body = {"hostname": "web-1"}
    token = client.request("POST", "/admin/tokens", headers=admin, json=body).json()["token"]
    headers = {"X-Login-Alert-Token": token}
    client.request("POST", "/login", headers=headers, json=make_event(hostname="web-2"))
    client.request("POST", "/login", json=make_event())
    client.post([make_event()] * 1_001)
    counted = scraped()
    for reason in ("foreign_host", "wrong_token", "too_large"):
        assert counted["watchtower_login_refusals_total", reason] == 1
    assert counted["watchtower_login_refusals_total", "unable"] == 0
    assert counted["watchtower_other_requests_total", "201"] == 1


@pytest.fixture
def for_good(monkeypatch):
    """However slow this machine is, no try is given back to who shows wrong secrets."""
    monkeypatch.setattr("watchtower_collector.brake.SECONDS_EACH", 3600.0)


@pytest.mark.usefixtures("for_good")
def test_guessing_and_what_is_encoded_otherwise_are_counted_apart(client, agent, scraped):
    for _ in range(BURST + 2):
        client.request("POST", "/login", json={})
    brotli = {**agent, "Content-Encoding": "br"}
    client.request("POST", "/login", headers=brotli, content=b"{}")
    counted = scraped()
    for reason, times in (("wrong_token", BURST), ("too_many_wrong_tokens", 2), ("encoding", 1)):
        assert counted["watchtower_login_refusals_total", reason] == times


@pytest.fixture
def failing(client, monkeypatch):
    """A function: from then on, every event that is to be written meets an error."""

    def fail_with(error):
        async def fail(rows, sender):
            raise error

        monkeypatch.setattr(client.writer, "append", fail)

    return fail_with


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (QueueFullError(), "busy"),
        (TooMuchAtOnceError(), "busy"),
        (StoreUnavailableError("disk_full", "no space"), "unable"),
    ],
)
def test_too_much_is_told_from_a_store_in_trouble(client, scraped, failing, error, reason):
    failing(error)
    assert client.post(EVENT).status_code == 503
    counted = scraped()
    for other in ("busy", "unable"):
        assert counted["watchtower_login_refusals_total", other] == (other == reason)


def test_what_waits_and_trouble_show(client, scraped, make_event, monkeypatch):
    """The disk is full for a while, and two agents wait for their answers."""
    full, entered = threading.Event(), threading.Event()

    def append(rows):
        entered.set()
        full.wait(30)
        raise StoreUnavailableError("disk_full", "no space")

    monkeypatch.setattr(client.store, "append", append)
    # It does not find out meanwhile that there is room.
    monkeypatch.setattr("watchtower_collector.writer._PROBE_ILL_SECONDS", 60)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = [pool.submit(client.post, [make_event()] * 3) for _ in range(2)]
        assert entered.wait(30)
        deadline = time.monotonic() + 30
        while scraped()["watchtower_queue_events",] != 6:
            assert time.monotonic() < deadline
        full.set()
        assert [answer.result().status_code for answer in answers] == [503, 503]
    now = scraped()
    assert now["watchtower_queue_events",] == 0
    assert now["watchtower_up",] == 0


def test_the_state_is_that_of_the_moment(client, scraped, make_event):
    client.post(
        [
            make_event(hostname="web-1", type="heartbeat", spool_depth=7, trouble="no journal"),
            make_event(hostname="web-2"),
        ]
    )
    now = scraped()
    assert now["watchtower_up",] == 1
    assert now["watchtower_hosts",] == 2
    assert now["watchtower_hosts_silent",] == 0
    assert now["watchtower_hosts_in_trouble",] == 1
    assert now["watchtower_agents_spooled_events",] == 7
    assert now["watchtower_queue_capacity_events",] == 20_000
    assert now["watchtower_streams",] == 0
    assert now["watchtower_disk_size_bytes",] > now["watchtower_disk_free_bytes",] > 0
    assert now["watchtower_database_used_bytes",] > 0
    assert now["watchtower_wal_bytes",] > 0
    assert now["watchtower_resident_memory_bytes",] > 1 << 20
    assert now["watchtower_open_files",] > 3


def test_a_silent_host_is_counted(client, scraped, store, make_event):
    client.post([make_event(type="heartbeat"), make_event(hostname="never-beats")])
    store.write(lambda c: c.execute(sa.update(HOSTS).values(last_seen=1)))
    assert scraped()["watchtower_hosts_silent",] == 1


def test_the_key_opens_nothing_else(client, admin):
    bearer = {"Authorization": f"Bearer {KEY}"}
    assert client.get("/events", headers=bearer).status_code == 401
    assert client.get("/events", headers={"X-Admin-Api-Key": KEY}).status_code == 401
    assert client.get("/metrics", headers=admin).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"bearer {KEY}"},
        {"Authorization": f"BEARER  {KEY}"},
        {"Authorization": f"Bearer {KEY}", "X-Admin-Api-Key": ""},
    ],
)
def test_the_key_opens_however_it_is_shown(client, headers):
    assert client.get("/metrics", headers=headers).status_code == 200


@pytest.mark.usefixtures("for_good")
def test_the_admins_key_is_taken_after_many_scrapes_without_any(
    run_app, environment, store, admin
):
    """Prometheus on the collector's host, before it has a key of its own."""
    del environment["WATCHTOWER_METRICS_KEY"]
    with run_app(environment, store) as client:
        scrapes = [client.get("/metrics").status_code for _ in range(BURST + 1)]
        assert scrapes == [401] * BURST + [429]
        assert client.get("/metrics", headers=admin).status_code == 200
        assert client.get("/events", headers=admin).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": KEY},
        {"Authorization": "Bearer x"},
        {"Authorization": f"Basic {KEY}"},
        {"X-Admin-Api-Key": "x"},
    ],
)
def test_without_a_key_it_is_closed(client, headers):
    assert client.get("/metrics", headers=headers).status_code == 401


def test_without_a_key_of_its_own_it_is_for_admins(run_app, environment, store, admin):
    del environment["WATCHTOWER_METRICS_KEY"]
    with run_app(environment, store) as client:
        assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401
        assert client.get("/metrics", headers=admin).status_code == 200


def test_every_metric_is_documented_and_no_other(repository, scraped):
    page = (repository / "docs/operations/monitoring.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `watchtower_")]
    documented = {name for row in rows for name in re.findall(r"`(watchtower_\w+)", row)}
    scraped()  # counts itself only when it is answered
    real = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for name, *_ in scraped()
        if name.startswith("watchtower_") and not name.endswith("_created")
    }
    assert documented == real
    reasons = re.search(r"watchtower_login_refusals_total.*?\|(.*?)\|", page)[1]
    assert set(re.findall(r"`(\w+)`", reasons)) == {*REFUSALS.values(), BUSY}
    used = set(re.findall(r"watchtower_\w+", page.partition("## Alerts")[2]))
    assert used <= real


def test_one_hosts_claims_do_not_break_the_sum_of_all(client, scraped, make_event):
    client.post(
        [
            make_event(hostname=f"web-{n}", type="heartbeat", spool_depth=(1 << 63) - 1)
            for n in range(3)
        ]
    )
    assert scraped()["watchtower_agents_spooled_events",] > 1 << 63


def test_a_defect_is_counted(client, scraped, make_event, failing):
    failing(KeyError("a defect"))
    assert client.post(make_event()).status_code == 500
    assert scraped()["watchtower_login_refusals_total", "defect"] == 1

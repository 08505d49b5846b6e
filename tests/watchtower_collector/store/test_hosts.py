"""What is known of each host goes with the events that say it."""

import pytest
import sqlalchemy as sa

from watchtower_collector.event import event_row, parse_event
from watchtower_collector.store.schema import HOSTS

SECOND = 1_000_000


@pytest.fixture
def say(store):
    """A function that stores events of ``web-1``, received at a second, in one commit."""

    def store_them(at, *events):
        rows = [
            event_row(parse_event({"hostname": "web-1", **event}), received_at=int(at * SECOND))
            for event in events
        ]
        store.append(rows)

    return store_them


@pytest.fixture
def known(store):
    """A function that returns what is known of a host, or nothing."""

    def look(hostname="web-1"):
        def work(connection):
            return connection.execute(
                sa.select(HOSTS).where(HOSTS.c.hostname == hostname)
            ).one_or_none()

        return store.read(work)

    return look


def at(second):
    return f"1970-01-01T00:{second // 60:02}:{second % 60:02}Z"


def login(second, **fields):
    return {"type": "login", "timestamp": at(second), "user": f"user-{second}", **fields}


def heartbeat(second, **fields):
    return {"type": "heartbeat", "timestamp": at(second), **fields}


def test_a_host_is_known_by_its_first_event(say, known):
    say(100, {"type": "sudo", "timestamp": at(90)})
    host = known()
    assert (host.first_seen, host.last_seen) == (100 * SECOND, 100 * SECOND)
    assert host.last_login is host.last_heartbeat is None
    assert known("web-2") is None


def test_last_seen_is_by_the_collectors_clock(say, known):
    say(100, login(90))
    say(200, {"type": "sudo", "timestamp": at(30)})
    assert (known().first_seen, known().last_seen) == (100 * SECOND, 200 * SECOND)


def failed(**fields):
    return {"type": "login_failed", "timestamp": at(90), **fields}


@pytest.mark.parametrize(
    ("seconds", "noted"), [(0.5, False), (1, False), (1.1, True), (-0.5, True)]
)
def test_a_host_under_attack_is_written_once_a_second(say, known, seconds, noted):
    """The clock may have been put back, too."""
    say(100, failed())
    say(100 + seconds, failed())
    assert known().last_seen == (100 + seconds if noted else 100) * SECOND


@pytest.mark.parametrize(
    ("event", "column", "value"),
    [
        (login(91), "last_login_user", "user-91"),
        (heartbeat(91, spool_depth=3), "spool_depth", 3),
        (failed(region="eu-west"), "region", "eu-west"),
        (failed(), "host_group", None),
    ],
)
def test_what_is_new_is_noted_at_once(say, known, event, column, value):
    say(100, failed(host_group="web"))
    assert known().host_group == "web"
    say(100.5, event)
    assert getattr(known(), column) == value
    assert known().last_seen == 100.5 * SECOND


@pytest.mark.parametrize("together", [True, False], ids=["in one commit", "one after another"])
def test_the_last_login_is_the_latest_and_not_the_one_that_came_last(say, known, together):
    logins = [login(50), login(70, source_ip="203.0.113.7"), login(60)]
    if together:
        say(100, *logins)
    else:
        for each in logins:
            say(100, each)
    host = known()
    assert host.last_login == 70 * SECOND
    assert (host.last_login_user, host.last_login_source_ip) == ("user-70", "203.0.113.7")


@pytest.mark.parametrize("together", [True, False], ids=["in one commit", "one after another"])
def test_a_login_from_the_future_gives_way_to_the_next(say, known, together):
    """A host whose clock was wrong for a while does not keep that login for ever."""
    logins = [login(3_000), login(90)]
    if together:
        say(100, *logins)
    else:
        for each in logins:
            say(100, each)
    assert known().last_login == 90 * SECOND


def test_a_failed_or_forged_login_is_none(say, known):
    say(100, {**login(90), "type": "login_failed"}, {**login(95), "trusted": False})
    assert known().last_login is None


def test_a_heartbeat_tells_how_the_agent_is(say, known):
    fields = {"agent_version": "0.1.0", "spool_depth": 7, "clock_offset_seconds": -2}
    say(100, heartbeat(90, trouble="journald is gone", **fields))
    host = known()
    assert (host.last_heartbeat, host.agent_version, host.spool_depth) == (
        100 * SECOND,
        "0.1.0",
        7,
    )
    assert (host.clock_offset_seconds, host.trouble) == (-2.0, "journald is gone")
    say(160, heartbeat(150, **fields), login(151))
    assert known().trouble is None, "the trouble is over"
    assert (known().spool_depth, known().last_login) == (7, 151 * SECOND)


@pytest.mark.parametrize("offset", ["soon", True, "1"])
def test_a_heartbeats_odd_fields_do_not_get_it_refused(say, known, offset):
    say(100, heartbeat(90, clock_offset_seconds=offset, trouble=5))
    assert known().last_heartbeat == 100 * SECOND
    assert (known().clock_offset_seconds, known().trouble) == (None, None)


def test_an_event_that_is_stored_already_says_nothing_new(say, known):
    """A replayed heartbeat does not make a silent host look alive."""
    once = heartbeat(90, event_id="1" * 32)
    say(100, once)
    say(500, once)
    assert known().last_seen == known().last_heartbeat == 100 * SECOND
    say(600, once, {"type": "sudo", "timestamp": at(590)})
    assert (known().last_seen, known().last_heartbeat) == (600 * SECOND, 100 * SECOND)


def test_what_was_refused_is_not_noted(say, known, store, make_row):
    bad = make_row(hostname="web-9", user="x")
    bad["source_addr"] = b"short"
    store.append([make_row(hostname="web-8"), bad])
    assert known("web-8") is not None
    assert known("web-9") is None

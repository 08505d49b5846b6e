"""What a heartbeat says and when it goes, with a real spool and a collector over TLS."""

import json
import time
import uuid
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import pytest

from watchtower_agent.collector import Collector
from watchtower_agent.event import Event, format_timestamp
from watchtower_agent.heartbeat import Heartbeat
from watchtower_agent.host import Host, Labels
from watchtower_agent.send import BATCH_EVENTS, Sender
from watchtower_agent.trouble import Trouble
from watchtower_agent.vitals import Vitals
from watchtower_collector.errors import error_response
from watchtower_collector.event import event_row, parse_event

NOW = 1_763_899_200  # 2025-11-23T12:00:00Z


def login(seconds_ago=0, text="x"):
    moment = format_timestamp((NOW - seconds_ago) * 1_000_000)
    return Event("login", moment, "h", uuid.uuid4().hex, {"raw_message": text})


@pytest.fixture
def vitals(spool, monkeypatch):
    monkeypatch.setattr("time.time", lambda: float(NOW))
    monkeypatch.setattr("time.time_ns", lambda: NOW * 10**9)
    return Vitals("1.2.3", spool.counters, Trouble())


@pytest.fixture
def heartbeat(vitals):
    return Heartbeat(Host("web-1", Labels(region="eu")), vitals, 60)


@pytest.fixture
def sender(spool, stand_in, tls, heartbeat, stop):
    collector = Collector(stand_in.url, "t" * 32, tls / "ca.pem", "1.2.3")
    yield Sender(spool, collector, heartbeat, stop)
    collector.close()


def types(stand_in):
    """Return for each request which types of events were in it."""
    return [{event["type"] for event in events} for _, _, events in stand_in.requests]


def test_all_that_it_says(spool, heartbeat, vitals):
    spool.add([login(90), login(30)], None)
    vitals.clock_offset_seconds = -7
    vitals.reading.begin("The journal cannot be read.")
    vitals._started = time.monotonic() - 90
    beat = json.loads(heartbeat.event(spool).to_json())
    assert len(beat.pop("event_id")) == 32
    assert beat == {
        "type": "heartbeat",
        "timestamp": "2025-11-23T12:00:00.000000Z",
        "hostname": "web-1",
        "region": "eu",
        "agent_version": "1.2.3",
        "started_at": "2025-11-23T12:00:00.000000Z",
        "uptime_seconds": 90,
        "clock_offset_seconds": -7,
        "spool_depth": 2,
        "spool_oldest_seconds": 90,
        "trouble": "The journal cannot be read.",
        "entries_read": 0,
        "events_spooled": 2,
        "events_acknowledged": 0,
        "events_rejected": 0,
        "events_dropped": 0,
    }


def test_what_is_not_so_is_left_out(spool, heartbeat):
    details = heartbeat.event(spool).details
    assert details["spool_depth"] == 0
    assert not {"spool_oldest_seconds", "clock_offset_seconds", "trouble"} & details.keys()


def test_an_event_from_the_future_is_not_of_a_negative_age(spool, heartbeat):
    spool.add([login(-3600)], None)
    assert heartbeat.event(spool).details["spool_oldest_seconds"] == 0


def test_a_damaged_event_does_not_silence_the_host(spool, heartbeat):
    spool.add([login(90)], None)
    spool._connection.execute("UPDATE events SET body = '{\"timestamp\": 7}'")
    assert heartbeat.event(spool).details["spool_depth"] == 1


def test_the_collector_takes_and_keeps_all_of_it(spool, heartbeat, vitals):
    spool.add([login(90)], None)
    vitals.clock_offset_seconds = 3
    vitals.reading.begin("x" * 5000)
    sent = json.loads(heartbeat.event(spool).to_json())
    row = event_row(parse_event(sent), 0)
    kept = json.loads(row["extra"])
    own = {"type", "timestamp", "hostname", "event_id", "region", "agent_version", "spool_depth"}
    assert kept == {name: value for name, value in sent.items() if name not in own}


def test_one_goes_at_once_and_the_next_after_the_interval(sender, stand_in, heartbeat):
    assert sender.step() == 0
    assert types(stand_in) == [{"heartbeat"}]
    assert 50 < heartbeat.due_in() <= 60


def test_one_that_fails_is_not_kept_and_due_again(sender, stand_in, spool, heartbeat):
    stand_in.script.append((503, {}, b""))
    assert sender.step() >= 0
    assert spool.depth() == 0
    assert heartbeat.due_in() <= 0
    sender.step()
    first, second = (events[0]["event_id"] for _, _, events in stand_in.requests)
    assert first != second


def test_a_long_backlog_does_not_silence_the_host(sender, stand_in, spool):
    spool.add([login() for _ in range(3 * BATCH_EVENTS)], None)
    for _ in range(4):
        sender.step()
    assert types(stand_in) == [{"login"}, {"heartbeat"}, {"login"}, {"login"}]
    assert stand_in.requests[1][2][0]["spool_depth"] == 2 * BATCH_EVENTS


def test_a_busy_host_beats_as_often_as_a_quiet_one(sender, stand_in, spool, heartbeat):
    heartbeat.delivered()
    spool.add([login()], None)
    sender.step()
    heartbeat._due_at -= 60
    spool.add([login()], None)
    sender.step()
    sender.step()
    assert types(stand_in) == [{"login"}, {"heartbeat"}, {"login"}]


def test_a_refused_heartbeat_does_not_hold_up_events(sender, stand_in, spool):
    def refuse_heartbeats(events):
        refused = any(event["type"] == "heartbeat" for event in events)
        return (403, {}, b"") if refused else None

    stand_in.script += [refuse_heartbeats] * 20
    spool.add([login() for _ in range(3 * BATCH_EVENTS)], None)
    for _ in range(8):
        sender.step()
    assert spool.depth() == 0


def test_the_counters_add_up(sender, stand_in, spool, heartbeat):
    spool._max_bytes = 200_000
    spool.add([login(text="y" * 900) for _ in range(300)], None)
    rejected = {"status": "rejected", "error": {"field": "user"}}

    def reject_the_first(events):
        results = [rejected, *[{"status": "ok"}] * (len(events) - 1)]
        return 201, {}, json.dumps({"results": results}).encode()

    heartbeat.delivered()
    stand_in.script += [reject_the_first, (422, {}, error_response(422, "no").body)]
    while spool.depth():
        sender.step()
    counted = spool.counters
    assert counted.events_rejected == 1
    assert counted.events_dropped > 100
    assert counted.events_spooled == 300 + 1  # and the report of the overflow
    gone = counted.events_acknowledged + counted.events_rejected + counted.events_dropped
    assert gone == counted.events_spooled


@pytest.mark.parametrize("ahead", [-3600, 0, 86400])
def test_the_clock_is_measured_by_the_answers(sender, stand_in, vitals, monkeypatch, ahead):
    date = formatdate(NOW - ahead, usegmt=True)
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: date)
    sender.step()
    assert abs(vitals.clock_offset_seconds - ahead) <= 1
    assert vitals.acknowledged_at == NOW


def test_an_answer_without_a_date_leaves_the_last_measurement(vitals):
    vitals.acknowledged(-7)
    vitals.acknowledged(None)
    assert vitals.clock_offset_seconds == -7

import json
import logging
import time
import uuid

import pytest

from watchtower_agent.collector import Collector
from watchtower_agent.event import Event
from watchtower_agent.heartbeat import Heartbeat
from watchtower_agent.host import Host
from watchtower_agent.send import BATCH_EVENTS, Sender
from watchtower_agent.spool import Spool
from watchtower_agent.trouble import Trouble
from watchtower_agent.vitals import Vitals
from watchtower_collector.errors import error_response

TOKEN = "s3cret-token-" + "x" * 32


def login(text="x", host="h"):
    return Event(
        "login", "2025-11-23T12:00:00.000000Z", host, uuid.uuid4().hex, {"raw_message": text}
    )


def heartbeat_of(spool):
    """Return a heartbeat that is not due before an hour has passed."""
    heartbeat = Heartbeat(Host("web-1"), Vitals("1.2.3", spool.counters, Trouble()), 3600)
    heartbeat.delivered()
    return heartbeat


@pytest.fixture
def sender(spool, stand_in, tls, stop):
    collector = Collector(stand_in.url, TOKEN, tls / "ca.pem", "1.2.3")
    yield Sender(spool, collector, heartbeat_of(spool), stop)
    collector.close()


def dead_letters(spool):
    return spool._connection.execute("SELECT reason, body FROM dead_letters").fetchall()


def test_events_go_in_order_and_leave_the_spool(spool, sender, stand_in):
    events = [login() for _ in range(BATCH_EVENTS + 3)]
    spool.add(events, None)
    assert sender.step() == 0
    assert sender.step() == 0
    assert [len(sent) for _, _, sent in stand_in.requests] == [BATCH_EVENTS, 3]
    assert list(stand_in.stored) == [event.event_id for event in events]
    assert spool.depth() == 0


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
def test_nothing_leaves_the_spool_without_an_acknowledgement(spool, sender, stand_in, status):
    spool.add([login(), login()], None)
    stand_in.script.append((status, {}, b""))
    sender.step()
    assert spool.depth() == 2
    sender.step()
    assert spool.depth() == 0
    assert len(stand_in.stored) == 2


def test_after_a_lost_acknowledgement_the_same_events_are_sent_again(spool, sender, stand_in):
    spool.add([login(), login()], None)
    stand_in.script.append("lost")
    sender.step()
    assert spool.depth() == 2
    assert sender.step() == 0
    assert stand_in.requests[0][2] == stand_in.requests[1][2]
    assert spool.depth() == 0


def test_retry_after_is_honoured(spool, sender, stand_in):
    spool.add([login()], None)
    stand_in.script.append((503, {"Retry-After": "20"}, b""))
    assert 20 <= sender.step() <= 21


def test_agents_that_were_told_the_same_do_not_return_together(spool, sender, stand_in):
    spool.add([login()], None)
    stand_in.script += [(503, {"Retry-After": "20"}, b"")] * 20
    waits = {sender.step() for _ in range(20)}
    assert len(waits) == 20
    assert max(waits) > 22


def test_a_wrong_token_is_said_once_and_tried_slowly(spool, sender, stand_in, caplog):
    spool.add([login()], None)
    stand_in.script += [(401, {}, b"")] * 3
    with caplog.at_level(logging.INFO):
        assert all(30 <= sender.step() <= 60 for _ in range(3))
        sender.step()
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert "WATCHTOWER_AGENT_TOKEN" in said[0]
    assert "takes events again" in said[1]
    assert TOKEN not in caplog.text
    assert spool.depth() == 0


def only_for(name):
    def answer(events):
        for index, event in enumerate(events):
            if event["hostname"] != name:
                message = f"this token speaks for {name}, and event {index} does not"
                body = error_response(403, message, reason="foreign_host", event=index).body
                return 403, {}, body
        return None

    return answer


def ask_again(sender, refused_after):
    """Let the time pass after which the collector is asked about a name again.

    It refused the name after a time of the monotonic clock, and before now.
    """
    for name, ask_at in sender._foreign._ask_at.items():
        assert refused_after + 30 <= ask_at <= time.monotonic() + 60
        sender._foreign._ask_at[name] = 0.0


def test_events_of_another_name_hold_up_no_others(spool, sender, stand_in, caplog):
    """The host had another name once, or for a while."""
    own = [login(f'"hostname":"old-{number}",') for number in range(1100)]
    for number, event in enumerate(own):
        spool.add([login(host=f"old-{number % 2}"), event], None)
    stand_in.script += [only_for("h")] * 40
    with caplog.at_level(logging.INFO):
        while len(stand_in.stored) < len(own):
            assert sender.step() == 0
    assert list(stand_in.stored) == [event.event_id for event in own]
    assert spool.depth() == 1100
    assert not dead_letters(spool)
    assert len(stand_in.requests) < 10
    (said,) = [record.message for record in caplog.records]
    assert "(403)" in said
    assert "Run playbooks/agents.yml for this host" in said


def test_a_token_for_another_name_is_said_once_and_tried_slowly(spool, sender, stand_in, caplog):
    """Until it is for that name."""
    spool.add([login(host="old"), login()], None)
    stand_in.script += [only_for("h")] * 6
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            before = time.monotonic()
            assert sender.step() == 0
            spool.add([login()], None)
            assert sender.step() == 0
            ask_again(sender, before)
        assert spool.depth() == 1
        assert len(stand_in.stored) == 4
        assert sender.step() == 0
    assert spool.depth() == 0
    assert not sender._foreign
    said = [record.message for record in caplog.records]
    assert ["takes events again" in line for line in said] == [False, True]
    assert TOKEN not in caplog.text
    assert not dead_letters(spool)


def test_a_heartbeat_goes_past_events_of_another_name(spool, sender, stand_in):
    sender._heartbeat._due_at = 0.0
    spool.add([login(host="old")], None)
    stand_in.script += [only_for("web-1")] * 2
    assert sender.step() == 0
    assert sender.step() == 0
    assert [event["type"] for event in stand_in.stored.values()] == ["heartbeat"]


def test_a_name_of_which_nothing_waits_is_forgotten(spool, sender, stand_in):
    """The spool was full, and its events were given up."""
    spool.add([login(host="old")], None)
    stand_in.script += [only_for("h")]
    before = time.monotonic()
    assert sender.step() == 0
    (event,) = spool.batch(1, 0)
    spool.settle([event.seq], [])
    ask_again(sender, before)
    sender._heartbeat._due_at = time.monotonic() + 0.2
    assert sender.step() == 0
    assert not sender._foreign


def test_whoever_says_it_of_no_event_is_asked_slowly(spool, sender, stand_in):
    spool.add([login()], None)
    for place in (None, 7, -1, "0"):
        body = error_response(403, "because", reason="foreign_host", event=place).body
        stand_in.script.append((403, {}, body))
        assert 30 <= sender.step() <= 60
    assert spool.depth() == 1


def test_another_reason_is_said_too(spool, sender, stand_in, caplog):
    spool.add([login()], None)
    stand_in.script += [(503, {}, b"disk_full")] * 2 + [(503, {}, b"locked")] * 2
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            sender.step()
    said = [record.message for record in caplog.records]
    assert ["disk_full" in line for line in said] == [True, False]
    assert "locked" in said[1]


@pytest.mark.parametrize("status", [400, 403, 413, 422])
def test_a_strangers_refusal_costs_no_event(spool, sender, stand_in, status, caplog):
    spool.add([login() for _ in range(1500)], None)
    stand_in.script += [(status, {}, b"<html>Blocked</html>")] * 40
    waits = [sender.step() for _ in range(40)]
    assert spool.depth() == 1500
    assert not dead_letters(spool)
    # A 413 is halved at once, from 500 to 1, in case a proxy cannot take as much.
    at_once = 8 if status == 413 else 0
    assert not any(waits[:at_once])
    assert all(waits[at_once:])
    assert max(waits) > 5
    (said,) = [record.message for record in caplog.records]
    assert "does not answer like a collector" in said
    assert str(status) in said
    while spool.depth():
        assert sender.step() == 0
    assert len(stand_in.stored) == 1500


PROXYS_413 = b""
OWN_413 = error_response(413, "send fewer events at a time").body


def only_small_ones(limit, body):
    def answer(events):
        if len(json.dumps(events)) > limit:
            return 413, {}, body
        return None

    return answer


@pytest.mark.parametrize("body", [PROXYS_413, OWN_413])
def test_a_batch_too_large_is_halved_until_it_fits(spool, sender, stand_in, body):
    spool.add([login("y" * 1000) for _ in range(16)], None)
    stand_in.script += [only_small_ones(6000, body)] * 30
    while spool.depth():
        assert sender.step() == 0
    assert len(stand_in.stored) == 16
    assert not dead_letters(spool)


def test_one_event_too_large_does_not_block_the_others(spool, sender, stand_in):
    poison = login("y" * 2000)
    spool.add([login(), login(), poison, login()], None)
    stand_in.script += [only_small_ones(1500, OWN_413)] * 30
    while spool.depth():
        assert sender.step() == 0
    assert len(stand_in.stored) == 3
    ((_, body),) = dead_letters(spool)
    assert json.loads(body)["event_id"] == poison.event_id


def test_a_refused_batch_is_searched_for_the_one_at_fault(spool, sender, stand_in):
    events = [login() for _ in range(9)]
    poison = events[6].event_id

    def answer(sent):
        if any(event["event_id"] == poison for event in sent):
            return 422, {}, error_response(422, "bad field").body
        return None

    spool.add(events, None)
    stand_in.script += [answer] * 40
    while spool.depth():
        assert sender.step() == 0
    assert len(stand_in.stored) == 8
    ((reason, body),) = dead_letters(spool)
    assert json.loads(body)["event_id"] == poison
    assert "bad field" in reason


def test_an_event_rejected_alone_becomes_a_dead_letter(spool, sender, stand_in, caplog):
    spool.add([login(), login()], None)
    rejected = {"results": [{"status": "rejected", "error": {"field": "user"}}, {"status": "ok"}]}
    stand_in.script.append((201, {}, json.dumps(rejected).encode()))
    assert sender.step() == 0
    assert spool.depth() == 0
    ((reason, _),) = dead_letters(spool)
    assert "user" in reason
    assert "dead letter" in caplog.text


@pytest.mark.parametrize("offset", [-250_000, 250_000, None])
def test_since_when_events_are_missing_is_told_by_a_clock_that_is_behind(
    spool, sender, stand_in, monkeypatch, offset
):
    """By this host's, for its journal is read again by that."""

    def answer(events):
        headers = {"Watchtower-Restored": f"{'1' * 32} 2025-11-23T12:00:00.000000Z"}
        body = {"status": "ok", "results": stand_in.store(events)}
        return 201, headers, json.dumps(body).encode()

    monkeypatch.setattr("watchtower_agent.collector.clock_offset", lambda *_: offset)
    spool.add([login()], None)
    stand_in.script.append(answer)
    sender.step()
    a_day_before = 1_763_899_200 - 86_400
    assert spool.look_back().since == (a_day_before + min(0, offset or 0)) * 1_000_000


def test_dropped_events_are_reported(tmp_path, stand_in, tls, stop):
    spool = Spool(tmp_path, 50_000)
    collector = Collector(stand_in.url, TOKEN, tls / "ca.pem", "1")
    sender = Sender(spool, collector, heartbeat_of(spool), stop)
    spool.add([login("y" * 500) for _ in range(200)], None)
    while spool.depth():
        sender.step()
    (report,) = [e for e in stand_in.stored.values() if e["type"] == "spool_overflow"]
    logins = [e for e in stand_in.stored.values() if e["type"] == "login"]
    assert f"{200 - len(logins)} events were dropped" in report["raw_message"]
    collector.close()
    spool.close()

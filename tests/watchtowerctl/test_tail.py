"""``watchtowerctl tail``: nothing is lost between two connections, and it ends when told to."""

import json
import signal
import subprocess


def stream(*events):
    return b"".join(
        f"id: {event['id']}\nevent: login\ndata: {json.dumps(event)}\n\n".encode()
        for event in events
    )


def events(first, last):
    return [
        {"id": number, "type": "login", "timestamp": "2026-03-14T09:26:53Z", "user": "\x1bu"}
        for number in range(first, last + 1)
    ]


def start(asking, *options):
    return asking.start(
        "tail", *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stop(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return out, err


def test_it_goes_on_where_it_was(asking, stand_in):
    stand_in.answer("GET /events/stream", b"id: 1\n\n" + stream(*events(2, 3)))
    stand_in.answer("GET /events/stream", {}, 503)
    stand_in.answer("GET /events/stream", b": alive\n\n" + stream(*events(4, 5)))
    with start(asking, "--json", "--user", "u*") as process:
        seen = [json.loads(process.stdout.readline()) for _ in range(4)]
        _, err = stop(process)
    assert seen == events(2, 5)
    assert process.returncode == 130
    assert "cannot answer now (503)" in err
    assert "Connected again." in err
    assert "Traceback" not in err
    assert "missing" not in err
    sent = [request.headers.get("last-event-id") for request in stand_in.requests]
    assert sent[:3] == [None, "3", "3"]
    assert stand_in.requests[1].query == [("user", "u*")]


def test_an_event_is_a_line(asking, stand_in):
    stand_in.answer("GET /events/stream", stream(*events(1, 1)))
    with start(asking) as process:
        assert process.stdout.readline() == "1  2026-03-14 14:56:53+05:30  login  \\x1bu\n"
        stop(process)


def test_what_may_be_missing_is_said(asking, stand_in):
    stand_in.answer("GET /events/stream", b": alive\n\n")
    stand_in.answer("GET /events/stream", stream(*events(1, 1)))
    with start(asking) as process:
        process.stdout.readline()
        _, err = stop(process)
    assert "events may be missing until the next connection" in err


def test_what_will_not_mend_itself_ends_it(asking, stand_in):
    stand_in.answer("GET /events/stream", stream(*events(1, 1)))
    stand_in.answer("GET /events/stream", {"error": {"message": "not authorized"}}, 401)
    _, err = asking("tail", status=77)
    assert "does not accept the admin key" in err


def test_the_first_connection_must_come_about(asking, stand_in):
    stand_in.answer("GET /events/stream", {"error": {"message": "busy"}}, 503)
    asking("tail", status=75)

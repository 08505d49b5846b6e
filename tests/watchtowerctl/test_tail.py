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
    with start(asking, "--json", "--user", "u*", "--type", "login") as process:
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
    assert stand_in.requests[1].query == [("user", "u*"), ("type", "login")]


def test_an_event_is_a_line(asking, stand_in):
    stand_in.answer("GET /events/stream", stream(*events(1, 1)))
    with start(asking) as process:
        shown = "1  2026-03-14 14:56:53+05:30  login  user=$'\\x1bu'\n"
        assert process.stdout.readline() == shown
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
    _, err = asking("tail", status=75)
    assert "Waiting" not in err


FORGED = {
    "id": 1,
    "type": "login_failed",
    "timestamp": "2026-03-14T09:26:53Z",
    "hostname": "web-1",
    "user": "root  from=10.0.0.5  method=publickey",
    "command": "id' target_user=root",
}


def test_no_name_can_pose_as_another_field(asking, stand_in):
    stand_in.answer("GET /events/stream", stream(FORGED))
    stand_in.answer("GET /events", [FORGED])
    with start(asking) as process:
        assert process.stdout.readline() == (
            "1  2026-03-14 14:56:53+05:30  login_failed  host=web-1 "
            "user='root  from=10.0.0.5  method=publickey' command=$'id\\' target_user=root'\n"
        )
        stop(process)
    row = asking("events")[0].splitlines()[1]
    assert "'root  from=10.0.0.5  method=publickey'" in row
    assert row.endswith("command=$'id\\' target_user=root'")


def test_it_says_that_it_waits_when_it_is_connected(ctl, collector, post):
    with start(ctl, "--host", "web-1", "--since", "10m") as process:
        waiting = process.stderr.readline()
        assert waiting == (
            f"Waiting for events of {collector.url}; Ctrl-C ends it. "
            "Heartbeats are left out: --heartbeats shows them.\n"
        )
        assert process.stderr.readline().startswith("No host web-1 is known")
        post({"user": "alice"})
        assert "user=alice" in process.stdout.readline()
        stop(process)


def test_it_begins_with_what_just_happened(ctl, post):
    post(*({"user": f"u{number}"} for number in range(5)), {"type": "heartbeat"})
    post({"user": "old", "timestamp": "2020-03-14T09:26:53Z"})
    with start(ctl, "--json", "-n", "3") as process:
        before = [json.loads(process.stdout.readline())["user"] for _ in range(3)]
        post({"user": "new"})
        after = json.loads(process.stdout.readline())["user"]
        stop(process)
    assert (before, after) == (["u2", "u3", "u4"], "new")
    with start(ctl, "--json", "--since", "2021-01-01") as process:
        seen = [json.loads(process.stdout.readline())["user"] for _ in range(6)]
        stop(process)
    assert seen == ["u0", "u1", "u2", "u3", "u4", "new"]


def test_events_of_the_future_are_named(ctl, post):
    post({"user": "now"}, {"user": "later", "timestamp": "9999-12-31T00:00:00Z"})
    with start(ctl, "-n", "1") as process:
        assert "user=later" in process.stdout.readline()
        assert process.stderr.readline().startswith("Waiting")
        assert process.stderr.readline() == (
            "1 event of these is of the future: events --until now shows the others.\n"
        )
        stop(process)


def test_what_is_stored_while_it_looks_back_comes_once(asking, stand_in):
    """The stream begins after 3; when it is asked what was before, 4 is stored already."""
    stand_in.answer("GET /events/stream", b"id: 3\n\n" + stream(*events(4, 5)))
    stand_in.answer("GET /events", list(reversed(events(1, 4))))
    with start(asking, "--json", "-n", "10") as process:
        seen = [json.loads(process.stdout.readline())["id"] for _ in range(5)]
        stop(process)
    assert seen == [1, 2, 3, 4, 5]

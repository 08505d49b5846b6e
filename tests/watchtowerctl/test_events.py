"""``watchtowerctl events`` against a real collector."""

import csv
import io
import json
import subprocess
import sys

import httpx
import pytest
from collector_process import ADMIN, DEADLINE

LEFT_OUT = "Heartbeats are left out: --heartbeats shows them."
HOSTILE = "\x1b[31m[bold]x\u202e"


def users(output):
    return [json.loads(line)["user"] for line in output.splitlines()]


def test_the_table_has_the_newest_last_in_the_admins_time_zone(ctl, post):
    post({"user": "early"}, {"user": "late", "timestamp": "2026-03-15T09:26:53Z"})
    out, err = ctl("events")
    header, first, second = out.splitlines()
    assert header.split() == ["ID", "Time", "Type", "Host", "User", "From", "Method", "Details"]
    assert "2026-03-14 14:56:53+05:30" in first
    assert "early" in first
    assert "late" in second
    assert err == f"2 events, from the beginning to now. {LEFT_OUT}\n"


def test_json_lines_begin_with_the_newest(ctl, post):
    post({"user": "early"}, {"user": "late", "timestamp": "2026-03-15T09:26:53Z"})
    assert users(ctl("events", "--json")[0]) == ["late", "early"]


@pytest.mark.parametrize(
    "options",
    [
        ["--user", "wanted"],
        ["--host", "db-1"],
        ["--type", "sudo"],
        ["--source", "198.51.100.0/24"],
        ["--method", "publickey"],
        ["--region", "eu"],
        ["--group", "databases"],
        ["--severity", "high"],
        ["--flagged"],
        ["--text", "needle"],
        ["-q", "needle"],
        ["--since", "2026-04-01"],
        ["--since", "2026-04-02 00:00", "--until", "2026-04-02T05:30:00+05:30"],
    ],
    ids=" ".join,
)
def test_every_filter_filters(ctl, post, options):
    wanted = {
        "user": "wanted",
        "hostname": "db-1",
        "type": "sudo",
        "source_ip": "198.51.100.7",
        "method": "publickey",
        "region": "eu",
        "host_group": "databases",
        "severity": "high",
        "flagged": True,
        "raw_message": "a needle here",
        "timestamp": "2026-04-01T18:30:00Z",
    }
    post({"user": "other"}, wanted)
    assert users(ctl("events", "--json", *options)[0]) == ["wanted"]


def test_what_is_not_flagged_can_be_asked_for(ctl, post):
    post({"user": "one", "flagged": True}, {"user": "other"})
    assert users(ctl("events", "--json", "--not-flagged")[0]) == ["other"]


def test_heartbeats_are_left_out_unless_they_are_asked_for(ctl, post):
    from watchtower_collector.event import EVENT_TYPES  # noqa: PLC0415  # this test alone

    post(*({"type": name, "user": name} for name in EVENT_TYPES))
    out, err = ctl("events", "--json")
    assert users(out) == [name for name in reversed(EVENT_TYPES) if name != "heartbeat"]
    assert err == LEFT_OUT + "\n"
    out, err = ctl("events", "--heartbeats", "--json")
    assert users(out) == list(reversed(EVENT_TYPES))
    assert err == ""
    out, err = ctl("events", "--type", "heart*")
    assert len(out.splitlines()) == 2
    assert err == "1 event, from the beginning to now.\n"


def test_events_of_the_future_hide_no_others(ctl, post):
    """They stand before all others for whoever asks for the newest."""
    post({}, {"timestamp": "9999-12-31T23:59:59Z"})
    future = "1 event of these is of the future: events --until now shows the others."
    _, err = ctl("events", "--limit", "1")
    assert future in err
    out, err = ctl("events", "--limit", "1", "--until", "now")
    assert "2026-03-14" in out
    assert "future" not in err
    post({"timestamp": "9999-12-31T00:00:00Z"})
    assert "2 events of these are of the future" in ctl("events")[1]


def test_it_says_whether_there_are_more(ctl, post):
    post({}, {}, {})
    assert ctl("events", "--limit", "2")[1] == (
        "The newest 2 events, from the beginning to now. "
        f"There are more: --limit or --all shows them. {LEFT_OUT}\n"
    )
    for options in (["--limit", "3"], ["--all"]):
        _, err = ctl("events", *options)
        assert err == f"3 events, from the beginning to now. {LEFT_OUT}\n"


def test_a_host_that_is_not_known_is_said(ctl, post):
    post({})
    said = "No host web-9 is known: watchtowerctl hosts shows those that are."
    for command in ("events", "stats", "hosts"):
        _, err = ctl(command, "--host", "web-9")
        assert err.splitlines()[1:] == [said]
    assert said not in ctl("events", "--host", "web-9", "--host", "web-*")[1]
    assert "No host" not in ctl("events", "--host", "web-1", "--user", "nobody")[1]


def test_what_is_no_utf_8_is_refused_by_its_option(unconfigured):
    _, err = unconfigured("events", "--user", b"\xff", status=2)
    assert "Invalid value for --user: '\\udcff' is not UTF-8" in err
    _, err = unconfigured("token", "create", b"web-\xff", status=2)
    assert "Invalid value for HOST: 'web-\\udcff' is not UTF-8" in err


def test_a_hostile_name_can_be_asked_for_as_it_is_shown(ctl, post):
    post({"user": "\x1b\u202e'\\ \u3164"}, {"user": "other"})
    shown = ctl("events")[0].splitlines()[1].split("web-1  ")[1].rstrip()
    line = f"{sys.executable} -m watchtowerctl events --json --user {shown}"
    environment = ctl.environment | {"LC_ALL": "C.UTF-8"}
    ended = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, check=True
    )
    assert users(ended.stdout) == ["\x1b\u202e'\\ \u3164"]


def test_an_option_given_several_times_is_sent_as_often(asking, stand_in):
    stand_in.answer("GET /events", [{"id": 1}])
    asking(
        "events",
        "--heartbeats",
        "--user",
        "a",
        "--user",
        "b*",
        "--host",
        "c",
        "--type",
        "su",
        "--type",
        "sudo",
    )
    (request,) = stand_in.requests
    assert request.query == [
        ("user", "a"),
        ("user", "b*"),
        ("hostname", "c"),
        ("type", "su"),
        ("type", "sudo"),
        ("type", "heartbeat"),
        ("limit", "50"),
    ]


def test_the_limit_is_kept_over_pages_and_all_means_all(ctl, post):
    for begin in (0, 1_000):
        post(*({"user": str(number)} for number in range(begin, begin + 1_000)))
    post({"user": "2000"})
    newest_first = [str(number) for number in range(2_000, -1, -1)]
    assert users(ctl("events", "--json")[0]) == newest_first[:50]
    assert users(ctl("events", "--json", "--limit", "1500")[0]) == newest_first[:1_500]
    assert users(ctl("events", "--json", "--all")[0]) == newest_first
    for options, wanted in ((["--limit", "1500"], 1_500), (["--all"], 2_001)):
        out, _ = ctl("events", "--csv", *options)
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        assert [row["user"] for row in rows] == newest_first[:wanted]


def test_csv_is_passed_through_as_it_is(ctl, collector, post):
    post({"user": HOSTILE, "raw_message": 'a "b"\r\nc, d'})
    with ctl.start("events", "--csv", stdout=subprocess.PIPE) as process:
        out = process.communicate()[0]
    url = f"{collector.url}/events?format=csv"
    assert out == httpx.get(url, headers=ADMIN, timeout=DEADLINE).content


@pytest.mark.parametrize("options", [[], ["--json"], ["--csv"]], ids=["table", "json", "csv"])
def test_no_escape_sequence_of_an_attacker_reaches_the_terminal(ctl, post, options):
    post({"user": HOSTILE, "hostname": HOSTILE, "raw_message": HOSTILE, "method": HOSTILE})
    sent = ctl.on_terminal("events", *options)
    assert "\x1b[31m" not in sent
    assert "\u202e" not in sent
    assert "[bold]x\\u202e" in sent


def test_a_pipe_gets_whole_cells_and_no_colours(ctl, post):
    post({"user": "u" * 900, "type": "login_failed", "certificate_id": "c" * 900})
    out, _ = ctl("events")
    assert "\x1b" not in out
    assert "u" * 900 in out
    assert "c" * 900 in out
    assert len(out.splitlines()) == 2


def test_in_a_pipe_one_long_name_pads_nobody_elses(ctl, post):
    post({"user": "alice", "method": "password"}, {"user": "u" * 1_000})
    header, *rows = ctl("events")[0].splitlines()
    assert len(rows[0]) < 200
    assert "u" * 1_000 in rows[1]
    assert header.index("Method") == rows[0].index("password")


def test_a_reader_that_has_seen_enough_is_no_mistake(ctl, post):
    post(*({"certificate_id": "x" * 1_000} for _ in range(500)))
    for options in (["--json"], ["--csv"], []):
        with ctl.start(
            "events", "--all", *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 141


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("when", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_time_at_the_end_of_the_calendar_is_refused(unconfigured, zone, option, when):
    unconfigured.environment["TZ"] = zone
    _, err = unconfigured("events", option, when, status=2)
    assert f"{option} {when!r} is too far away" in err


@pytest.mark.parametrize(
    ("zone", "when"),
    [
        ("America/New_York", "9999-12-31 23:00"),
        ("Asia/Kolkata", "9999-12-31T23:00:00Z"),
        ("America/New_York", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_that_this_zone_or_utc_cannot_show_is_refused(unconfigured, zone, when):
    unconfigured.environment["TZ"] = zone
    _, err = unconfigured("events", "--since", when, status=2)
    assert f"--since {when!r} is too far away" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--since", "someday"], "--since 'someday' is no point in time: say it like 2h"),
        (["--since", "1h", "--until", "2h"], "is not after --since"),
        (["--since", "2099-01-01"], "--since '2099-01-01' (2099-01-01 00:00:00+05:30) is still"),
        (["--since", "2026-02-30"], "--since '2026-02-30': there is no such day"),
        (["--json", "--csv"], "--json and --csv exclude each other"),
        (["--limit", "0"], "--limit"),
        (["--all", "--limit", "50"], "--all and --limit exclude each other: give one of them"),
        (["--nothing"], "--nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_command_line_is_refused_before_anybody_is_asked(unconfigured, options, said):
    _, err = unconfigured("events", *options, status=2)
    assert said in err


def test_a_value_the_collector_does_not_take_is_named_by_its_option(ctl):
    _, err = ctl("events", "--source", "nowhere", status=65)
    assert "does not take --source: must be an IPv4" in err
    _, err = ctl("events", "--type", "logon", status=65)
    assert "does not take --type logon: did you mean login? It must be one of login" in err
    _, err = ctl("events", "--type", "sudo*", "--type", "xyz*", status=65)
    assert "does not take --type 'xyz*': must be one of login" in err

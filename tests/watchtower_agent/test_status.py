"""``status``: its verdicts, and the whole command beside a real agent."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import SOURCE

from watchtower_agent import exit_status
from watchtower_agent.collector import Answer
from watchtower_agent.event import Event
from watchtower_agent.installation import RELEASE
from watchtower_agent.obstacle import Target, obstacle_of
from watchtower_agent.send import explain
from watchtower_agent.service import Service
from watchtower_agent.settings import read_settings
from watchtower_agent.spool import Position, Spool
from watchtower_agent.spool_file import DamagedSpoolError, NewerSpoolError, SpoolError
from watchtower_agent.spool_report import MissingSpoolError, SpoolReport
from watchtower_agent.status import Status
from watchtower_agent.status_text import status_json, status_text
from watchtower_agent.vitals import PublishedVitals

MANUAL = Path(SOURCE).parent / "docs/operations/agent-manual.md"
TOKEN = "s3cret-token-" + "x" * 32
NOW = 1_763_899_200  # 2025-11-23T12:00:00Z
RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "MainPID": "955",
    "StateChangeTimestamp": "Sun 2025-11-23 08:00:00 UTC",
}
STOPPED = {**RUNNING, "ActiveState": "inactive", "SubState": "dead", "MainPID": "0"}
VITALS = {
    "pid": 955,
    "version": "0.1.0",
    "release": str(RELEASE),
    "acknowledged_at": NOW - 30,
    "reading_trouble": "",
    "sending_trouble": "",
    "clock_offset_seconds": 1,
    "entries_read": 1234,
    "events_dropped": 0,
}
SPOOL = SpoolReport(
    position=Position("s=1", "b" * 32, (NOW - 2) * 1_000_000),
    waiting=0,
    oldest_at=None,
    size=0,
    dropped=0,
    dead_letters=0,
    refused_at=None,
    refusal="",
)


@pytest.fixture
def make_status(tmp_path):
    environment = {
        "WATCHTOWER_COLLECTOR_URL": "https://collector.example.org",
        "WATCHTOWER_AGENT_TOKEN": TOKEN,
        "STATE_DIRECTORY": str(tmp_path),
    }

    def make(*, service=None, vitals=None, spool=None, **changes):
        """Return the status of a well agent but for some changes; False leaves a part out."""
        properties = {**RUNNING, **(service or {})}
        fields = {
            "asked_at": NOW,
            "hostname": "web-1",
            "service": None if service is False else Service(properties),
            "vitals": None if vitals is False else PublishedVitals({**VITALS, **(vitals or {})}),
            "running": service is not False and properties["ActiveState"] == "active",
            "installed_version": "0.1.0",
            "settings": read_settings(environment),
            "mistakes": (),
            "spool": None if spool is False else SpoolReport(**{**vars(SPOOL), **(spool or {})}),
            "spool_error": None,
            "is_current_boot": True,
        }
        return Status(**{**fields, **changes})

    return make


def example(number):
    """Return an example of the manual page's."""
    page = MANUAL.read_text()
    part = re.search(r"^## watchtower-agent status\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)[1]
    return re.findall(r"```text\n(.*?)\n```", part, re.DOTALL)[number]


def test_all_is_well(make_status):
    assert status_text(make_status()) == example(0)
    assert make_status().findings() == []


def test_an_outage(make_status):
    nobody = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    obstacle = obstacle_of(nobody, Target("https://collector.example.org", None))
    status = make_status(
        vitals={
            "acknowledged_at": NOW - 3 * 3600,
            "sending_trouble": explain(Answer.unreachable(obstacle))[1],
            "sending_trouble_since": NOW - 3 * 3600 + 30,
            "clock_offset_seconds": -90,
            "events_dropped": 12,
        },
        spool={
            "waiting": 4711,
            "oldest_at": NOW - 3 * 3600 + 12,
            "size": 3_300_000,
            "dropped": 5,
            "dead_letters": 2,
            "refused_at": NOW - 3 * 86400,
            "refusal": "bad field",
        },
    )
    assert status_text(status) == example(1)
    assert status.findings()[0].exit_status == exit_status.NOT_SENDING


def test_a_fixed_name_that_is_not_the_hosts_own_is_shown(make_status, tmp_path):
    fixed = read_settings(
        {
            "WATCHTOWER_COLLECTOR_URL": "https://collector.example.org",
            "WATCHTOWER_AGENT_TOKEN": TOKEN,
            "WATCHTOWER_HOSTNAME": "web-7",
            "STATE_DIRECTORY": str(tmp_path),
        }
    )
    assert re.search("^Reports as +web-7$", status_text(make_status(settings=fixed)), re.MULTILINE)
    assert json.loads(status_json(make_status(settings=fixed)))["reports_as"] == "web-7"
    assert json.loads(status_json(make_status()))["reports_as"] == "web-1"
    same = make_status(settings=fixed, hostname="web-7")
    assert "Reports as" not in status_text(same)


WRONG = [
    ({"service": STOPPED}, 3, "the service does not run", "systemctl start"),
    (
        {"service": {**STOPPED, "ExecMainCode": "1", "ExecMainStatus": "73"}},
        3,
        "exit status 73: the spool cannot be used",
        "journalctl -u",
    ),
    (
        {"service": {**STOPPED, "SubState": "auto-restart", "ExecMainCode": "2"}},
        3,
        "systemd starts it again",
        "journalctl -u",
    ),
    (
        {"service": STOPPED, "mistakes": ("WATCHTOWER_AGENT_TOKEN: it is missing",)},
        3,
        "the service does not run",
        "watchtower-agent check",
    ),
    ({"service": {"LoadState": "not-found", "ActiveState": "inactive"}}, 3, "not installed", "pl"),
    ({"service": False, "vitals": False}, 3, "the agent does not run", "journalctl"),
    ({"vitals": {"reading_trouble": "No journal."}}, 4, "the journal is not read", "check"),
    ({"vitals": {"sending_trouble": "No."}}, 5, "nothing reaches the collector", "check"),
    (
        {"spool": False, "spool_error": NewerSpoolError("it has version 9")},
        70,
        "version 9",
        "ls -1t /opt/watchtower/agent/releases",
    ),
    ({"spool": False, "spool_error": DamagedSpoolError("damaged")}, 73, "damaged", "restart"),
    ({"spool": False, "spool_error": SpoolError("denied")}, 73, "denied", "check"),
    (
        {"spool": False, "spool_error": MissingSpoolError("gone")},
        73,
        "somebody removed",
        "restart",
    ),
    ({"vitals": False}, 6, "says nothing about itself", "restart"),
    ({"vitals": {"release": "/opt/other"}}, 6, "another release runs", "restart"),
    ({"spool": {"dropped": 7}}, 6, "7 events were dropped", "check"),
    ({"spool": {"refused_at": NOW - 3600}}, 6, "refused an event for good", "dead letter"),
    ({"mistakes": (".env, line 3: it has no = sign",)}, 6, "line 3", "check"),
    ({"vitals": {"clock_offset_seconds": 6}}, 6, "6 seconds ahead of the", "timedatectl"),
    ({"service": {"UnitFileState": "disabled"}}, 6, "does not start with the host", "enable"),
]


@pytest.mark.parametrize(("changes", "number", "what", "command"), WRONG)
def test_each_thing_that_is_wrong_has_its_words_and_its_number(
    make_status, changes, number, what, command
):
    status = make_status(**changes)
    found = status.findings()[0]
    assert found.exit_status == number
    assert number in exit_status.MEANINGS
    assert what in found.what
    assert command in found.command
    last = status_text(status).splitlines()[-1]
    assert last == f"WRONG: {found.what.rstrip('.')}. Type: {found.command}"
    assert json.loads(status_json(status))["exit_status"] == number


@pytest.mark.parametrize(
    "changes",
    [
        {"spool": {"dead_letters": 1, "refused_at": NOW - 86400, "refusal": "bad"}},
        {"vitals": {"clock_offset_seconds": -5}},
        {"vitals": {"clock_offset_seconds": None, "acknowledged_at": None}},
        {"vitals": {"events_dropped": 12}},
        {"spool": {"position": None}},
    ],
)
def test_what_is_past_or_small_is_no_alarm(make_status, changes):
    assert make_status(**changes).findings() == []


def test_the_gravest_decides(make_status):
    status = make_status(
        service={**STOPPED},
        spool=False,
        spool_error=DamagedSpoolError("damaged"),
        mistakes=("a", "b"),
    )
    assert [found.exit_status for found in status.findings()] == [3, 73, 6, 6]


def test_a_stopped_agent_has_no_spool_before_its_first_start(make_status):
    status = make_status(
        service=STOPPED, vitals=False, spool=False, spool_error=MissingSpoolError("no spool")
    )
    assert [found.exit_status for found in status.findings()] == [3]
    assert "Acknowledged  unknown" in status_text(status)


def test_nothing_from_outside_reaches_the_terminal_as_it_is(make_status):
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\n"
    text = status_text(
        make_status(
            vitals={"sending_trouble": evil, "version": evil},
            spool={"refused_at": NOW, "refusal": evil},
            mistakes=(evil,),
        )
    )
    assert all(character == "\n" or character.isprintable() for character in text)


@pytest.mark.parametrize("seconds", [1e300, -1e300, 1e15])
def test_impossible_times_are_no_error(make_status, seconds):
    status = make_status(
        vitals={
            "acknowledged_at": seconds,
            "sending_trouble": "x",
            "sending_trouble_since": seconds,
        },
        spool={"oldest_at": seconds, "position": Position("", "", int(seconds))},
    )
    assert "a time that no clock shows" in status_text(status)
    assert json.loads(status_json(status))["acknowledged_at"] is None


def test_json_is_one_flat_object(make_status):
    document = json.loads(status_json(make_status(spool={"oldest_at": NOW - 60, "waiting": 1})))
    assert document == {
        "exit_status": 0,
        "findings": [],
        "hostname": "web-1",
        "reports_as": "web-1",
        "asked_at": "2025-11-23T12:00:00.000000Z",
        "running": True,
        "service": "active",
        "installed_version": "0.1.0",
        "running_version": "0.1.0",
        "read_up_to": "2025-11-23T11:59:58.000000Z",
        "spool_depth": 1,
        "spool_oldest": "2025-11-23T11:59:00.000000Z",
        "spool_bytes": 0,
        "spool_max_bytes": 256 * 1024**2,
        "dropped_unreported": 0,
        "dead_letters": 0,
        "acknowledged_at": "2025-11-23T11:59:30.000000Z",
        "reading_trouble": None,
        "sending_trouble": None,
        "clock_offset_seconds": 1,
        "entries_read": 1234,
        "events_spooled": None,
        "events_acknowledged": None,
        "events_rejected": None,
        "events_dropped": 0,
    }


def test_json_of_what_is_unknown(make_status):
    status = make_status(
        service=False, vitals=False, spool=False, settings=None, spool_error=SpoolError("no")
    )
    document = json.loads(status_json(status))
    known = {"exit_status", "findings", "hostname", "asked_at", "running", "installed_version"}
    assert {name for name, value in document.items() if value is not None} == known


# The command


@pytest.fixture
def state(tmp_path):
    for name in ("state", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    return {
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "RUNTIME_DIRECTORY": str(tmp_path / "run"),
    }


def run_agent(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "watchtower_agent", *arguments],
        text=True,
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, **environment},
    )


@pytest.fixture
def daemon(state, stand_in, tls):
    """Start the agent as a process and return it with its environment."""
    environment = {
        **state,
        "WATCHTOWER_COLLECTOR_URL": stand_in.url,
        "WATCHTOWER_AGENT_TOKEN": TOKEN,
        "WATCHTOWER_CA_FILE": str(tls / "ca.pem"),
        "WATCHTOWER_BACKFILL_HOURS": "0",
        "WATCHTOWER_HEARTBEAT_SECONDS": "5",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "watchtower_agent"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process, environment
    process.kill()
    process.communicate()


def test_beside_a_real_agent_and_after_its_end(daemon, stand_in):
    process, environment = daemon
    stand_in.wait_until(lambda s: s.stored)
    deadline = time.monotonic() + 60
    # An answer that took long tells nothing of the clock; the next heartbeat's does.
    while (document := ask_for_json(environment))["clock_offset_seconds"] is None:
        assert time.monotonic() < deadline
    assert document["acknowledged_at"] is not None
    assert document["running"] is True
    assert document["sending_trouble"] is None
    assert abs(document["clock_offset_seconds"]) <= 1
    text = run_agent("status", **environment)
    assert "runs, started by hand" in text.stdout
    assert TOKEN not in text.stdout + text.stderr + json.dumps(document)

    process.send_signal(signal.SIGTERM)
    process.wait(30)
    spool = Spool(Path(environment["STATE_DIRECTORY"]), 10**7)
    spool.add([Event("login", "2025-11-23T12:00:00.000000Z", "h", "0" * 32)], None)
    spool.close()
    done = run_agent("status", **environment)
    assert done.returncode == exit_status.NOT_RUNNING
    assert "Waiting       1 event," in done.stdout


def ask_for_json(environment):
    return json.loads(run_agent("status", "--json", **environment).stdout)


def test_what_a_former_process_published_is_not_the_running_ones(state, tmp_path):
    """An agent that was started before an upgrade may publish nothing."""
    Path(state["RUNTIME_DIRECTORY"], "vitals.json").write_text(json.dumps(VITALS))
    for pid, words in ((955, "0.1.0 runs"), (956, "the running agent says nothing")):
        properties = "\n".join(f"{k}={v}" for k, v in {**RUNNING, "MainPID": pid}.items())
        (tmp_path / "answer").write_text(properties)
        (tmp_path / "systemctl").write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
        (tmp_path / "systemctl").chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        assert words in run_agent("status", **state, PATH=path).stdout


def test_it_needs_neither_settings_nor_requests(state, tmp_path):
    (tmp_path / "requests.py").write_text("raise ImportError('not here')")
    done = run_agent("status", **state, PYTHONPATH=f"{tmp_path}{os.pathsep}{SOURCE}")
    assert done.returncode == exit_status.NOT_RUNNING
    assert "WATCHTOWER_COLLECTOR_URL: it is missing" in done.stdout
    assert done.stderr == ""


def test_who_reads_no_further_ends_it_quietly(state):
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m watchtower_agent status | true"],
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, **state},
    )
    assert done.stderr == b""

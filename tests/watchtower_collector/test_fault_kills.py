"""``kill -9``, again and again, while events pour in: what was acknowledged is there, once."""

import http.client
import itertools
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from collector_process import AGENT, DEADLINE, REPOSITORY

KILLS = 100
SENDERS = 6

# Everything is imported once; each life is a fork of that, so that a hundred take seconds.
MOTHER = """
import os, sys
from watchtower_collector import server
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        os.environ["LISTEN_PID"] = str(os.getpid())
        os._exit(server.main([]))
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


class Lives:
    """One collector after the other, on a socket that outlives them as systemd's does."""

    def __init__(self, environment):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        number = self.listener.fileno()
        launcher = "import os, sys; os.dup2(int(sys.argv[1]), 3); exec(sys.argv[2])"
        self.mother = subprocess.Popen(
            [sys.executable, "-c", launcher, str(number), MOTHER],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(REPOSITORY / "src"),
                "LISTEN_FDS": "1",
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[number],
            text=True,
        )
        self.pid = None

    def begin(self):
        print("begin", file=self.mother.stdin, flush=True)
        self.pid = int(self.mother.stdout.readline())

    def end(self, number=signal.SIGKILL):
        os.kill(self.pid, number)
        assert self.mother.stdout.readline() == "ended\n"

    def close(self):
        self.mother.stdin.close()
        self.mother.wait(DEADLINE)
        self.mother.stdout.close()
        self.listener.close()


class Sender(threading.Thread):
    """Sends like an agent: the same events again until they are acknowledged, then new ones."""

    def __init__(self, port, number):
        super().__init__()
        self._port, self._number = port, number
        self._random = random.Random(number)
        self.acknowledged = {}  # the id that the collector gave, by event_id
        self.repeats = 0
        self.enough = threading.Event()

    def run(self):
        numbers = itertools.count(self._number << 64)
        connection = None
        while not self.enough.is_set():
            events = [self._event(next(numbers)) for _ in range(self._random.choice((1, 1, 40)))]
            while True:
                try:
                    if connection is None:
                        connection = http.client.HTTPConnection(
                            "127.0.0.1", self._port, timeout=DEADLINE
                        )
                    connection.request("POST", "/login", json.dumps(events), dict(AGENT))
                    answer = json.load(connection.getresponse())
                    break
                except (OSError, http.client.HTTPException, ValueError):
                    connection.close()
                    connection = None
                    self.repeats += 1
            for event, result in zip(events, answer["results"], strict=True):
                assert result["status"] in {"ok", "duplicate"}
                self.acknowledged[event["event_id"]] = result["id"]
        connection.close()

    def _event(self, number):
        return {
            "type": "login",
            "timestamp": "2026-03-14T09:26:53.589793Z",
            "hostname": f"web-{self._number}",
            "event_id": f"{number:032x}",
            "raw_message": "x" * self._random.randrange(300),
        }


@pytest.fixture
def lives(environment):
    lives = Lives(environment)
    yield lives
    lives.close()


def test_what_was_acknowledged_outlives_a_hundred_kills_and_nothing_comes_twice(
    lives, environment
):
    chance = random.Random(29)
    senders = [Sender(lives.port, number) for number in range(1, SENDERS + 1)]

    def acknowledged():
        return sum(len(sender.acknowledged) for sender in senders)

    lives.begin()
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        before = acknowledged()
        end = time.monotonic() + DEADLINE
        while acknowledged() == before:
            assert time.monotonic() < end, "nothing is acknowledged any more"
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        lives.end()
        lives.begin()
    for sender in senders:
        sender.enough.set()
    for sender in senders:
        sender.join(DEADLINE)
    lives.end(signal.SIGTERM)

    with sqlite3.connect(environment["WATCHTOWER_DB_PATH"]) as connection:
        rows = connection.execute("SELECT event_id, id FROM events").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        hosts = connection.execute("SELECT count(*) FROM hosts").fetchone()
    connection.close()
    promised = {}
    for sender in senders:
        promised |= sender.acknowledged
    stored = {event_id.hex(): id_ for event_id, id_ in rows}
    assert len(stored) == len(rows), "an event is stored twice"
    assert {e: stored.get(e) for e in promised} == promised, "what was acknowledged is lost"
    assert hosts == (SENDERS,)
    assert sum(sender.repeats for sender in senders) >= KILLS, "the kills met no load"

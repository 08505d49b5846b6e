"""Collectors that die one after the other, and agents that do not give up."""

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
from contextlib import closing

from collector_process import AGENT, DEADLINE, REPOSITORY

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
        self.pid = None
        assert self.mother.stdout.readline() == "ended\n"

    def close(self):
        if self.pid is not None:
            self.end()
        self.mother.stdin.close()
        self.mother.wait(DEADLINE)
        self.mother.stdout.close()
        self.listener.close()


class Sender(threading.Thread):
    """Sends like an agent: the same events again until they are acknowledged, then new ones."""

    def __init__(self, port, number):
        # A test that fails must not wait for it.
        super().__init__(daemon=True)
        self._port, self._number = port, number
        self._random = random.Random(number)
        # The id that the collector gave, by event_id: what counts for good, and since.
        self.kept = {}
        self.acknowledged = {}
        self.answers = self.repeats = self.unanswered = 0
        self.enough = threading.Event()

    def run(self):
        numbers = itertools.count(self._number << 64)
        connection = None
        while not self.enough.is_set():
            events = [self._event(next(numbers)) for _ in range(self._random.choice((1, 1, 40)))]
            while True:
                acknowledged = self.acknowledged
                try:
                    if connection is None:
                        connection = http.client.HTTPConnection(
                            "127.0.0.1", self._port, timeout=DEADLINE
                        )
                    connection.request("POST", "/login", json.dumps(events), dict(AGENT))
                    response = connection.getresponse()
                    answer = json.load(response)
                    if response.status == 503:
                        raise ConnectionError(answer)  # sent again, likewise
                    assert "results" in answer, answer
                    break
                except (OSError, http.client.HTTPException, ValueError) as error:
                    self.unanswered += isinstance(error, TimeoutError)
                    connection.close()
                    connection = None
                self.repeats += 1
                if self.enough.is_set():
                    return
            for event, result in zip(events, answer["results"], strict=True):
                assert result["status"] in {"ok", "duplicate"}
                acknowledged[event["event_id"]] = result["id"]
            self.answers += 1
        connection.close()

    def _event(self, number):
        return {
            "type": "login",
            "timestamp": "2026-03-14T09:26:53.589793Z",
            "hostname": f"web-{self._number}",
            "event_id": f"{number:032x}",
            "raw_message": "x" * self._random.randrange(300),
        }


class Load:
    """Agents that send at once, and what they were promised."""

    def __init__(self, port, senders):
        self._senders = [Sender(port, number) for number in range(1, senders + 1)]
        for sender in self._senders:
            sender.start()

    @property
    def promised(self):
        """What is acknowledged: the id that the collector gave, by event_id."""
        promised = {}
        for sender in self._senders:
            promised |= sender.kept | sender.acknowledged.copy()
        return promised

    def keep(self):
        """Have all that is acknowledged by now count, whatever is forgotten."""
        for sender in self._senders:
            sender.kept |= sender.acknowledged.copy()

    def forget(self):
        """Have nothing count that was acknowledged since, or is being acknowledged."""
        for sender in self._senders:
            sender.acknowledged = {}

    @property
    def repeats(self):
        return sum(sender.repeats for sender in self._senders)

    def wait_for(self, answers):
        """Wait until so many more requests are acknowledged."""
        enough = answers + sum(sender.answers for sender in self._senders)
        end = time.monotonic() + DEADLINE
        while sum(sender.answers for sender in self._senders) < enough:
            assert time.monotonic() < end, "nothing is acknowledged any more"
            time.sleep(0.001)

    def end(self):
        for sender in self._senders:
            sender.enough.set()
        for sender in self._senders:
            sender.join(2 * DEADLINE)
            assert not sender.is_alive(), "a sender waits for an answer"
            assert not sender.unanswered, f"a request was not answered within {DEADLINE} seconds"

    def check(self, database):
        """See that all that was promised is stored, under its id, and nothing twice."""
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute("SELECT event_id, id FROM events").fetchall()
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            hosts = connection.execute("SELECT count(*) FROM hosts").fetchone()
        promised = self.promised
        stored = {event_id.hex(): id_ for event_id, id_ in rows}
        assert len(stored) == len(rows), "an event is stored twice"
        assert {e: stored.get(e) for e in promised} == promised, "what was acknowledged is lost"
        assert hosts == (len(self._senders),)

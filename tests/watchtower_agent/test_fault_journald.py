"""A journald that runs, rotates, vacuums and dies, and the agent that reads what it writes.

It is the machine's own systemd-journald, as an instance of its own (systemd-journald.service(8),
"Journal Namespaces") in user, mount and network namespaces of its own: it can reach neither the
machine's journal nor its kernel's audit, and its sockets hold as few messages as by default.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from disks import no_disk_is_mounted
from logins import login

from watchtower_agent.journal import Journal
from watchtower_agent.parse import Parser
from watchtower_agent.reader import JournalReader
from watchtower_agent.spool import Spool

JOURNALD = "/lib/systemd/systemd-journald"
NAMESPACES = ("--user", "--mount", "--net")
# On a slow machine it rotates more often than it would keep files for; what it holds in the end is
# what the agent must have seen.
CONFIGURATION = """
[Journal]
SystemMaxFiles=10000
Storage=persistent
RateLimitIntervalSec=0
Audit=
"""


def numbers(texts):
    return [
        int(match[1]) for text in texts for match in [re.search(r" port (\d+) ", text)] if match
    ]


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Journald:
    """systemd-journald on folders of ours, in namespaces that a sleeping process holds."""

    def __init__(self, folder):
        self.folder = folder
        self.said = folder / "said"
        for name in ("run/systemd/journal.test", "run/log", "log/journal", "etc"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/journald@test.conf").write_text(CONFIGURATION)
        # Other users write to it, too.
        folder.chmod(0o755)
        # Its mounts are copies of all there are: one of a disk would outlive that disk.
        with no_disk_is_mounted():
            self.holder = subprocess.Popen(["unshare", *NAMESPACES, "sleep", "infinity"])
            process = Path(f"/proc/{self.holder.pid}")
            wait_until(lambda: (process / "comm").read_text() == "sleep\n")
        if os.geteuid() == 0:
            ids = "0 0 65536", "0 0 65536"
        else:
            (process / "setgroups").write_text("deny")
            ids = f"0 {os.geteuid()} 1", f"0 {os.getegid()} 1"
        for name, content in zip(("uid_map", "gid_map"), ids, strict=True):
            (process / name).write_text(content)
        for inside, place in (("run", "/run"), ("log", "/var/log"), ("etc", "/etc/systemd")):
            self.inside("mount", "--bind", str(folder / inside), place).check_returncode()
        self.start()

    def inside(self, *command, run=subprocess.run, **options):
        target = f"--target={self.holder.pid}"
        entered = ["nsenter", target, *NAMESPACES, "--preserve-credentials", *command]
        return run(entered, **options)

    def start(self):
        with self.said.open("ab") as said:
            self.process = self.inside(JOURNALD, "test", run=subprocess.Popen, stderr=said)
        wait_until(self.answers)

    def answers(self):
        if self.process.poll() is not None:
            pytest.fail(f"systemd-journald does not run: {self.said.read_text()}")
        # journalctl speaks to it through another socket than sshd.
        control = str(self.folder / "run/systemd/journal.test/io.systemd.journal")
        try:
            self.send("cron: hello")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(control)
        except OSError:
            return False
        return True

    def send(self, line):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(30)
            sender.connect(str(self.folder / "run/systemd/journal.test/dev-log"))
            sender.send(f"<38>{line}".encode())

    def log(self, *logged):
        for number in logged:
            self.send(f"sshd[7]: {login(number)}")

    def control(self, *arguments):
        """Run a journalctl that speaks to this journald, such as --rotate."""
        command = ["journalctl", "--namespace=test", "--quiet", *arguments]
        self.inside(*command, check=True, capture_output=True)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait()

    @property
    def files(self):
        (place,) = (self.folder / "log/journal").iterdir()
        return place

    @property
    def source(self):
        return (f"--directory={self.files}",)

    def numbers(self):
        """Return the logins that are in the journal at last, whether a filter finds them or not.

        journald files an entry first by time and then by its fields, and may be killed in between.
        """
        printed = subprocess.run(
            ["journalctl", "--quiet", "--output=cat", *self.source],
            check=True,
            capture_output=True,
            text=True,
        )
        return numbers(printed.stdout.splitlines())


@pytest.fixture
def journald():
    # Not in tmp_path: a socket's path has 107 characters at most, unix(7).
    with tempfile.TemporaryDirectory(prefix="wt") as folder:
        journald = Journald(Path(folder))
        yield journald
        journald.end()
        journald.holder.kill()
        journald.holder.wait()


@pytest.fixture
def agent(agents, tmp_path):
    """Start the agent as a process, on a journald's journal."""
    state = tmp_path / "state"
    state.mkdir()
    return lambda journald: agents.start(state, journald.source)


def stored(stand_in):
    return numbers(event.get("raw_message", "") for event in stand_in.stored.values())


def test_rotating_and_vacuuming_under_the_agent_loses_and_doubles_nothing(
    journald, agent, stand_in
):
    journald.log(0)
    process = agent(journald)
    stand_in.wait_until(lambda s: stored(s) == [0])
    for first in range(1, 201, 20):
        journald.log(*range(first, first + 10))
        journald.control("--rotate")
        journald.log(*range(first + 10, first + 20))
        stand_in.wait_until(lambda s, first=first: len(stored(s)) == first + 20, seconds=60)
        journald.control("--rotate")
        journald.control("--vacuum-files=3")
    assert len(list(journald.files.iterdir())) <= 5
    assert sorted(stored(stand_in)) == list(range(201))
    assert process.poll() is None
    assert not any(event["type"] == "journal_gap" for event in stand_in.stored.values())


def test_a_journald_that_is_killed_and_started_again_costs_the_agent_nothing(
    journald, agent, stand_in
):
    process = agent(journald)
    for first in range(0, 50, 10):
        journald.log(*range(first, first + 10))
        journald.control("--sync")
        journald.end(signal.SIGKILL)
        journald.start()
    journald.log(50)
    stand_in.wait_until(lambda s: 50 in stored(s), seconds=100)
    assert sorted(stored(stand_in)) == sorted(journald.numbers())
    assert process.poll() is None
    assert not any(event["type"] == "journal_gap" for event in stand_in.stored.values())


WRITER = """
import os, socket, sys, time
if os.geteuid() == 0:
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
for line in sys.stdin.buffer:
    while True:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(sys.argv[1])
                sender.send(b"<38>sshd[7]: " + line.rstrip())
                break
        except OSError:  # journald is away
            time.sleep(0.01)
    time.sleep(0.001)
"""


def test_whatever_journald_does_while_it_is_read_each_entry_is_read_once(journald, stop, tmp_path):
    """It writes into several files, rotates them, is killed and starts again meanwhile."""
    place = str(journald.folder / "run/systemd/journal.test/dev-log")
    writers = []
    for uid, first in ((0, 0), (1234, 10_000)):
        lines = "".join(f"{login(number)}\n" for number in range(first, first + 2000))
        (tmp_path / str(uid)).write_text(lines)
        with (tmp_path / str(uid)).open() as source:
            command = [sys.executable, "-c", WRITER, place, str(uid)]
            writers.append(subprocess.Popen(command, stdin=source))
    spool = Spool(tmp_path, 100_000_000)
    reader = JournalReader(Journal(stop, journald.source), spool, Parser(), 24, stop)
    ended = threading.Event()

    def disturb():
        try:
            while any(writer.poll() is None for writer in writers):
                journald.control("--rotate")
                journald.end(signal.SIGKILL)
                journald.start()
                time.sleep(random.random() / 4)
            journald.control("--sync")
        finally:
            ended.set()

    disturber = threading.Thread(target=disturb)
    disturber.start()
    while not ended.wait(random.random() / 4):
        reader.drain()
    disturber.join()
    reader.drain()
    reader.drain()
    events = [json.loads(event.body) for event in spool.batch(100_000, 100_000_000)]
    spool.close()
    assert len(events) == len({event["event_id"] for event in events})
    seen = numbers(event["raw_message"] for event in events)
    assert sorted(seen) == sorted(journald.numbers())
    assert len(seen) > 2000

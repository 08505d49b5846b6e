"""The oracle: logs in again and again, and knows of each login that it happened, and when.

Each login carries a certificate of its own, whose key id is the login's name; sshd writes it into
the journal, and the collector gives it back as ``certificate_id``. Each failure is of a user who
does not exist, named likewise. So every one of them can be told from every other.
"""

import itertools
import random
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from fleet import SSH_CONFIG, STATE, on, wait_for

USER = "oracle"
NAME = re.compile(r"oracle-\d{6}")
CLIENTS_PER_HOST = 2
FAILURES = 0.2
PAUSE_SECONDS = (0.2, 2.0)
FOLDER = STATE / "oracle"


@dataclass(frozen=True)
class Attempt:
    """One login or one failure; times in microseconds since 1970, on the clock all hosts share.

    ``done`` is True when it certainly happened. Otherwise nobody knows: the host may have gone
    down before the login, or before the answer.
    """

    name: str
    host: str
    fails: bool
    began: int
    ended: int
    done: bool
    source_ip: str = ""
    source_port: int = 0


def now():
    """Return microseconds since 1970."""
    return time.time_ns() // 1000


class Oracle:
    """Makes attempts, on its own from several clients at once, and one at a time when asked."""

    def __init__(self, hosts, seed):
        self.attempts = []
        self._hosts = hosts
        self._seed = seed
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        # A client holds its own while it makes an attempt.
        self._turns = {host: [threading.Lock() for _ in range(CLIENTS_PER_HOST)] for host in hosts}
        self._clients = ThreadPoolExecutor(CLIENTS_PER_HOST * len(hosts))
        self._running = []

    def admit(self):
        """Make the oracle's account on every host; each trusts the oracle's own CA."""
        FOLDER.mkdir(mode=0o700)
        for key in ("ca", "key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(FOLDER / key))
        trust = "cert-authority " + (FOLDER / "ca.pub").read_text()
        for host in self._hosts:
            on(
                host,
                f"useradd --create-home --shell /bin/sh {USER}; "
                f"install -d -m 0700 -o {USER} -g {USER} ~{USER}/.ssh; "
                f"cat >~{USER}/.ssh/authorized_keys",
                trust,
            )

    def start(self):
        """Let the clients begin."""
        for host in self._hosts:
            for client, turn in enumerate(self._turns[host]):
                chance = random.Random(f"{self._seed} {host} {client}")
                self._running.append(self._clients.submit(self._go_on, host, turn, chance))

    def stop(self):
        """Let the clients end, and raise what one of them raised."""
        self._stop.set()
        self._clients.shutdown()
        for client in self._running:
            client.result()

    @contextmanager
    def silence(self, host):
        """Let the clients leave a host alone for the time of the block."""
        with ExitStack() as held:
            for turn in self._turns[host]:
                held.enter_context(turn)
            yield

    def login(self, host):
        """Log in to a host that lets people in; return the attempt."""
        attempts = []

        def succeed():
            attempts.append(self._attempt(host, fails=False))
            return attempts[-1].done

        wait_for(f"a login to {host}", succeed)
        return attempts[-1]

    def doubt_failures(self, host, since, until):
        """Let it be open whether the failures that ended between two times are in the journal.

        A login's session begins long after journald knows of it; a failure has none.
        """
        for number, attempt in enumerate(self.attempts):
            if attempt.host == host and attempt.fails and since <= attempt.ended <= until:
                self.attempts[number] = replace(attempt, done=False)

    def _go_on(self, host, turn, chance):
        while not self._stop.is_set():
            with turn:
                self._attempt(host, fails=chance.random() < FAILURES)
            self._stop.wait(chance.uniform(*PAUSE_SECONDS))

    def _attempt(self, host, fails):
        number = next(self._numbers)
        name = f"oracle-{number:06d}"
        began = now()
        attempt = Attempt(name, host, fails, began, began, done=False)
        try:
            attempt = self._fail(attempt) if fails else self._login(attempt, number)
        finally:
            # However it ended, it began.
            self.attempts.append(attempt)
        return attempt

    def _fail(self, attempt):
        """Try to be somebody who does not exist; sshd says so, and offers other methods."""
        options = ["-o", "PreferredAuthentications=none"]
        result = self._ssh(options, f"{attempt.name}@{attempt.host}", "true")
        done = result is not None and "Permission denied" in result.stderr
        return replace(attempt, ended=now(), done=done)

    def _login(self, attempt, number):
        certificate = FOLDER / f"{attempt.name}-cert.pub"
        public_key = FOLDER / f"{attempt.name}.pub"
        public_key.write_bytes((FOLDER / "key.pub").read_bytes())
        sign = ["-I", attempt.name, "-n", USER, "-z", str(number)]
        run("ssh-keygen", "-q", "-s", str(FOLDER / "ca"), *sign, str(public_key))
        options = ["-i", str(FOLDER / "key"), "-o", f"CertificateFile={certificate}"]
        # The session begins after the login: its clock is the upper bound.
        command = 'date +%s%N; echo "$SSH_CONNECTION"'
        result = self._ssh(options, f"{USER}@{attempt.host}", command)
        for file in (certificate, public_key):
            file.unlink()
        if result is None or result.returncode != 0:
            return replace(attempt, ended=now(), done=False)
        nanoseconds, source_ip, source_port, *_ = result.stdout.split()
        return replace(
            attempt,
            ended=int(nanoseconds) // 1000,
            done=True,
            source_ip=source_ip,
            source_port=int(source_port),
        )

    def _ssh(self, options, target, command):
        """Run ssh; return its result, or None when it hung, as it does when a host goes down."""
        argv = ["ssh", "-F", str(SSH_CONFIG), "-n", "-o", "ConnectTimeout=5", *options, target]
        try:
            return subprocess.run(
                [*argv, command], capture_output=True, text=True, check=False, timeout=20
            )
        except subprocess.TimeoutExpired:
            return None


def run(*argv):
    """Run a program that must succeed."""
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)

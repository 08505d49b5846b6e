"""What the tests of watchtowerctl share: the program as people run it, and whom it asks."""

from __future__ import annotations

import errno
import os
import pty
import subprocess
import sys

import pytest
from collector_process import ADMIN, AGENT, REPOSITORY, Collector
from stand_in import StandIn

KEY = ADMIN["X-Admin-Api-Key"]


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    (home / ".config").mkdir(parents=True)
    return home


@pytest.fixture
def environment(home):
    """The environment of an admin who has configured nothing, in a zone far from Greenwich."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY / "src"),
        "HOME": str(home),
        "TZ": "Asia/Kolkata",
        "LANG": "C.UTF-8",
    }


class Command:
    """Runs ``watchtowerctl`` as a program."""

    def __init__(self, environment):
        self.environment = environment

    def start(self, *arguments, **keywords):
        return subprocess.Popen(
            [sys.executable, "-m", "watchtowerctl", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            **keywords,
        )

    def __call__(self, *arguments, status=0):
        """Return what it printed on standard output, and on standard error."""
        with self.start(
            *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == status, out + err
        assert "Traceback" not in err
        return out, err

    def on_terminal(self, *arguments):
        """Return everything that a terminal is sent."""
        ours, theirs = pty.openpty()
        with self.start(*arguments, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            sent = b""
            try:
                while chunk := os.read(ours, 65_536):
                    sent += chunk
            except OSError as error:
                # Linux says EIO when the other end is closed.
                if error.errno != errno.EIO:
                    raise
            finally:
                os.close(ours)
        assert process.returncode == 0, sent
        return sent.decode()


@pytest.fixture
def unconfigured(environment):
    return Command(environment)


@pytest.fixture
def collector(tmp_path):
    """A real collector with an empty store."""
    collector = Collector(
        {
            "ADMIN_API_KEY": KEY,
            "WATCHTOWER_AGENT_TOKEN": AGENT["X-Login-Alert-Token"],
            "WATCHTOWER_DB_PATH": str(tmp_path / "watchtower.db"),
        },
        tmp_path,
    )
    collector.start()
    yield collector
    collector.close()


@pytest.fixture
def post(collector):
    """Store logins, each with the fields given."""

    def post_them(*events):
        common = {"type": "login", "timestamp": "2026-03-14T09:26:53Z", "hostname": "web-1"}
        assert collector.post([common | event for event in events]).status_code == 201

    return post_them


@pytest.fixture
def ctl(collector, environment):
    """The command of an admin of the real collector."""
    return Command(environment | {"WATCHTOWER_URL": collector.url, "ADMIN_API_KEY": KEY})


@pytest.fixture
def stand_in():
    server = StandIn()
    yield server
    server.close()


@pytest.fixture
def asking(stand_in, environment):
    """The command of an admin of the server that answers what a test tells it to."""
    return Command(environment | {"WATCHTOWER_URL": stand_in.url, "ADMIN_API_KEY": KEY})

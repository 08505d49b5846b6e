"""``check`` against the real collector over TLS, and with an installation of its own."""

import json
import os
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import uvicorn

import watchtower_agent
from watchtower_agent import check_collector as check_collector_module
from watchtower_agent.check_collector import check_collector
from watchtower_agent.clock import clock_offset
from watchtower_agent.collector import Answer, Verdict
from watchtower_agent.exit_status import CHECK_FAILED, NOT_ALLOWED, WELL
from watchtower_agent.send import explain
from watchtower_agent.settings import read_settings
from watchtower_agent.spool import Spool
from watchtower_collector.app import create_app
from watchtower_collector.settings import read_settings as read_collector_settings
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.writer import Writer

PACKAGE = Path(watchtower_agent.__file__).parent
LAUNCHER = PACKAGE.parents[1] / "roles/watchtower_agent/files/watchtower_agent.py"
TOKEN = "s3cret-token-" + "x" * 32
# The one that the role uses. Root's own, in a home directory, is closed to other users.
SYSTEM_PYTHON = "/usr/bin/python3"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@contextmanager
def collector(tmp_path, pem):
    """Run the real collector in this process, and yield its address."""
    settings = read_collector_settings(
        {
            "ADMIN_API_KEY": "a" * 32,
            "WATCHTOWER_AGENT_TOKEN": TOKEN,
            "WATCHTOWER_DB_PATH": str(tmp_path / "watchtower.db"),
        }
    )
    store = SQLiteStore(settings.db_path)
    app = create_app(settings, store, Writer(store, settings.queue_events))
    config = uvicorn.Config(app, ssl_certfile=pem, lifespan="on", log_config=None)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
        store.close()


@pytest.fixture
def served(tmp_path, tls):
    with collector(tmp_path, tls / "server.pem") as url:
        yield url


@pytest.fixture
def settings(tmp_path, tls):
    def make(url, **changes):
        return read_settings(
            {
                "WATCHTOWER_COLLECTOR_URL": url,
                "WATCHTOWER_AGENT_TOKEN": TOKEN,
                "STATE_DIRECTORY": str(tmp_path),
                "WATCHTOWER_CA_FILE": str(tls / "ca.pem"),
                **changes,
            }
        )

    return make


def stored(tmp_path):
    """Return how many events the collector has."""
    with closing(sqlite3.connect(tmp_path / "watchtower.db")) as database:
        return database.execute("SELECT count(*) FROM events").fetchone()[0]


def failures(found):
    return [(what, fix) for verdict, what, fix in found if verdict == "FAIL"]


def test_the_whole_way_to_a_real_collector(tmp_path, served, settings):
    found = list(check_collector(settings(served)))
    assert [verdict for verdict, _, _ in found] == ["ok"] * 7
    assert [what.split(": ")[0] for _, what, _ in found][1:] == [
        "name",
        "connection",
        "certificate",
        "token",
        "store",
        "clock",
    ]
    assert TOKEN not in str(found)
    assert stored(tmp_path) == 0


def test_a_wrong_token(served, settings):
    wrong = "w" * 40
    found = list(check_collector(settings(served, WATCHTOWER_AGENT_TOKEN=wrong)))
    ((what, fix),) = failures(found)
    assert "token: the collector does not accept it (401)" in what
    assert "playbooks/site.yml" in fix
    assert wrong not in str(found)


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        ("expired", "has expired"),
        ("future", "is not yet valid"),
        ("elsewhere", "is for another name; it is for 192.0.2.1"),
    ],
)
def test_each_fault_of_the_certificate(tmp_path, tls, settings, pem, words):
    with collector(tmp_path, tls / f"{pem}.pem") as url:
        ((what, _),) = failures(check_collector(settings(url)))
    assert words in what


@pytest.mark.parametrize(
    ("ca", "words"),
    [
        ("other-ca", ["is not from the CA in"]),
        ("expired-ca", ["the CA's certificate has expired on 20", "is not from the CA in"]),
        ("future-ca", ["the CA's certificate is valid from 20", "is not from the CA in"]),
    ],
)
def test_each_fault_of_the_pinned_ca(tmp_path, tls, settings, ca, words):
    with collector(tmp_path, tls / "server.pem") as url:
        found = failures(check_collector(settings(url, WATCHTOWER_CA_FILE=str(tls / f"{ca}.pem"))))
    assert [word in what for (what, _), word in zip(found, words, strict=True)] == [True] * len(
        words
    )


def test_a_servers_certificate_in_the_place_of_a_ca(served, tls, settings):
    pinned = str(tls / "server.pem")
    first, *_ = check_collector(settings(served, WATCHTOWER_CA_FILE=pinned))
    assert first[0] == "warn"
    assert "not a CA's" in first[1]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://collector.invalid", "collector.invalid is not found"),
        ("https://127.0.0.1:9", "127.0.0.1:9 refused the connection"),
    ],
)
def test_a_way_that_ends_early(settings, url, words):
    ((what, fix),) = failures(check_collector(settings(url)))
    assert words in what
    assert fix


def test_a_connection_that_hangs_is_not_waited_for(settings, monkeypatch):
    monkeypatch.setattr(check_collector_module, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        ((what, _),) = failures(check_collector(settings(url)))
    assert "did not answer in time" in what


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([(200, {}, b"<html><title>Welcome</title>")], "does not answer like one"),
        ([(502, {}, b"")], "it answered 502"),
        ([(404, {}, b"<html>")], "does not answer like one"),
    ],
)
def test_something_else_answers(stand_in, settings, answers, words):
    stand_in.script += answers
    ((what, fix),) = failures(check_collector(settings(stand_in.url)))
    assert words in what
    assert fix


def test_a_busy_collector_is_a_warning(stand_in, settings):
    stand_in.script.append((503, {}, b""))
    last = list(check_collector(settings(stand_in.url)))[-1]
    assert last[0] == "warn"
    assert "busy" in last[1]


def test_a_collector_that_cannot_store(served, settings, monkeypatch):
    monkeypatch.setattr(Writer, "trouble", property(lambda _: "disk_full"))
    ((what, fix),) = failures(check_collector(settings(served)))
    assert "disk_full" in what
    assert "journalctl" in fix


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        (0, ("ok", "clock: it agrees with the collector's to a few seconds")),
        (3, ("ok", "clock: it agrees with the collector's to a few seconds")),
        (86400 * 3 + 60, ("warn", "clock: it is 3 days ahead of the collector's")),
        (-7260, ("warn", "clock: it is 2 hours behind the collector's")),
        (None, ("ok", "clock: not compared, because the answer took long or has no Date")),
    ],
)
def test_a_clock_that_is_off_is_a_warning(served, settings, monkeypatch, ahead, found):
    def another_offset(date, received_at, round_trip):
        return None if ahead is None else clock_offset(date, received_at + ahead, round_trip)

    monkeypatch.setattr("watchtower_agent.collector.clock_offset", another_offset)
    last = list(check_collector(settings(served)))[-1]
    assert last[:2] == found


# The command, installed


class Installation:
    """An agent in a folder of its own, laid out as the role does it."""

    python = sys.executable

    def __init__(self, folder, user):
        self.folder = folder
        self.state = folder / "state"
        self.env_file = folder / "agent/.env"
        release = folder / "agent/releases/1.2.3-trial"
        release.mkdir(parents=True)
        shutil.copytree(
            PACKAGE, release / "watchtower_agent", ignore=shutil.ignore_patterns("__pycache__")
        )
        (release / "VERSION").write_text("1.2.3\n")
        shutil.copy(LAUNCHER, release)
        self.launcher = folder / "agent/watchtower_agent.py"
        self.launcher.symlink_to(release / LAUNCHER.name)
        account = release / "watchtower_agent/account.py"
        account.write_text(account.read_text().replace('"watchtower-agent"', f'"{user}"'))
        self.state.mkdir(mode=0o700)

    def configure(self, text, mode=0o600):
        self.env_file.write_text(text)
        self.env_file.chmod(mode)

    def run(self, *arguments, user=None, **environment):
        return subprocess.run(
            [self.python, str(self.launcher), *arguments],
            text=True,
            capture_output=True,
            check=False,
            user=user,
            env={
                "PATH": os.environ["PATH"],
                "STATE_DIRECTORY": str(self.state),
                "RUNTIME_DIRECTORY": str(self.folder),
                **environment,
            },
        )


@pytest.fixture
def installation():
    # Not below pytest's own folder, which nobody but its owner may enter.
    with tempfile.TemporaryDirectory(prefix="watchtower-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield Installation(folder, pwd.getpwuid(os.geteuid()).pw_name)


@pytest.fixture
def foreign_installation():
    """One whose service runs as another user than the one who asks: root asks."""
    with tempfile.TemporaryDirectory(prefix="watchtower-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        installation = Installation(folder, "nobody")
        shutil.chown(installation.state, "nobody")
        installation.python = SYSTEM_PYTHON
        yield installation


def env_file(tls, url="https://127.0.0.1:9"):
    return (
        f'WATCHTOWER_COLLECTOR_URL="{url}"\nWATCHTOWER_AGENT_TOKEN={TOKEN}\n'
        f"WATCHTOWER_CA_FILE='{tls / 'ca.pem'}'\n"
    )


def lines(done):
    """Return what was printed as pairs of a verdict and its text, a fix at the text's end."""
    return re.findall(r"^(ok|warn|FAIL) +(.*(?:\n      Fix: .*)?)", done.stdout, re.MULTILINE)


def failed(done):
    return [text for verdict, text in lines(done) if verdict == "FAIL"]


def in_the_journal(text):
    """Tell what depends on whether this machine has a journal."""
    return text.startswith("journal: ")


@as_root
def test_the_settings_are_read_from_the_file_beside_the_installation(installation, tmp_path, tls):
    with collector(tmp_path, tls / "server.pem") as url:
        installation.configure(env_file(tls, url))
        done = installation.run("check")
    others = [text for text in failed(done) if not in_the_journal(text)]
    assert others == []
    assert done.returncode == (CHECK_FAILED if failed(done) else WELL)
    assert "token: the collector accepts it" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert not list(installation.folder.rglob("__pycache__"))


@as_root
def test_what_only_the_running_agents_events_bring_to_light_is_named(installation, tmp_path, tls):
    """A token for another name: the collector takes the empty array that ``check`` posts."""
    trouble = explain(Answer(Verdict.FOREIGN_HOST))[1]
    vitals = {"pid": os.getpid(), "sending_trouble": trouble}
    (installation.folder / "vitals.json").write_text(json.dumps(vitals))
    with collector(tmp_path, tls / "server.pem") as url:
        installation.configure(env_file(tls, url))
        found = failed(installation.run("check"))
        (installation.folder / "vitals.json").write_text(json.dumps(vitals | {"pid": 0}))
        found_after_its_end = failed(installation.run("check"))
    (told,) = [text for text in found if text.startswith("events: ")]
    assert "playbooks/agents.yml for this host" in told
    assert not [text for text in found_after_its_end if text.startswith("events: ")]


def test_each_line_that_systemd_passes_over_is_named_with_its_fix(installation, tls):
    installation.configure(env_file(tls) + f"export A=b\nWATCHTOWER_AGENT_TOKEN {TOKEN}\n")
    done = installation.run("check")
    assert done.returncode == CHECK_FAILED
    first, second = [text for text in failed(done) if str(installation.env_file) in text]
    assert f"{installation.env_file}, line 4: it sets 'export A'" in first
    assert f"{installation.env_file}, line 5: it has no = sign" in second
    assert "Fix: correct it in" in first
    assert TOKEN not in done.stdout + done.stderr
    assert "line 5" in installation.run("status").stdout


def test_each_mistake_in_the_settings_is_named_with_its_fix(installation):
    installation.configure(
        "WATCHTOWER_COLLECTOR_URL=http://collector\nWATCHTOWER_AGENT_TOKEN='two words'\n"
        "WATCHTOWER_CA_FILE=/nowhere/ca.pem\nWATCHTOWER_HOSTGROUP=web\n"
    )
    done = installation.run("check")
    mistakes = [text for text in failed(done) if text.startswith("WATCHTOWER_")]
    assert [text.split(":")[0] for text in mistakes] == [
        "WATCHTOWER_COLLECTOR_URL",
        "WATCHTOWER_AGENT_TOKEN",
        "WATCHTOWER_CA_FILE",
    ]
    assert all("\n      Fix: " in text for text in mistakes)
    assert "two words" not in done.stdout
    assert ("warn", "collector: not tried, because of the settings above") in [
        (verdict, text.partition("\n")[0]) for verdict, text in lines(done)
    ]


def test_a_setting_that_does_not_exist_is_a_warning(installation, tls):
    installation.configure(env_file(tls) + "WATCHTOWER_HOSTGROUP=web\n")
    (warning,) = [text for _, text in lines(installation.run("check")) if "HOSTGROUP" in text]
    assert "WATCHTOWER_HOST_GROUP is probably meant" in warning


def test_a_missing_file_is_named(installation):
    for command in ("check", "status"):
        done = installation.run(command)
        assert done.returncode != 0
        assert f"{installation.env_file} cannot be read (No such file" in done.stdout
        assert "playbooks/site.yml" in done.stdout


def test_a_file_that_others_can_read_is_named(installation, tls):
    installation.configure(env_file(tls), mode=0o644)
    (text,) = [text for text in failed(installation.run("check")) if "holds the token" in text]
    assert f"sudo chmod 600 {installation.env_file}" in text


def test_missing_requests_is_named(installation, tls):
    installation.configure(env_file(tls))
    package = installation.launcher.resolve().parent
    (package / "requests.py").write_text("raise ImportError('not here')")
    (text,) = [text for text in failed(installation.run("check")) if "requests" in text]
    assert "apt-get install python3-requests" in text


def test_a_proxy_of_the_callers_is_not_the_services(installation, tmp_path, tls):
    with collector(tmp_path, tls / "server.pem") as url:
        installation.configure(env_file(tls, url))
        done = installation.run("check", HTTPS_PROXY="http://user:hunter2@127.0.0.1:9")
        assert "token: the collector accepts it" in done.stdout
        installation.configure(env_file(tls, url) + "https_proxy=http://user:hunter2@127.0.0.1:9")
        done = installation.run("check")
    assert "proxy: requests go through http://127.0.0.1:9" in done.stdout
    assert any("the proxy did not let it through" in text for text in failed(done))
    assert "hunter2" not in done.stdout


def test_a_proxy_of_the_units_is_the_services(installation, tls):
    systemctl = installation.folder / "systemctl"
    systemctl.write_text(
        "#!/bin/sh\necho LoadState=loaded\necho ActiveState=active\n"
        "echo 'Environment=PYTHONDONTWRITEBYTECODE=1 HTTPS_PROXY=http://10.0.0.1:9'\n"
    )
    systemctl.chmod(0o755)
    path = f"{installation.folder}{os.pathsep}{os.environ['PATH']}"
    installation.configure(env_file(tls) + "NO_PROXY=127.0.0.1\n")
    assert "127.0.0.1:9 refused" in installation.run("check", PATH=path).stdout
    installation.configure(env_file(tls, "https://192.0.2.1"))
    systemctl.write_text(systemctl.read_text().replace("10.0.0.1", "127.0.0.1"))
    done = installation.run("check", PATH=path)
    assert "proxy: requests go through http://127.0.0.1:9" in done.stdout


@pytest.mark.parametrize(
    ("make", "words", "fix"),
    [
        (lambda path: path.write_bytes(b"nonsense" * 1000), "is damaged", "restart"),
        (lambda path: path.mkdir(), "cannot be used", "chown"),
        (lambda path: path.chmod(0o644), "others can read it", "chmod 600"),
    ],
)
def test_each_fault_of_the_spool(installation, tls, make, words, fix):
    installation.configure(env_file(tls))
    path = installation.state / "spool.db"
    Spool(installation.state, 10**6).close()
    if words != "others can read it":
        path.unlink()
    make(path)
    (text,) = [text for text in failed(installation.run("check")) if "spool.db" in text]
    assert words in text
    assert fix in text


def test_a_spool_of_a_later_version(installation, tls):
    installation.configure(env_file(tls))
    Spool(installation.state, 10**6).close()
    with closing(sqlite3.connect(installation.state / "spool.db")) as spool:
        spool.execute("PRAGMA user_version = 9")
    (text,) = [text for text in failed(installation.run("check")) if "spool.db" in text]
    assert "has version 9" in text
    assert "later checkout" in text


@as_root
def test_root_checks_what_the_agents_user_may_do(foreign_installation, tls):
    installation = foreign_installation
    secret_ca = installation.folder / "ca.pem"
    shutil.copy(tls / "ca.pem", secret_ca)
    secret_ca.chmod(0o600)
    installation.configure(env_file(tls).replace(str(tls / "ca.pem"), str(secret_ca)))
    shutil.chown(installation.state, "root")
    found = failed(installation.run("check"))
    assert any("ca.pem cannot be read by the agent's user" in text for text in found)
    assert any(f"{installation.state}: the agent's user cannot write" in text for text in found)


@as_root
def test_root_leaves_nothing_of_its_own_in_the_spool(foreign_installation, tls):
    installation = foreign_installation
    installation.configure(env_file(tls))
    Spool(installation.state, 10**6).close()
    # With a log but without its index SQLite has to make one.
    (installation.state / "spool.db-wal").touch(mode=0o600)
    for path in installation.state.iterdir():
        shutil.chown(path, "nobody")
    for command in ("status", "check"):
        assert "0 events" in installation.run(command).stdout
    owners = {path.owner() for path in installation.state.iterdir()}
    assert owners == {"nobody"}


@as_root
@pytest.mark.parametrize("command", ["status", "check"])
def test_others_than_root_are_told_what_to_type(installation, tls, command):
    installation.configure(env_file(tls))
    installation.python = SYSTEM_PYTHON
    done = installation.run(command, user="nobody")
    assert done.returncode == NOT_ALLOWED
    assert f"Type: sudo watchtower-agent {command}" in done.stderr
    assert done.stdout == ""


@as_root
def test_an_account_that_is_missing_is_named(tls):
    with tempfile.TemporaryDirectory(prefix="watchtower-") as name:
        installation = Installation(Path(name), "nobody-at-all")
        installation.configure(env_file(tls))
        found = failed(installation.run("check"))
        assert any("account: there is no user nobody-at-all" in text for text in found)

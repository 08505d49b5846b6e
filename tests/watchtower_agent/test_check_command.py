"""``check`` as a command, with an installation of its own."""

import json
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from real_collector import TOKEN, collector

import watchtower_agent
from watchtower_agent.collector import Answer, Verdict
from watchtower_agent.exit_status import CHECK_FAILED, NOT_ALLOWED, WELL
from watchtower_agent.send import explain
from watchtower_agent.spool import Spool

PACKAGE = Path(watchtower_agent.__file__).parent
LAUNCHER = PACKAGE.parents[1] / "roles/watchtower_agent/files/watchtower_agent.py"
# The one that the role uses. Root's own, in a home directory, is closed to other users.
SYSTEM_PYTHON = "/usr/bin/python3"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


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

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from processes import SOURCE

import watchtower_agent
from watchtower_agent.version import read_version

LINE = "Accepted password for root from 198.51.100.7 port 4711 ssh2"


def agent(*arguments, text=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "watchtower_agent", *arguments],
        input=text,
        text=True,
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, **environment},
    )


@pytest.fixture
def entry(sshd_fields):
    return json.dumps(sshd_fields(LINE, __REALTIME_TIMESTAMP="1763899200000000")) + "\n"


def test_version():
    assert agent("--version").stdout.strip() == read_version()


def test_parse_reads_standard_input_or_a_file(entry, tmp_path):
    file = tmp_path / "entries"
    file.write_text(entry)
    for done in (
        agent("parse", text=entry),
        agent("parse", "-", text=entry),
        agent("parse", str(file)),
    ):
        assert (done.returncode, done.stderr) == (0, "")
        (event,) = map(json.loads, done.stdout.splitlines())
        assert (event["type"], event["source_ip"]) == ("login", "198.51.100.7")


def test_parse_names_the_line_it_cannot_read_and_goes_on(entry):
    done = agent("parse", text="nonsense\n\n" + entry)
    assert done.returncode == 65
    assert "Line 1" in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_parse_needs_no_settings_and_no_requests(entry, tmp_path):
    (tmp_path / "requests.py").write_text("raise ImportError('not here')")
    path = f"{tmp_path}{os.pathsep}{SOURCE}"
    assert agent("parse", text=entry, PYTHONPATH=path).returncode == 0


def test_parse_ends_quietly_when_nobody_reads_on(entry):
    command = f"{sys.executable} -m watchtower_agent parse | head -n 1"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        input=entry * 2000,
        text=True,
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE},
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_a_missing_file_is_named():
    done = agent("parse", "/nowhere")
    assert done.returncode == 66
    assert "/nowhere" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("run",)])
def test_mistakes_in_settings_are_all_named(arguments):
    done = agent(*arguments, WATCHTOWER_AGENT_TOKEN="t0ken")
    assert done.returncode == 78
    for name in ("WATCHTOWER_COLLECTOR_URL", "WATCHTOWER_AGENT_TOKEN", "STATE_DIRECTORY"):
        assert name in done.stderr
    assert "t0ken" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def settings(tmp_path):
    return {
        "WATCHTOWER_COLLECTOR_URL": "https://127.0.0.1:9",
        "WATCHTOWER_AGENT_TOKEN": "t" * 32,
        "STATE_DIRECTORY": str(tmp_path),
    }


def test_missing_requests_is_named(settings, tmp_path):
    (tmp_path / "requests.py").write_text("raise ImportError('no requests')")
    path = f"{tmp_path}{os.pathsep}{SOURCE}"
    done = agent(**settings, PYTHONPATH=path)
    assert done.returncode == 69
    assert "python3-requests" in done.stderr


def test_a_spool_that_cannot_be_opened_is_named(settings, tmp_path):
    (tmp_path / "spool.db").mkdir()
    done = agent(**settings)
    assert done.returncode == 73
    assert str(tmp_path / "spool.db") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_spool_of_a_later_version_is_named_and_left_alone(settings, tmp_path):
    with closing(sqlite3.connect(tmp_path / "spool.db")) as spool:
        spool.execute("PRAGMA user_version = 9")
    before = (tmp_path / "spool.db").read_bytes()
    done = agent(**settings)
    assert done.returncode == 70
    assert "install the later agent again" in done.stderr
    assert (tmp_path / "spool.db").read_bytes() == before


@pytest.mark.parametrize("missing", ["VERSION", "watchtower_agent/reader.py"])
def test_an_incomplete_installation_is_named(settings, tmp_path, missing):
    package = Path(watchtower_agent.__file__).parent
    copy = tmp_path / "release"
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, copy / "watchtower_agent", ignore=without)
    (copy / "VERSION").write_text("1.2.3\n")
    (copy / missing).unlink()
    done = agent(**settings, PYTHONPATH=str(copy))
    assert done.returncode == 72
    assert "incomplete" in done.stderr
    assert "Traceback" not in done.stderr

"""The command as it is installed: on the collector's host, by pip, and in the shell."""

import os
import subprocess
import sys
from typing import get_args

import pytest

from watchtowerctl.commands.stats import ALIASES, BY, DEFAULT_TOP, MAX_TOP
from watchtowerctl.commands.token import LONGEST_OVERLAP
from watchtowerctl.filters import EVENT_TYPES
from watchtowerctl.version import read_version

HOST_COMMAND = "roles/watchtower_collector/files/watchtowerctl"


@pytest.fixture
def release(tmp_path, repository):
    """Return a folder like a release on the collector's host."""
    folder = tmp_path / "current"
    folder.mkdir()
    (folder / "watchtowerctl").symlink_to(repository / "src/watchtowerctl")
    (folder / "venv").symlink_to(sys.prefix)
    return folder


def test_the_hosts_command_is_not_the_callers_to_change(release, repository, tmp_path):
    text = (repository / HOST_COMMAND).read_text()
    place = "/opt/watchtower/collector/current"
    assert text.startswith(f"#!{place}/venv/bin/python -IB\n")
    command = tmp_path / "watchtowerctl"
    command.write_text(text.replace(place, str(release)))
    command.chmod(0o755)
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("typer", "httpx", "json", "watchtowerctl"):
        (trap / f"{name}.py").write_text("raise SystemExit('trapped')\n")
    ended = subprocess.run(
        [command, "--version"],
        cwd=trap,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(trap), "HOME": str(trap)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert ended.stdout.strip() == (repository / "VERSION").read_text().strip()


def test_the_hosts_command_may_be_run(repository):
    assert (repository / HOST_COMMAND).stat().st_mode & 0o777 == 0o755


def test_the_version_is_found_wherever_it_is_installed(tmp_path):
    package = tmp_path / "lib/watchtowerctl"
    package.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="the installation is incomplete"):
        read_version(package)
    (tmp_path / "VERSION").write_text("1.0\n")
    assert read_version(package) == "1.0"
    (tmp_path / "lib/VERSION").write_text("2.0\n")
    assert read_version(package) == "2.0"
    record = tmp_path / "lib/watchtower-3.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: watchtower\nVersion: 3.0\n")
    assert read_version(package) == "3.0"


def test_the_shipped_completion_is_the_programs(unconfigured, repository):
    unconfigured.environment["_WATCHTOWERCTL_COMPLETE"] = "source_bash"
    out, _ = unconfigured()
    shipped = repository / "roles/watchtower_collector/files/watchtowerctl.bash"
    assert shipped.read_text() == out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("watchtowerctl events --type login_", ["login_failed", "login_step", "login_refused"]),
        ("watchtowerctl stats --by host", ["hostname", "host_group", "host"]),
        ("watchtowerctl stats --interval d", ["day"]),
        ("watchtowerctl token list --state rev", ["revoked"]),
        ("watchtowerctl tail --method pub", ["publickey"]),
        ("watchtowerctl tok", ["token"]),
    ],
)
def test_the_shell_completes(unconfigured, typed, offered):
    unconfigured.environment |= {
        "_WATCHTOWERCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    assert unconfigured()[0].split() == offered


def test_what_is_offered_is_what_the_collector_knows():
    from watchtower_collector import wanted_token  # noqa: PLC0415  # this test alone
    from watchtower_collector.event import EVENT_TYPES as KNOWN  # noqa: PLC0415  # this test alone
    from watchtower_collector.routes import stats  # noqa: PLC0415  # this test alone

    assert EVENT_TYPES == KNOWN
    assert get_args(stats.By) == BY
    assert set(ALIASES.values()) <= set(BY)
    assert (DEFAULT_TOP, MAX_TOP) == (stats.DEFAULT_TOP, stats.MAX_TOP)
    assert LONGEST_OVERLAP.total_seconds() == wanted_token._MAX_OVERLAP


def test_nothing_slow_is_imported_before_it_is_needed(environment):
    program = "import sys, watchtowerctl.app; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "typer" in loaded
    assert {"httpx", "rich.table", "importlib.metadata"}.isdisjoint(loaded)

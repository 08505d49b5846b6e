"""The two commands of the README: what they say to a wrong call, and on a wrong machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

BIN = Path(__file__).resolve().parents[2] / "bin"
# What the scripts call before they have looked at the machine.
PLAIN_TOOLS = ("basename", "dirname", "find", "sed", "sort", "wc")


@pytest.fixture
def run(tmp_path):
    """Run a command with a PATH that leads to nothing but plain tools.

    There is no apt-get, no podman and no python3: nothing can be installed or started, and what
    is about to be must show.
    """
    for tool in PLAIN_TOOLS:
        (tmp_path / tool).symlink_to(shutil.which(tool))

    def run_it(command, *arguments):
        return subprocess.run(
            [shutil.which("bash"), BIN / command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": str(tmp_path)},
        )

    return run_it


@pytest.mark.parametrize("number", ["3", "0", "101", "1000", "x", "-4", "4.5", ""])
def test_number_of_agents_is_checked_first(run, number):
    result = run("demo", "--agents", number)
    assert result.returncode == 1
    assert result.stderr == "demo: --agents takes a number from 4 to 100\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("demo", ["start"]),
        ("demo", ["down", "now"]),
        ("test", ["units"]),
        ("test", ["unit", "agent"]),
        ("bench", []),
        ("bench", ["collector"]),
    ],
)
def test_unknown_word_shows_how_it_is_used(run, command, arguments):
    result = run(command, *arguments)
    assert result.returncode == 1
    assert f"bin/{command} " in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["demo", "test"])
def test_help_is_no_error(run, command):
    result = run(command, "--help")
    assert result.returncode == 0
    assert f"bin/{command} " in result.stdout
    assert "Needs Debian 12 or 13" in result.stdout


def test_unknown_scenario_names_those_there_are(run):
    result = run("test", "molecule", "collector", "nosuch")
    assert result.returncode == 1
    assert result.stderr.startswith("test: no scenario 'nosuch'; there are: ")
    for scenario in ("agent", "collector", "fleet", "refusals"):
        assert f" {scenario}" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("command", "arguments"), [("demo", []), ("demo", ["down"]), ("test", []), ("test", ["unit"])]
)
def test_another_distribution_is_told_what_is_missing(run, command, arguments):
    result = run(command, *arguments)
    assert result.returncode == 1
    for word in ("podman", "mmdebstrap", "Debian 12 or 13"):
        assert word in result.stderr

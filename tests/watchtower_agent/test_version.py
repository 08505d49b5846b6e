import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import watchtower_agent
from watchtower_agent.version import read_version

PACKAGE = Path(watchtower_agent.__file__).parent
ASK = "from watchtower_agent.version import read_version; print(read_version())"


def test_in_a_checkout_it_is_the_repositorys():
    assert read_version() == (PACKAGE.parents[1] / "VERSION").read_text().strip()


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "releases" / "7"
    shutil.copytree(PACKAGE, folder / "watchtower_agent", ignore=shutil.ignore_patterns("__*__"))
    return folder


def ask(release):
    return subprocess.run(
        [sys.executable, "-c", ASK], cwd=release, text=True, capture_output=True, check=False
    )


def test_in_a_release_it_is_the_releases(release):
    (release / "VERSION").write_text("7.8.9\n")
    (release.parent / "VERSION").write_text("0.0.0\n")
    assert ask(release).stdout.strip() == "7.8.9"


def test_a_release_without_it_is_incomplete(release):
    assert "installation is incomplete" in ask(release).stderr

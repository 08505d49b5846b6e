"""The two commands in a checkout of their own: its Python environment, its hosts, its folder."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MOLECULE = REPOSITORY / "molecule"
NOBODY = 65534


class Checkout:
    """A copy of what the commands consist of, on a machine that has every Debian package.

    Programs that would change the machine or start hosts only note that they were called.
    """

    def __init__(self, folder):
        self.folder = folder / "a checkout"
        self.python = self.folder / ".venv/bin/python"
        self.calls_file = folder / "calls"
        self._tools = folder / "tools"
        self._tools.mkdir()
        shutil.copytree(REPOSITORY / "bin", self.folder / "bin")
        for scenario in MOLECULE.glob("*/molecule.yml"):
            place = self.folder / "molecule" / scenario.parent.name
            place.mkdir(parents=True)
            shutil.copy(scenario, place)
        (self.folder / "requirements").mkdir()
        # Nothing to install, so that no network is needed.
        (self.folder / "requirements/test.txt").touch()
        self.calls_file.touch()
        self.calls_file.chmod(0o666)
        (self.folder / "molecule/shared").mkdir()
        note = f'echo "${{0##*/}} $*" >>"{self.calls_file}"'
        self.tool("testhosts", note, self.folder / "molecule/shared")
        self.tool("molecule", note)
        self.tool("apt-get", note)
        self.tool("dpkg-query", "echo installed")
        self.tool("sudo", "exit 0")

    def tool(self, name, script, folder=None):
        """Put a program first into the PATH, or into a folder."""
        file = (folder or self._tools) / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def run(self, *command, **options):
        """Run a command in the checkout."""
        path = f"{self._tools}:{Path(sys.executable).parent}:/usr/bin:/bin"
        return subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": path, "HOME": str(self.folder), "PIP_NO_INDEX": "1"},
            timeout=300,
            **options,
        )

    def need_python(self):
        """Make the environment, or mend it, as both commands do first."""
        result = self.run("bash", "-euc", ". bin/setup; need_python test.txt")
        assert result.returncode == 0, result.stdout + result.stderr
        assert self.run(self.python, "-m", "pip", "--version").returncode == 0
        return result.stdout

    def calls(self):
        """Return the calls that were only noted, in order."""
        return self.calls_file.read_text().splitlines()


@pytest.fixture
def checkout():
    # Not tmp_path: that is closed to others, and one test works as another user.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Checkout(Path(folder))


@pytest.fixture
def unprivileged():
    """Return the options of subprocess.run that give up root where the tests have it."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def test_environment_is_made_once(checkout):
    assert "installing the Python packages" in checkout.need_python()
    (checkout.folder / ".venv/mark").touch()
    assert checkout.need_python() == ""
    # Other requirements are installed into the same one.
    (checkout.folder / "requirements/test.txt").write_text("# newer\n")
    assert "installing the Python packages" in checkout.need_python()
    assert (checkout.folder / ".venv/mark").exists()


def test_environment_without_pip_is_made_anew(checkout):
    """As Ctrl-C leaves it, or an upgrade of Debian to another Python."""
    checkout.run("python3", "-m", "venv", "--without-pip", ".venv")
    checkout.need_python()


def test_environment_of_another_python_is_made_anew(checkout):
    checkout.need_python()
    before = checkout.run(checkout.python, "-VV").stdout
    checkout.python.unlink()
    checkout.tool("python", 'echo "Python 3.10.0 (pip works, too)"', checkout.python.parent)
    # The stamp that such a Python left; then the machine's own is another.
    for stamp in (checkout.folder / ".venv").glob(".*.sha256"):
        stamp.write_text("of another Python")
    checkout.need_python()
    assert checkout.run(checkout.python, "-VV").stdout == before


def test_environment_is_looked_at_again_when_python_changes(checkout):
    checkout.need_python()
    real = shutil.which("python3")
    checkout.tool("python3", f'[ "$1" != -VV ] || exec echo Python 3.99; exec {real} "$@"')
    assert "installing the Python packages" in checkout.need_python()


def test_only_the_hosts_of_wanted_scenarios_are_removed(checkout):
    result = checkout.run("bin/test", "molecule", "collector")
    assert result.returncode == 0, result.stdout + result.stderr
    assert checkout.calls() == [
        "molecule test --scenario-name collector",
        "testhosts down molecule-collector molecule/collector/inventory/.watchtower",
    ]


@pytest.mark.parametrize("arguments", [(), ("molecule",), ("molecule", "agent")])
def test_sudo_that_would_ask_is_told_before_anything_is_done(checkout, unprivileged, arguments):
    # As after a password given a while ago: only -k tells that one is needed.
    checkout.tool("sudo", 'case " $* " in *" -k "*) exit 1;; *) exit 0;; esac')
    result = checkout.run("bin/test", *arguments, **unprivileged)
    assert result.returncode == 1
    assert "run this as root, or allow yourself sudo without a password" in result.stderr
    assert checkout.calls() == []
    assert not checkout.python.exists()


@pytest.mark.parametrize(
    "inventory",
    [Path("inventory/demo"), *(p.relative_to(REPOSITORY) for p in MOLECULE.glob("*/inventory"))],
    ids=str,
)
def test_hosts_are_reached_from_a_folder_with_a_space(checkout, inventory):
    """Ansible splits the arguments for ssh as a shell does."""
    made_here = shutil.ignore_patterns(".watchtower", "machine.yml")
    place = checkout.folder / inventory
    shutil.copytree(REPOSITORY / inventory, place, dirs_exist_ok=True, ignore=made_here)
    result = checkout.run(
        *("ansible", "all", "-i", place, "-m", "ansible.builtin.debug"),
        *("-a", "var=ansible_ssh_common_args"),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    for arguments in re.findall("-F .*ssh_config'?", result.stdout):
        assert shlex.split(arguments) == ["-F", str(place / ".watchtower/fleet/ssh_config")]
    assert "-F " in result.stdout


@pytest.mark.parametrize("command", ["demo", "test"])
def test_help_from_another_folder(checkout, command):
    result = checkout.run("sh", "-c", f"cd bin && ./{command} --help")
    assert result.returncode == 0, result.stderr
    assert "Needs Debian 12 or 13" in result.stdout

"""What the tests of the roles share."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ROLES = REPOSITORY / "roles"


def path_of(name):
    """Return the file of one of the roles' modules."""
    (path,) = ROLES.glob(f"*/library/{name}.py")
    return path


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def library():
    """Return one of the roles' modules, imported: ``library("watchtower_bundle")``."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, path_of(name))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def run_module():
    """Run one of the roles' modules as Ansible does: a program with its parameters as JSON."""

    def run(name, parameters, environment=None):
        result = subprocess.run(
            [sys.executable, path_of(name)],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": parameters}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=environment,
        )
        assert result.stdout, result.stderr
        return SimpleNamespace(status=result.returncode, **json.loads(result.stdout))

    return run

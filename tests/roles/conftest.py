"""What the tests of the roles share."""

import http.client
import importlib.util
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn

from watchtower_collector.app import create_app
from watchtower_collector.settings import read_settings
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.writer import Writer

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


@pytest.fixture
def admin_key():
    return "admin-key-" * 4


@pytest.fixture
def port(tmp_path, admin_key):
    """Run the real collector in this process and return its port."""
    environment = {
        "ADMIN_API_KEY": admin_key,
        "WATCHTOWER_DB_PATH": str(tmp_path / "watchtower.db"),
    }
    settings = read_settings(environment)
    store = SQLiteStore(settings.db_path)
    app = create_app(settings, store, Writer(store, settings.queue_events))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(30)
    listener.close()
    store.close()


@pytest.fixture
def ask(port, admin_key):
    """Ask the collector as an admin and return the JSON answer."""

    def request(method, path):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request(method, path, headers={"X-Admin-Api-Key": admin_key})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    return request

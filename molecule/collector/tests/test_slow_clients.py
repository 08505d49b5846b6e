"""What Caddy ends before it holds anybody up, and what it must not hold up itself."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from fleet import CA_ROOT, curl, hosts, on, secret

COLLECTORS = hosts("watchtower_collector")
PROGRAM = Path(__file__).with_name("slow_clients.py")


def clients(name):
    """Let the clients of `slow_clients.py` loose on a collector, and return what came of it."""
    key = secret("admin_api_key")
    status, made = curl(
        name, "/admin/tokens", "-d", '{"hostname": "slow"}', header=f"X-Admin-Api-Key: {key}"
    )
    assert status == 201, made
    event = {
        "type": "login",
        "timestamp": datetime.now(UTC).isoformat(),
        "hostname": "slow",
        "event_id": uuid.uuid4().hex,
    }
    job = {"name": name, "ca_file": CA_ROOT, "key": key, "event": event}
    job |= {"token": json.loads(made)["token"]}
    on(name, "cat >/run/slow_clients.py", PROGRAM.read_text())
    try:
        return json.loads(on(name, "python3 /run/slow_clients.py", json.dumps(job)))
    finally:
        on(name, "rm /run/slow_clients.py")


def test_slow_clients_are_ended_and_streams_are_not_held_up():
    with ThreadPoolExecutor() as pool:
        for name, found in zip(COLLECTORS, pool.map(clients, COLLECTORS), strict=True):
            assert found["long_head"] == 431, name
            assert found["stream"] < 5, name
            assert 9 < found["slow_head"] < 25, name
            assert 29 < found["slow_body"] < 45, name

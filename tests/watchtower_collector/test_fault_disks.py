"""A collector whose disk loses its power, or breaks."""

import random
import signal
import time
from contextlib import closing

import httpx
import pytest
from collector_process import DEADLINE
from disks import Disk
from promises import Lives, Load

CUTS = 8
SENDERS = 6


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path, 512)
    yield disk
    disk.unmount()


@pytest.fixture
def environment(environment, disk):
    return {**environment, "WATCHTOWER_DB_PATH": str(disk.folder / "watchtower.db")}


def test_what_was_acknowledged_outlives_a_loss_of_power(environment, disk):
    chance = random.Random(31)
    with closing(Lives(environment)) as lives:
        lives.begin()
        load = Load(lives.port, SENDERS)
        for _ in range(CUTS):
            load.wait_for(chance.randrange(1, 300))
            time.sleep(chance.uniform(0, 0.05))
            # While the power goes, ext4 may say once that something is on the disk that is not:
            # what is acknowledged after this line may be lost.
            load.keep()
            disk.cut_power()
            lives.end()
            load.forget()
            disk.unmount()
            disk.mount()
            lives.begin()
        load.wait_for(1)
        load.end()
        lives.end(signal.SIGTERM)
    load.check(environment["WATCHTOWER_DB_PATH"])
    assert load.repeats >= CUTS, "the power was cut without load"


@pytest.mark.parametrize("asked_before", [True, False])
def test_a_disk_that_breaks_is_said_and_costs_nothing(collector, disk, make_event, asked_before):
    """Whether readers have the database open already, or not."""
    collector.start()
    stored, later = [make_event() for _ in range(5)], make_event()
    assert collector.post(stored).status_code == 201
    if asked_before:
        collector.events()
    disk.fail()
    for _ in range(2):
        refused = collector.post(later)
        assert refused.status_code == 503
        assert refused.json()["error"]["reason"] in {"io_error", "read_only"}
        assert int(refused.headers["Retry-After"]) > 0
    health = httpx.get(f"{collector.url}/healthz", timeout=DEADLINE)
    assert health.status_code == 503
    reason = refused.json()["error"]["reason"]
    assert health.json() == {"status": "unavailable", "reason": reason}
    assert len(collector.events()) == 5, "what is stored can be asked for all the same"
    collector.stop()
    assert "cannot write" in collector.log()
    disk.repair()
    collector.start()
    assert [result["status"] for result in collector.post([*stored, later]).json()["results"]] == [
        *["duplicate"] * 5,
        "ok",
    ]
    collector.stop()

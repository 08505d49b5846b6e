import pytest

from watchtower_agent import journalctl as module
from watchtower_agent.doorbell import Doorbell
from watchtower_agent.journal import Journal, current_boot_id
from watchtower_agent.journalctl import StoppedError


@pytest.fixture
def doorbell(journal_directory, stop):
    bell = Doorbell(Journal(stop, journal_directory.source).matches(), stop)
    yield bell
    bell.replace()


def test_it_rings_when_it_has_started_and_then_for_each_entry(doorbell, journal_directory):
    # journalctl --follow looks at the running boot only.
    journal_directory.write("one", boot=current_boot_id())
    assert doorbell.wait(30)
    assert not doorbell.wait(0.3)
    journal_directory.write("two", boot=current_boot_id())
    assert doorbell.wait(30)


def test_another_follower_takes_the_place_of_a_dead_one(doorbell, journal_directory, monkeypatch):
    monkeypatch.setattr("watchtower_agent.doorbell._RESTART_SECONDS", 0.0)
    journal_directory.write("one", boot=current_boot_id())
    assert doorbell.wait(30)
    doorbell._child._process.kill()
    assert not doorbell.wait(30)
    assert doorbell.wait(30)


def test_a_follower_that_cannot_start_is_waited_for(monkeypatch, stop, caplog):
    monkeypatch.setattr(module, "PROGRAM", "/nowhere/journalctl")
    bell = Doorbell((), stop)
    assert not bell.wait(0.05)
    assert not bell.wait(0.05)
    assert caplog.text.count("cannot be followed") == 1


def test_a_follower_that_complains_without_end_is_replaced(tmp_path, monkeypatch, stop, caplog):
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\nexec yes 'Bad message' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(module, "PROGRAM", str(program))
    monkeypatch.setattr(module, "_COMPLAINT_BYTES", 1_000_000)
    bell = Doorbell((), stop)
    assert not bell.wait(30)
    assert bell._child is None
    assert not bell.wait(0.05)
    assert caplog.text.count("cannot be followed") == 1
    assert "Bad message" in caplog.text


def test_stopping_ends_the_wait(doorbell, journal_directory, stop):
    stop.set()
    with pytest.raises(StoppedError):
        doorbell.wait(30)

import threading
import tracemalloc
from pathlib import Path

import pytest

from watchtower_agent import journalctl as module
from watchtower_agent.journalctl import Journalctl, JournalError, StoppedError


@pytest.fixture
def program(journalctl_script):
    return journalctl_script


def lines(stop):
    with Journalctl([], stop) as journalctl:
        return list(journalctl.lines())


def test_each_line_is_read(program, stop):
    program("printf 'one\\ntwo\\n\\nlong'; sleep 0; printf 'er\\ncut off'")
    assert lines(stop) == [b"one", b"two", b"", b"longer"]


def test_a_failure_carries_what_was_said(program, stop):
    program("echo one; echo 'Failed to open: Permission denied' >&2; exit 3")
    with Journalctl([], stop) as journalctl:
        reader = journalctl.lines()
        assert next(reader) == b"one"
        with pytest.raises(JournalError, match=r"status 3: .*systemd-journal"):
            next(reader)


@pytest.mark.parametrize("said", ["Insufficient permissions.", "No such file."])
def test_a_failure_ends_its_sentences_with_one_full_stop(program, stop, said):
    """Whoever logs it puts one behind it."""
    program(f"echo '{said}' >&2; exit 1")
    with pytest.raises(JournalError) as caught:
        lines(stop)
    assert said.rstrip(".") in str(caught.value)
    assert ".." not in f"{caught.value}."


def test_a_flood_of_complaints_neither_blocks_nor_fills_memory(program, stop):
    program("yes 'Bad message' | head -c 5000000 >&2; echo one; exit 1")
    with Journalctl([], stop) as journalctl:
        reader = journalctl.lines()
        assert next(reader) == b"one"
        with pytest.raises(JournalError) as caught:
            next(reader)
    assert len(str(caught.value)) < 3000


def test_complaints_after_the_last_line_do_not_block_either(program, stop):
    program("echo one; exec >&-; yes 'Bad message' | head -c 500000 >&2")
    assert lines(stop) == [b"one"]


def test_endless_complaints_are_ended(program, stop, monkeypatch):
    monkeypatch.setattr(module, "_COMPLAINT_BYTES", 1_000_000)
    program("echo one; exec yes 'Bad message' >&2")
    with Journalctl([], stop) as journalctl:
        reader = journalctl.lines()
        assert next(reader) == b"one"
        with pytest.raises(JournalError, match=r"without end.*Bad message") as caught:
            next(reader)
    assert len(str(caught.value)) < 1000
    assert journalctl._process.returncode is not None


def test_what_it_complained_of_last_is_known_when_it_is_stopped(program, stop):
    program("echo one; echo '/x.journal: Bad message' >&2")
    with Journalctl([], stop) as journalctl:
        journalctl._process.wait()
    assert journalctl.complaints.damage == "/x.journal: Bad message"


def test_complaints_between_lines_are_no_loop(program, stop, monkeypatch):
    monkeypatch.setattr(module, "_COMPLAINT_BYTES", 300_000)
    program("for i in 1 2 3 4; do yes Hm | head -c 200000 >&2; echo $i; done")
    assert lines(stop) == [b"1", b"2", b"3", b"4"]


def test_silence_is_ended(program, stop, monkeypatch):
    program("echo one; exec sleep 1000")
    with Journalctl([], stop) as journalctl:
        reader = journalctl.lines()
        assert next(reader) == b"one"
        monkeypatch.setattr(module, "SILENCE_SECONDS", 0.2)
        with pytest.raises(JournalError, match="said nothing"):
            next(reader)
    assert journalctl._process.returncode is not None


def test_of_an_overlong_line_only_the_end_is_kept(program, stop):
    program("echo one; head -c 60000000 /dev/zero | tr '\\0' x; echo; echo two")
    tracemalloc.start()
    try:
        one, end, two = lines(stop)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (one, two) == (b"one", b"two")
    assert end == b"x" * len(end)
    assert peak < 10_000_000


def test_stopping_ends_a_wait(program, stop):
    program("exec sleep 1000")
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StoppedError):
        lines(stop)


def test_a_missing_program_is_an_error(monkeypatch, stop):
    monkeypatch.setattr(module, "PROGRAM", "/nowhere/journalctl")
    with pytest.raises(JournalError, match="cannot be started"):
        Journalctl([], stop)


def test_the_child_does_not_get_the_token(program, stop, monkeypatch):
    monkeypatch.setenv("WATCHTOWER_AGENT_TOKEN", "s3cret")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    program("env")
    names = {line.split(b"=")[0] for line in lines(stop)}
    assert b"PATH" in names
    plain = {b"PATH", b"LC_ALL", b"SYSTEMD_COLORS", b"TZ", b"PWD", b"SHLVL", b"_"}
    assert names <= plain | {b"SYSTEMD_LOG_" + name for name in (b"LEVEL", b"TARGET", b"COLOR")}


def test_no_descriptor_is_left_behind(program, stop):
    program("echo one; echo two")
    descriptors = Path("/proc/self/fd")
    before = set(descriptors.iterdir())
    for _ in range(20):
        with Journalctl([], stop) as journalctl:
            next(journalctl.lines())
    assert set(descriptors.iterdir()) == before

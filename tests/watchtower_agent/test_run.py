"""The whole agent as a process: real journal, real spool, a collector over real TLS."""

import signal
import socket
import time

import pytest
from logins import login
from processes import IMPATIENT, TOKEN

from watchtower_agent.journal import current_boot_id


@pytest.fixture
def agent(agents, tmp_path, journal_directory):
    state = tmp_path / "state"
    state.mkdir()
    with (tmp_path / "log").open("wb") as log:

        def start(before="", **environment):
            return agents.start(state, journal_directory.source, before, log, **environment)

        start.log = tmp_path / "log"
        yield start


@pytest.fixture
def write(journal_directory):
    journal_directory.clock = int((time.time() - 3600) * 1_000_000)
    return lambda *entries: journal_directory.write(*entries, boot=current_boot_id())


def beats(stand_in):
    return [event for event in stand_in.stored.values() if event["type"] == "heartbeat"]


def wait_for_line(log, words, seconds=30):
    deadline = time.monotonic() + seconds
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def ports(stand_in):
    events = stand_in.stored.values()
    return [event["source_port"] for event in events if event["type"] == "login"]


def test_from_the_journal_to_the_collector(agent, write, stand_in):
    write(login(1))
    process = agent()
    stand_in.wait_until(lambda s: ports(s) == [1])
    write(login(2))
    stand_in.wait_until(lambda s: ports(s) == [1, 2])
    process.terminate()
    assert process.wait(30) == 0
    said = agent.log.read_text()
    assert "reads the journal" in said
    assert "stopped" in said
    assert TOKEN not in said


def test_systemd_is_told(agent, write, tmp_path, stand_in):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        process = agent(
            NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000", JOURNAL_STREAM="8:1"
        )
        said = []
        while b"WATCHDOG=1" not in said:
            said.append(manager.recv(1000))
        assert b"STATUS=Reporting to " in said[0]
        assert said[1] == b"READY=1"
        process.terminate()
        while manager.recv(1000) != b"STOPPING=1":
            pass
        assert process.wait(30) == 0
    assert all(line.startswith("<") for line in agent.log.read_text().splitlines())


def test_kill_at_any_moment_neither_loses_nor_doubles(agent, write, stand_in):
    for first in range(1, 21, 4):
        process = agent()
        for number in range(first, first + 4):
            write(login(number))
        stand_in.wait_until(lambda s, first=first: len(ports(s)) > first)
        process.send_signal(signal.SIGKILL)
        process.wait()
    agent()
    stand_in.wait_until(lambda s: len(ports(s)) == 20)
    assert ports(stand_in) == list(range(1, 21))


def test_sigterm_does_not_wait_for_a_black_hole(agent, write, stand_in):
    stand_in.script.append("black hole")
    write(login(1))
    process = agent()
    stand_in.wait_until(lambda s: s.requests)
    process.terminate()
    assert process.wait(15) == 0
    agent()
    stand_in.wait_until(lambda s: ports(s) == [1])


def test_an_outage_loses_nothing(agent, write, stand_in):
    stand_in.script += [(503, {}, b"")] * 3
    agent()
    for number in range(1, 6):
        write(login(number))
    stand_in.wait_until(lambda s: len(ports(s)) == 5, seconds=60)
    assert ports(stand_in) == [1, 2, 3, 4, 5]


def test_a_spool_damaged_in_a_crash_is_replaced(agent, write, stand_in, tmp_path):
    stand_in.script.append("black hole")
    write(*(login(number) for number in range(1, 200)))
    process = agent()
    stand_in.wait_until(lambda s: s.requests)
    process.kill()
    process.wait()
    for name in ("spool.db", "spool.db-wal"):
        (tmp_path / "state" / name).write_bytes(b"no database" * 1000)
    agent()
    stand_in.wait_until(lambda s: len(ports(s)) == 199)
    assert "damaged" in agent.log.read_text()
    assert any(event["type"] == "journal_gap" for event in stand_in.stored.values())


def test_a_clock_in_1970_keeps_what_happens_until_it_is_right(agent, write, stand_in, tls):
    """To a host whose clock is far behind, each certificate is of the future."""
    stand_in.present(tls / "future.pem")
    write(login(1))
    agent(IMPATIENT)
    wait_for_line(agent.log, "is not yet valid, and this host's clock says")
    write(login(2))
    assert not stand_in.requests
    stand_in.present(tls / "server.pem")
    stand_in.wait_until(lambda s: ports(s) == [1, 2])
    wait_for_line(agent.log, "takes events again")
    assert agent.log.read_text().count("is not yet valid") == 1


# Names are not found before there is a file of this name.
NO_NAMES_UNTIL = """
import os, socket
really = socket.getaddrinfo
def getaddrinfo(host, *rest, **more):
    if not os.path.exists({path!r}):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return really(host, *rest, **more)
socket.getaddrinfo = getaddrinfo
"""


def test_names_that_are_found_a_minute_after_boot(agent, write, stand_in, tmp_path):
    path = tmp_path / "network-is-up"
    write(login(1))
    agent(NO_NAMES_UNTIL.format(path=str(path)) + IMPATIENT)
    wait_for_line(agent.log, "cannot be reached")
    write(login(2))
    assert not stand_in.requests
    path.touch()
    stand_in.wait_until(lambda s: ports(s) == [1, 2])


def test_a_journal_that_cannot_be_read_is_told_and_waited_for(
    agent, write, stand_in, journal_directory
):
    journal_directory.path.rmdir()
    agent(IMPATIENT, WATCHTOWER_HEARTBEAT_SECONDS="5")
    stand_in.wait_until(lambda s: any("trouble" in beat for beat in beats(s)))
    assert "The journal cannot be read on: " in beats(stand_in)[-1]["trouble"]
    journal_directory.path.mkdir()
    write(login(1))
    stand_in.wait_until(lambda s: ports(s) == [1])
    stand_in.wait_until(lambda s: "trouble" not in beats(s)[-1])
    said = agent.log.read_text()
    assert said.count("The journal cannot be read on") == 1
    assert "The journal is read again." in said


def test_a_setting_that_does_not_exist_is_named_and_stops_nothing(agent, stand_in):
    agent(WATCHTOWER_HOSTGROUP="web")
    stand_in.wait_until(beats)
    assert "WATCHTOWER_HOST_GROUP is probably meant" in agent.log.read_text()


def test_a_fixed_name_is_on_every_event(agent, write, sshd_fields, stand_in):
    write(sshd_fields(login(1), _HOSTNAME="dhcp-7"))
    agent(WATCHTOWER_HOSTNAME="web-7")
    stand_in.wait_until(lambda s: ports(s) and beats(s))
    names = {event["hostname"] for event in stand_in.stored.values()}
    assert names == {"web-7"}


def test_a_part_that_fails_ends_the_process_with_an_error(agent, write, stand_in):
    write(login(1))
    broken = "import watchtower_agent.reader as r\nr.JournalReader.drain = lambda _: 1 / 0\n"
    process = agent(broken)
    assert process.wait(60) == 1
    said = agent.log.read_text()
    assert "The journal reader has failed" in said
    assert "ZeroDivisionError" in said
